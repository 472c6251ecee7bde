//! Nobody learns or changes anything of another user's mail, in his own domain or in another one.

use std::collections::BTreeMap;
use std::path::Path;

use super::{World, subjects};
use crate::harness::imap::Imap;

/// Names by which somebody may try to reach `ann@va.test` or `joe@vb.test`.
const ELSEWHERE: [&str; 22] = [
    "..",
    "../ann",
    "../../vb.test/joe",
    "/etc/passwd",
    "/var/spool/vmail/vb.test/joe",
    "INBOX/../../ann",
    "INBOX/..",
    "./ann",
    "a/../../ann",
    "~ann",
    "~ann/Private",
    "#user/ann",
    "Other Users/ann/Private",
    "user/ann/Private",
    "user.ann.Private",
    "ann@va.test",
    "ann@va.test/Private",
    ".Private",
    "..Private",
    "%2e%2e/ann",
    "&AC4ALg-/ann",
    "&AC8-etc",
];

/// ann and the other joe have folders and mail that joe of va.test knows of, and not more.
fn furnish(world: &World) {
    for mut imap in [world.ann(), world.other_joe()] {
        imap.ask("CREATE Private");
        imap.append("Private", "top-secret", "").unwrap();
        imap.ask("SUBSCRIBE Private");
    }
}

#[test]
fn no_name_leads_to_another_users_mail() {
    let world = World::new();
    furnish(&world);
    let before = trees(&world);
    let mut joe = world.joe();
    let mut answers = Vec::new();
    for name in ELSEWHERE {
        let commands = ["SELECT", "EXAMINE", "DELETE", "GETQUOTAROOT", "LIST \"\"", "LSUB \"\"", "SUBSCRIBE", "RENAME INBOX"];
        answers.extend(commands.map(|command| joe.say(&format!("{command} \"{name}\""))));
        answers.push(joe.say(&format!("STATUS \"{name}\" (MESSAGES UIDNEXT MAILBOXID)")));
        answers.push(joe.say(&format!("LIST \"{name}\" *")));
        answers.push(joe.say(&format!("LIST (SUBSCRIBED) \"\" (\"{name}/*\" \"{name}*\") RETURN (STATUS (MESSAGES))")));
        answers.push(joe.say(&format!("RENAME \"{name}\" Mine")));
        answers.push(joe.say(&format!("CREATE \"{name}/x\"")));
        answers.push(joe.say(&format!("APPEND \"{name}\" {{9+}}\r\na: b\r\n\r\nc")));
        joe.ask("EXAMINE INBOX");
        answers.push(joe.say(&format!("COPY 1:* \"{name}\"")));
    }
    for answer in answers.iter().flatten() {
        assert!(!answer.contains("top-secret") && !answer.contains("of ann") && !answer.contains("of joe@vb"), "{answer}");
        assert!(!answer.contains("var/spool") && !answer.contains(world.house.root().path().to_str().unwrap()), "{answer}");
    }
    assert_eq!(trees(&world), before, "others' mail is as it was");
}

#[test]
fn what_is_there_of_others_is_answered_like_what_is_nowhere() {
    let world = World::new();
    furnish(&world);
    let mut joe = world.joe();
    for command in ["SELECT", "DELETE", "STATUS", "SUBSCRIBE", "GETQUOTAROOT"] {
        for (there, nowhere) in [
            ("../ann", "../bob"),
            ("../../vb.test/joe", "../../vc.test/joe"),
            ("ann/Private", "bob/Private"),
            ("ann@va.test", "bob@va.test"),
            ("user/ann", "user/bob"),
        ] {
            let rest = if command == "STATUS" { " (MESSAGES)" } else { "" };
            let mut answers = [there, nowhere].map(|name| joe.say(&format!("{command} \"{name}\"{rest}")));
            answers.iter_mut().flatten().for_each(|line| *line = line.replace("ann", "bob").replace("vb.test", "vc.test"));
            assert_eq!(answers[0], answers[1], "{command} {there}");
        }
    }
}

#[test]
fn lists_show_ones_own_folders_only() {
    let world = World::new();
    furnish(&world);
    let mut joe = world.joe();
    for command in ["LIST \"\" *", "LIST \"/\" *", "LIST \"..\" *", "LIST \"\" (\"*\" \"../*\" \"%/%\")"] {
        let answers = joe.ask(command);
        let lines: Vec<&String> = answers.iter().filter(|line| line.starts_with("* LIST")).collect();
        assert!(lines.iter().all(|line| line.ends_with(" INBOX")), "{command}: {lines:?}");
    }
    assert_eq!(joe.ask("LSUB \"\" *").len(), 1);
    assert_eq!(joe.ask("NAMESPACE")[0], "* NAMESPACE ((\"\" \"/\")) NIL NIL");
}

/// CVE-2026-47083: there, ESEARCH told of mailboxes that the user could not read.
#[test]
fn searches_find_nothing_of_others() {
    let world = World::new();
    furnish(&world);
    let (mut joe, mut ann) = (world.joe(), world.ann());
    ann.ask("SELECT Private");
    let ids = ann.ask("FETCH 1 (EMAILID THREADID)").remove(0);
    let id = |name: &str| ids.split_once(&format!("{name} (")).unwrap().1.split_once(')').unwrap().0.to_owned();
    joe.ask("SELECT INBOX");
    let keys = ["TEXT top-secret".to_owned(), format!("EMAILID {}", id("EMAILID")), format!("THREADID {}", id("THREADID"))];
    for key in keys {
        let found = joe.ask(&format!("SEARCH RETURN (ALL COUNT) {key}")).remove(0);
        assert!(found.ends_with(" COUNT 0"), "{key}: {found}");
    }
    for beyond in ["ESEARCH IN (personal) TEXT top-secret", "ESEARCH IN (mailboxes \"../ann\") ALL", "SEARCH IN (personal) ALL"] {
        assert!(joe.say(beyond).pop().unwrap().starts_with("BAD"), "{beyond}");
    }
}

#[test]
fn quotas_tell_ones_own_usage_only() {
    let world = World::new();
    for domain in ["va.test", "vb.test"] {
        let record = world.house.root().record(&domain.parse().unwrap());
        let text = std::fs::read_to_string(&record).unwrap();
        std::fs::write(&record, format!("{text}[quota]\nstorage = 1000\nmessages = 50\ndomain_storage = 100000\n")).unwrap();
    }
    world.daemon.signal(rustix::process::Signal::HUP);
    world.daemon.await_ready();
    furnish(&world);
    let mut joe = world.joe();
    // What others have delivered is counted when it is seen.
    assert_eq!(subjects(&mut joe), ["of joe@va.test"]);
    assert_eq!(joe.ask("GETQUOTAROOT INBOX")[1], "* QUOTA \"mail\" (STORAGE 1 1000 MESSAGE 1 50)");
    let nobody = joe.say("GETQUOTA nobody");
    for root in ["\"\"", "ann", "va.test", "vb.test", "joe@vb.test", "../ann", "domain"] {
        assert_eq!(joe.say(&format!("GETQUOTA {root}")), nobody, "{root}");
    }
}

#[test]
fn failed_logins_tell_nothing() {
    let world = World::new();
    let mut texts = Vec::new();
    for name in [
        "nobody",
        "joe",
        "ann",
        "joe@vb.test",
        "../joe",
        "joe/../ann",
        "\"joe \"",
        "\"*\"",
        "\"jo%\"",
        "\"' OR 1=1 --\"",
        "joe@va.test@vb.test",
    ] {
        let (mut imap, _) = Imap::dial(world.va.starttls);
        texts.push(imap.say(&format!("LOGIN {name} wrong")));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

/// CVE-2025-30189: there, a remembered password of one user let another one in.
#[test]
fn a_remembered_password_is_its_users_alone() {
    let world = World::new();
    drop((world.joe(), world.ann(), world.other_joe()));
    for (address, name, password) in
        [(&world.va, "joe", "two"), (&world.va, "joe", "three"), (&world.va, "ann", "one"), (&world.vb, "joe", "one")]
    {
        let (mut imap, _) = Imap::dial(address.starttls);
        assert!(imap.say(&format!("LOGIN {name} {password}")).pop().unwrap().starts_with("NO [AUTH"), "{name} {password}");
    }
}

/// CVE-2026-59028: there, base64 that was none broke the logins of others.
#[test]
fn malformed_base64_disturbs_nobody() {
    let world = World::new();
    let mut mallory = Vec::new();
    for malformed in ["====", "%%%%", "A", "AGpvZQBv====", "\u{e4}\u{f6}", "AGpvZQ=", "=AGpvZQBvbmU="] {
        let (mut imap, _) = Imap::dial(world.va.starttls);
        assert!(!imap.say(&format!("AUTHENTICATE PLAIN {malformed}")).pop().unwrap().starts_with("OK"), "{malformed}");
        mallory.push(imap);
        assert_eq!(subjects(&mut world.joe()), ["of joe@va.test"]);
    }
}

/// CVE-2026-27857: there, parentheses before a login cost memory without end.
#[test]
fn a_stranger_costs_little_memory_whatever_it_says() {
    let world = World::new();
    let nested = "(".repeat(4_000_000);
    let before = world.daemon.memory();
    for command in ["ID ", "LOGIN ", "AUTHENTICATE PLAIN ", "X ", ""] {
        let (mut imap, _) = Imap::dial(world.va.starttls);
        assert!(imap.say(&format!("{command}{nested}")).pop().unwrap().starts_with("BAD"), "{command}");
        imap.ask("NOOP");
    }
    let (mut imap, _) = Imap::dial(world.va.starttls);
    for command in ["LOGIN {4000000000}", "LOGIN joe {9000}", "ID (\"name\" {99999999999}"] {
        assert!(imap.say(command).pop().unwrap().starts_with("BAD [TOOBIG]"), "{command}");
    }
    let grown = world.daemon.memory() - before;
    assert!(grown < 4 << 20, "{grown} octets more");
}

#[test]
fn after_unauthenticate_nothing_of_the_former_user_is_left() {
    let world = World::new();
    furnish(&world);
    let mut imap = world.ann();
    imap.ask("ENABLE QRESYNC UTF8=ACCEPT");
    imap.ask("SELECT Private");
    imap.ask("SEARCH RETURN (SAVE) ALL");
    imap.ask("UNAUTHENTICATE");
    for command in
        ["FETCH 1 BODY[]", "SEARCH ALL", "LIST \"\" *", "STATUS Private (MESSAGES)", "IDLE", "GETQUOTAROOT INBOX", "UID FETCH $ UID"]
    {
        assert!(imap.say(command).pop().unwrap().starts_with("BAD"), "{command}");
    }
    imap.ask("LOGIN joe one");
    assert_eq!(imap.ask("LIST \"\" *").len(), 2);
    assert!(imap.say("SELECT INBOX (QRESYNC (1 1))").pop().unwrap().starts_with("BAD"));
    assert_eq!(subjects(&mut imap), ["of joe@va.test"]);
    assert_eq!(imap.ask("UID FETCH $ (UID)").len(), 1, "no search result is left");
    imap.ask("UNAUTHENTICATE");
    imap.ask("LOGIN joe@vb.test two");
    assert_eq!(subjects(&mut imap), ["of joe@vb.test"]);
}

/// All files of ann and of the other joe, and their contents.
fn trees(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for owner in ["ann@va.test", "joe@vb.test"] {
        let owner: vmail::address::Owner = owner.parse().unwrap();
        let root = world.house.root();
        gather(&root.spool(owner.domain()).join(owner.user().as_str()), &mut files);
        gather(&root.home(&owner), &mut files);
    }
    files
}

fn gather(path: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| gather(&entry.unwrap().path(), files));
    } else if let Ok(text) = std::fs::read(path) {
        files.insert(path.display().to_string(), text);
    }
}
