"""Python's imaplib: appends all of /tmp/mail, fetches it into /tmp/got and /tmp/got.flags, and says every other command that it knows."""

import imaplib
import re
import ssl
import sys
import time
from pathlib import Path

HOST, PASSWORD, WAY, CA = sys.argv[1:]
FLAGS = open("/tmp/got.flags", "w")
FOLDER = '"Reisen/S&APw-den &- Norden"'


def login(authenticate=False):
    context = ssl.create_default_context(cafile=CA)
    if WAY == "Tls":
        imap = imaplib.IMAP4_SSL(HOST, ssl_context=context, timeout=30)
    else:
        imap = imaplib.IMAP4(HOST, timeout=30)
    if WAY == "StartTls":
        assert "AUTH=PLAIN" in imap.capabilities or "LOGINDISABLED" in imap.capabilities
        ok(imap.starttls(context))
    if authenticate:
        ok(imap.authenticate("PLAIN", lambda challenge: b"\0joe\0" + PASSWORD.encode()))
    else:
        ok(imap.login("joe", PASSWORD))
    return imap


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def append_all(imap):
    ok(imap.create(FOLDER))
    ok(imap.subscribe(FOLDER))
    for line in Path("/tmp/mail.flags").read_text().splitlines():
        name, *flags = line.split()
        when = imaplib.Time2Internaldate(1_700_000_000 + int(name))
        [told] = ok(imap.append(FOLDER, " ".join(flags) or None, when, Path("/tmp/mail", name).read_bytes()))
        assert re.match(rb"\[APPENDUID \d+ %d\]" % int(name), told), told


def fetch_all(imap):
    # With UTF8=ACCEPT, names are as people write them.
    ok(imap.enable("UTF8=ACCEPT"))
    [count] = ok(imap.select('"Reisen/Süden & Norden"'))
    parts = ok(imap.uid("FETCH", "1:*", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"))
    messages = [(part[0].decode(), part[1]) for part in parts if isinstance(part, tuple)]
    assert len(messages) == int(count)
    for told, text in messages:
        uid = re.search(r"UID (\d+)", told)[1]
        assert f"RFC822.SIZE {len(text)}" in told, told
        assert time.mktime(imaplib.Internaldate2tuple(told.encode())) == 1_700_000_000 + int(uid), told
        Path("/tmp/got", uid).write_bytes(text)
        print(uid, re.search(r"FLAGS \(([^)]*)\)", told)[1], file=FLAGS)
    return int(count)


def everything_else(imap, count):
    every = " ".join(map(str, range(1, count + 1))).encode()
    ok(imap.select("INBOX"))
    ok(imap.select(FOLDER))
    assert ok(imap.search(None, "ALL")) == [every]
    assert ok(imap.search("UTF-8", "SUBJECT", '"message 17"'))[0].split()[0] == b"17"
    assert ok(imap.uid("SEARCH", "KEYWORD", "$Forwarded"))[0]
    assert ok(imap.sort("(REVERSE ARRIVAL)", "UTF-8", "ALL"))[0].split()[0] == str(count).encode()
    assert ok(imap.thread("REFERENCES", "UTF-8", "1:3")) == [b"(1)(2)(3)"]
    assert len(ok(imap.fetch("1:*", "(ENVELOPE BODYSTRUCTURE)"))) >= count
    ok(imap.create("Trash"))
    ok(imap.copy("1:5", "Trash"))
    flagged = ok(imap.store("1:5", "+FLAGS.SILENT", r"(\Deleted)"))
    assert flagged == [None], flagged
    assert len(ok(imap.expunge())) == 5
    ok(imap.noop())
    ok(imap.check())
    ok(imap.select("Trash"))
    ok(imap.uid("STORE", "1:2", "FLAGS", r"(\Deleted)"))
    ok(imap.close())
    [status] = ok(imap.status("Trash", "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)"))
    assert b"MESSAGES 3" in status and b"UIDNEXT 6" in status, status
    ok(imap.rename("Trash", "Papierkorb"))
    listed = ok(imap.list())
    assert any(line.endswith(b'"Reisen/S&APw-den &- Norden"') for line in listed), listed
    assert any(line.split()[-1].strip(b'"') == b"Papierkorb" for line in listed), listed
    assert FOLDER.encode() in ok(imap.lsub())[0]
    ok(imap.select("Papierkorb", readonly=True))
    ok(imap.unselect())
    ok(imap.delete("Papierkorb"))
    ok(imap.unsubscribe(FOLDER))
    assert ok(imap.namespace()) == [b'(("" "/")) NIL NIL']
    status, answer = imap.select("Papierkorb")
    assert status == "NO", answer


imap = login()
append_all(imap)
imap.logout()
imap = login(authenticate=True)
count = fetch_all(imap)
imap.logout()
imap = login()
everything_else(imap, count)
assert imap.logout()[0] == "BYE"
