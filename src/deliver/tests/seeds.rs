//! What seed 002, the manual of virtual email domains, promises of delivery: by its sections.

use std::fs;

use super::mailboxes::Post;
use crate::address::Domain;
use crate::config::Machine;
use crate::deliver::{Mail, Outcome, Refusal};

/// The manual's domain `foo.com` with joe ("joe who") and ann; programs write into a folder that anybody may write to.
struct Foo {
    post: Post,
    out: tempfile::TempDir,
}

impl Foo {
    fn new(record: &str, aliases: &str) -> Foo {
        use std::os::unix::fs::PermissionsExt;
        let out = tempfile::tempdir().unwrap();
        fs::set_permissions(out.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let path = out.path().display().to_string();
        let mut machine = Machine::default();
        machine.delivery.program_user = rustix::process::geteuid().is_root().then(|| "nobody".to_owned());
        machine.delivery.sendmail = out.path().join("sendmail");
        let foo = Foo { post: Post::of(&machine, "", ""), out };
        foo.script("sendmail", "echo $5 >> OUT/left; cat > OUT/message");
        let record = format!("owner = \"vmail\"\n{}", record.replace("OUT", &path));
        foo.post.site.domain("foo.com", &record, aliases, "joe:x:1:1:joe who:/h:\nann:x:1:1:ann:/h:\n");
        foo
    }

    fn script(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.out.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{}\n", text.replace("OUT", &self.out.path().display().to_string()))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn send(&self, to: &str) -> Outcome {
        self.carry(to, &self.post.mail("ann@bar.org", format!("To: {to}\nSubject: x\n\nvirus\n").as_bytes()))
    }

    fn carry(&self, to: &str, mail: &Mail) -> Outcome {
        self.post.carry(&[to], mail).remove(0)
    }

    fn has(&self, user: &str) -> usize {
        let new = self.post.site.root.spool(&foo_com()).join(user).join("new");
        fs::read_dir(new).into_iter().flatten().count()
    }

    fn wrote(&self, name: &str) -> String {
        fs::read_to_string(self.out.path().join(name)).unwrap_or_default()
    }

    /// A file of the administrator's, as `somename.auto`.
    fn file(&self, name: &str, text: &str) {
        let folder = self.post.site.root.files(&foo_com());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
}

fn foo_com() -> Domain {
    "foo.com".parse().unwrap()
}

const NOBODY: Outcome = Outcome::Refused(Refusal::Nobody);

#[test]
fn seed_002_2_2_1_an_alias_then_a_user_then_an_error_message() {
    let foo = Foo::new("", "staff: boss, ann\nboss: joe\n");
    assert_eq!([foo.send("staff@foo.com"), foo.send("joe@foo.com"), foo.send("unknown@foo.com")], [Outcome::Done, Outcome::Done, NOBODY]);
    assert_eq!((foo.has("joe"), foo.has("ann")), (2, 1), "aliases may point to other aliases");
}

#[test]
fn seed_002_2_2_1_the_fallback_is_one_of_five() {
    let fallback = |text: &str| Foo::new(&format!("delivery.fallback = {text:?}"), "account: joe\n");
    assert_eq!(fallback("").send("unknown@foo.com"), NOBODY);
    for (text, left) in [("another_user@another.domain", "another_user@another.domain\n"), ("@another.domain", "unknown@another.domain\n")]
    {
        let foo = fallback(text);
        assert_eq!((foo.send("unknown@foo.com"), foo.wrote("left")), (Outcome::Done, left.to_owned()));
    }
    let foo = fallback("account");
    assert_eq!((foo.send("unknown@foo.com"), foo.has("joe")), (Outcome::Done, 1), "this account may be an alias");
    let foo = fallback("| OUT/command arg");
    foo.script("command", "echo $* > OUT/ran; cat >> OUT/ran");
    assert_eq!(foo.send("unknown@foo.com"), Outcome::Done);
    assert!(foo.wrote("ran").starts_with("arg\nFrom ann@bar.org ") && foo.wrote("ran").ends_with("\n\nvirus\n"));
}

#[test]
fn seed_002_9_tokens_are_replaced_before_the_command_is_executed() {
    let foo = Foo::new("delivery.fallback = \"| OUT/command %d %f %u\"", "");
    foo.script("command", "echo $* > OUT/ran");
    assert_eq!((foo.send("unknown@foo.com"), foo.wrote("ran")), (Outcome::Done, "foo.com ann@bar.org unknown\n".to_owned()));
}

#[test]
fn seed_002_2_2_3_the_limit_is_the_domains_unless_a_user_has_one() {
    let foo = Foo::new("quota.inbox = 1\n[quota.user.ann]\ninbox = \"unlimited\"\n", "");
    let large = foo.post.mail("a@bar.org", &[b'x'; 1500]);
    assert_eq!([foo.carry("joe@foo.com", &large), foo.carry("ann@foo.com", &large)], [Outcome::MailboxFull, Outcome::Done]);
}

#[test]
fn seed_002_2_3_2_joe_who_receives_mail_as_joe_or_joe_dot_who() {
    let foo = Foo::new("delivery.full_names = true", "");
    assert_eq!([foo.send("joe@foo.com"), foo.send("joe.who@foo.com")], [const { Outcome::Done }; 2]);
    assert_eq!(foo.has("joe"), 2);
    assert_eq!(Foo::new("", "").send("joe.who@foo.com"), NOBODY, "when enabled");
}

#[test]
fn seed_002_2_3_3_a_filter_looks_for_a_virus() {
    let foo = Foo::new("delivery.filter = \"OUT/filter virus\"", "");
    foo.script("filter", "cat > OUT/seen; grep -q $1 OUT/seen || cat OUT/seen");
    assert_eq!(foo.send("joe@foo.com"), Outcome::Dropped);
    assert_eq!(foo.carry("joe@foo.com", &foo.post.mail("a@bar.org", b"Subject: x\n\nhealthy\n")), Outcome::Done);
    assert_eq!(foo.has("joe"), 1);
}

#[test]
fn seed_002_2_3_4_incoming_mail_is_rejected_with_an_error_message() {
    assert_eq!(Foo::new("delivery.reject = true", "").send("joe@foo.com"), Outcome::Refused(Refusal::Rejected));
}

#[test]
fn seed_002_2_5_the_implicit_alias_file_goes_first_then_the_extra_ones() {
    let foo = Foo::new("delivery.alias_files = [\"one\", \"two\"]", "a: joe\n");
    foo.post.site.file("one", "a: ann\nb: joe\n");
    foo.post.site.file("two", "b: ann\nc: joe\n");
    assert_eq!(["a", "b", "c"].map(|name| foo.send(&format!("{name}@foo.com"))), [const { Outcome::Done }; 3]);
    assert_eq!((foo.has("joe"), foo.has("ann")), (3, 0));
}

#[test]
fn seed_002_2_6_foo_net_and_foo_com_are_equivalent() {
    let foo = Foo::new("alias = [\"foo.net\"]", "sales: joe\n");
    assert_eq!(["joe@foo.net", "sales@foo.net", "joe@foo.com"].map(|to| foo.send(to)), [const { Outcome::Done }; 3]);
    assert_eq!((foo.has("joe"), foo.send("unknown@foo.net")), (3, NOBODY));
}

#[test]
fn seed_002_8_1_the_auto_responder_works_beside_delivery_and_needs_no_account() {
    let foo = Foo::new("", "other: somename\nboth: joe, somename\n");
    foo.file("somename.auto", "Subject: prices\nReply-To: sales@foo.com\n\nOne dollar.\n");
    assert_eq!(foo.send("somename@foo.com"), Outcome::Done);
    let sent = foo.wrote("message");
    assert!(sent.contains("\nTo: ann@bar.org\n") && sent.contains("\nReply-To: sales@foo.com\n\nOne dollar.\n"), "{sent}");
    assert_eq!([foo.send("other@foo.com"), foo.send("both@foo.com")], [const { Outcome::Done }; 2]);
    assert_eq!((foo.has("joe"), foo.wrote("left").lines().count()), (1, 3), "each message is answered");
    let bulk = foo.post.mail("ann@bar.org", b"Precedence: bulk\n\n");
    assert_eq!((foo.carry("somename@foo.com", &bulk), foo.wrote("left").lines().count()), (Outcome::Done, 3), "bulk messages are ignored");
    foo.file("joe.auto", "Subject: I am joe\n\n");
    assert_eq!((foo.send("joe@foo.com"), foo.has("joe")), (Outcome::Done, 2), "an account may have one");
    assert_eq!(foo.wrote("left").lines().count(), 4);
}

#[test]
fn seed_002_8_2_a_vacation_text_goes_once_to_the_same_people_while_its_index_exists() {
    let foo = Foo::new("", "");
    foo.file("joe.vacation", "Subject: away\n\nBack on Monday.\n");
    assert_eq!((foo.send("joe@foo.com"), foo.wrote("left")), (Outcome::Done, String::new()), "without an index it is off");
    foo.file("joe.vacation.db", "");
    assert_eq!([foo.send("joe@foo.com"), foo.send("joe@foo.com")], [const { Outcome::Done }; 2]);
    assert_eq!(foo.wrote("left"), "ann@bar.org\n");
    foo.file("joe.vacation.db", "");
    assert_eq!((foo.send("joe@foo.com"), foo.wrote("left").lines().count()), (Outcome::Done, 2), "it maintained the index");
    fs::remove_file(foo.post.site.root.files(&foo_com()).join("joe.vacation.db")).unwrap();
    assert_eq!((foo.send("joe@foo.com"), foo.wrote("left").lines().count()), (Outcome::Done, 2));
}
