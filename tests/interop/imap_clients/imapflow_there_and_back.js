// imapflow: appends all of /tmp/mail over a compressed connection, fetches it into /tmp/got and /tmp/got.flags, waits in IDLE, and catches up by QRESYNC.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const { ImapFlow } = require('imapflow');

const [host, password, way, ca] = process.argv.slice(2);
const FOLDER = ['Projekte', 'Größe & Gewicht'].join('/');
const said = [];

async function login(more) {
    const flow = new ImapFlow({
        host,
        port: way === 'Tls' ? 993 : 143,
        secure: way === 'Tls',
        doSTARTTLS: way === 'StartTls',
        auth: { user: 'joe', pass: password },
        tls: { ca: fs.readFileSync(ca) },
        logger: { trace: heard, debug: heard, info: heard, warn: heard, error: heard },
        logRaw: false,
        ...more,
    });
    flow.on('error', problem => assert.fail(problem));
    await flow.connect();
    return flow;
}

function heard(line) {
    said.push(line);
}

// The next of these events that passes the test.
function next(flow, name, test = () => true) {
    return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`no ${name} in 20 s`)), 20000);
        flow.on(name, function listen(event) {
            if (!test(event)) return;
            clearTimeout(late);
            flow.off(name, listen);
            resolve(event);
        });
    });
}

async function appendAll(flow) {
    const made = await flow.mailboxCreate(FOLDER);
    assert.ok(made.created);
    for (const line of fs.readFileSync('/tmp/mail.flags', 'utf8').trim().split('\n')) {
        const [name, ...flags] = line.trim().split(' ');
        const when = new Date((1700000000 + Number(name)) * 1000);
        const done = await flow.append(FOLDER, fs.readFileSync(`/tmp/mail/${name}`), flags, when);
        assert.strictEqual(done.uid, Number(name));
    }
}

async function fetchAll(flow) {
    const lock = await flow.getMailboxLock(FOLDER);
    let count = 0;
    const wanted = { uid: true, flags: true, source: true, envelope: true, bodyStructure: true, internalDate: true, size: true };
    for await (const message of flow.fetch('1:*', wanted)) {
        count += 1;
        assert.strictEqual(message.size, message.source.length);
        assert.strictEqual(message.envelope.subject, `message ${message.uid}`);
        assert.strictEqual(new Date(message.internalDate).getTime(), (1700000000 + message.uid) * 1000);
        assert.ok(message.bodyStructure.type);
        fs.writeFileSync(`/tmp/got/${message.uid}`, message.source);
        fs.appendFileSync('/tmp/got.flags', `${[message.uid, ...message.flags].join(' ')}\n`);
    }
    assert.strictEqual(count, flow.mailbox.exists);
    lock.release();
}

async function everythingElse(flow) {
    const lock = await flow.getMailboxLock(FOLDER);
    assert.strictEqual((await flow.search({ subject: 'message 17' }, { uid: true }))[0], 17);
    assert.ok(await flow.messageFlagsAdd('1:3', ['\\Flagged', 'work'], { uid: true }));
    assert.ok(await flow.messageFlagsRemove('1', ['work'], { uid: true }));
    await flow.mailboxCreate('Archiv');
    const copied = await flow.messageCopy('1:2', 'Archiv', { uid: true });
    assert.deepStrictEqual([...copied.uidMap.values()], [1, 2]);
    const moved = await flow.messageMove('3', 'Archiv', { uid: true });
    assert.deepStrictEqual([...moved.uidMap], [[3, 3]]);
    assert.ok(await flow.messageDelete('4', { uid: true }));
    const { content, meta } = await flow.download('17', 'TEXT', { uid: true });
    assert.ok(meta);
    for await (const piece of content) assert.ok(piece.length);
    lock.release();
    assert.strictEqual((await flow.status('Archiv', { messages: true, unseen: true, highestModseq: true })).messages, 3);
    await flow.mailboxRename('Archiv', 'Archiv 2026');
    await flow.mailboxSubscribe('Archiv 2026');
    const listed = (await flow.list({ statusQuery: { messages: true } })).find(folder => folder.path === 'Archiv 2026');
    assert.ok(listed.subscribed && listed.status.messages === 3, JSON.stringify(listed));
    await flow.mailboxDelete('Archiv 2026');
    assert.ok(await flow.getQuota() !== undefined);
}

// News come by themselves, while the first session is idle.
async function idle(flow) {
    await flow.mailboxOpen('INBOX');
    const other = await login();
    const idling = flow.idle();
    let waited = next(flow, 'exists', event => event.count === 1);
    await other.append('INBOX', 'Subject: news\r\n\r\nhere\r\n');
    await waited;
    await other.mailboxOpen('INBOX');
    waited = next(flow, 'flags', event => event.flags.has('\\Flagged'));
    await other.messageFlagsAdd('1', ['\\Flagged']);
    await waited;
    waited = next(flow, 'expunge');
    await other.messageDelete('1');
    await waited;
    await flow.noop();
    await idling;
    await other.logout();
}

// A session that knows the mailbox as it was learns what has happened since.
async function catchUp(flow) {
    const known = await flow.mailboxOpen(FOLDER);
    const { uidValidity, highestModseq } = known;
    await flow.messageFlagsAdd('20', ['late'], { uid: true });
    await flow.messageDelete('21:23', { uid: true });
    await flow.mailboxClose();
    const again = await login({ qresync: true });
    const [vanished, flags] = [[], []];
    again.on('expunge', event => vanished.push(event.uid));
    again.on('flags', event => flags.push([event.uid, event.flags.has('late')]));
    await again.mailboxOpen(FOLDER, { uidValidity, changedSince: highestModseq });
    const changed = [];
    for await (const message of again.fetch('1:*', { uid: true, flags: true }, { changedSince: highestModseq })) changed.push(message.uid);
    assert.deepStrictEqual(changed, [20]);
    assert.ok(again.enabled.has('QRESYNC') && again.enabled.has('CONDSTORE'));
    assert.deepStrictEqual([...new Set(vanished)].sort(), [21, 22, 23]);
    await again.logout();
}

async function main() {
    const flow = await login();
    assert.ok(flow._deflate && flow._inflate, 'the connection is compressed');
    await appendAll(flow);
    await fetchAll(flow);
    await everythingElse(flow);
    await idle(flow);
    await catchUp(flow);
    await flow.logout();
}

main().catch(problem => {
    console.error(problem, said.slice(-30));
    process.exit(1);
});
