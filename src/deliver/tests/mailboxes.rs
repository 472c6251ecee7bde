//! Delivery into mailboxes.

use std::fs;

use super::Site;
use crate::address::Owner;
use crate::config::Machine;
use crate::deliver::{Carrier, Leaf, Mail, Mailbox, Outcome, plan};
use crate::store::{Draft, Letter, Places, Store};

pub struct Post {
    pub site: Site,
    pub carrier: Carrier,
    runtime: tokio::runtime::Runtime,
}

impl Post {
    fn new(record: &str) -> Post {
        Post::of(&Machine::default(), &format!("owner = \"vmail\"\n{record}"), "list: joe\nowner-list: ann\n")
    }

    pub fn of(machine: &Machine, record: &str, aliases: &str) -> Post {
        Post::at(machine, Site::new(record, aliases))
    }

    pub fn at(machine: &Machine, site: Site) -> Post {
        let places = Places::below(&site.root, machine);
        let spool = site.root.spool(&"va.test".parse().unwrap());
        for folder in [&places.index, &places.redo, &places.quota, &places.staging, &places.run, &spool] {
            fs::create_dir_all(folder).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Post { site, carrier: Carrier::new(Store::new(places), machine), runtime }
    }

    /// Brings `mail` to all of `to`, with the answers of machines.
    pub fn carry(&self, to: &[&str], mail: &Mail) -> Vec<Outcome> {
        let directory = self.site.directory();
        let plans: Vec<_> = to.iter().map(|to| plan(&directory, &self.site.maps, &to.parse().unwrap(), mail.sender())).collect();
        self.runtime.block_on(async {
            let carried = self.carrier.carry(&plans, mail).await;
            self.carrier.answer(&plans, mail, &carried).await;
            carried.outcomes
        })
    }

    /// The texts of what lies in a user's Maildir.
    pub fn all_of(&self, user: &str) -> Vec<String> {
        let new = self.site.root.spool(&"va.test".parse().unwrap()).join(user).join("new");
        fs::read_dir(new).into_iter().flatten().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }

    fn letter(&self, text: &[u8]) -> Letter {
        let mut draft: Draft = self.carrier.store().draft();
        draft.push(text).unwrap();
        draft.finish().unwrap()
    }

    pub fn mail(&self, sender: &str, text: &[u8]) -> Mail {
        Mail::new(self.letter(text), sender).unwrap()
    }

    fn deliver(&self, to: &str, mail: &Mail) -> Outcome {
        let plan = self.site.plan(to);
        let (step, leaf) = plan.leaves().next().unwrap();
        let Leaf::Mailbox(mailbox) = leaf else { panic!("{leaf}") };
        self.runtime.block_on(mailbox.deliver(mail, step.bounces_to.as_deref(), &self.carrier))
    }

    /// What lies in the only new file of joe's Maildir, or in his mbox.
    fn stored(&self) -> String {
        let spool = self.site.root.spool(&"va.test".parse().unwrap()).join("joe");
        if spool.is_file() {
            return fs::read_to_string(spool).unwrap();
        }
        let files: Vec<_> = fs::read_dir(spool.join("new")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [file] = &files[..] else { panic!("{files:?}") };
        fs::read_to_string(file).unwrap()
    }
}

#[test]
fn mail_lies_in_the_maildir_with_one_return_path() {
    let post = Post::new("");
    let mail = post.mail(
        "a@x.org",
        b"Return-Path: <old@x.org>\r\nReceived: by\r\n\there\r\nRETURN-PATH: <older>\r\nSubject: x\r\n\r\nReturn-Path: <body>\r\n",
    );
    assert_eq!(post.deliver("Joe+detail@va.test", &mail), Outcome::Done);
    assert_eq!(
        post.stored(),
        "Return-Path: <a@x.org>\nDelivered-To: joe@va.test\nReceived: by\n\there\nSubject: x\n\nReturn-Path: <body>\n"
    );
}

#[test]
fn an_mbox_has_one_separator_even_if_one_came_with_the_mail() {
    let post = Post::new("spool = \"mbox\"");
    let mail = post.mail("a@x.org", b"From old@x.org Sun Nov 22 13:19:32 2026\nSubject: x\n\nFrom me\n");
    assert_eq!(post.deliver("joe@va.test", &mail), Outcome::Done);
    let text = post.stored();
    assert!(
        text.starts_with("From a@x.org ") && text.contains("\nReturn-Path: <a@x.org>\nDelivered-To: joe@va.test\nSubject: x\n"),
        "{text}"
    );
    assert_eq!(text.matches("From old").count(), 0);
}

#[test]
fn a_bounce_stays_one_and_a_lists_bounces_go_to_its_owner() {
    for (to, sender, path) in [
        ("joe@va.test", "", "<>"),
        ("list@va.test", "", "<>"),
        ("list@va.test", "a@x.org", "<ann@va.test>"),
        ("joe@va.test", "a>\nX: y<@x.org", "<aX: y@x.org>"),
    ] {
        let post = Post::new("");
        assert_eq!(post.deliver(to, &post.mail(sender, b"Subject: x\n\nx\n")), Outcome::Done);
        assert!(post.stored().starts_with(&format!("Return-Path: {path}\nDelivered-To: joe@va.test\nSubject")), "{}", post.stored());
    }
}

#[test]
fn mail_that_has_been_there_is_circling() {
    let post = Post::new("");
    let mail = |field: &str| post.mail("a@x.org", format!("{field}\nSubject: x\n\nDelivered-To: joe@va.test\n").as_bytes());
    assert_eq!(post.deliver("joe@va.test", &mail("delivered-to: JOE@va.test ")), Outcome::Circling);
    assert_eq!(post.deliver("ann@va.test", &mail("Delivered-To: joe@va.test")), Outcome::Done);
    assert_eq!(post.deliver("joe@va.test", &mail("Delivered-To: joe@va.test.example")), Outcome::Done);
}

#[test]
fn a_full_mailbox_refuses_or_waits() {
    for (record, outcome) in [("", Outcome::MailboxFull), ("delivery.over_quota = \"wait\"", Outcome::MailboxFullNow)] {
        let post = Post::new(&format!("quota.inbox = 1\n{record}"));
        assert_eq!(post.deliver("joe@va.test", &post.mail("a@x.org", b"Subject: x\n\nx\n")), Outcome::Done);
        let large = format!("Subject: y\n\n{}\n", "y".repeat(1000));
        assert_eq!(post.deliver("joe@va.test", &post.mail("a@x.org", large.as_bytes())), outcome);
        assert_eq!(post.deliver("ann@va.test", &post.mail("a@x.org", b"Subject: x\n\nx\n")), Outcome::Done, "joe's limit is joe's");
    }
}

#[test]
fn a_mailbox_that_is_none_makes_mail_wait() {
    let post = Post::new("");
    std::os::unix::fs::symlink("joe", post.site.root.spool(&"va.test".parse().unwrap()).join("joe")).unwrap();
    assert_eq!(post.deliver("joe@va.test", &post.mail("a@x.org", b"Subject: x\n\nx\n")).reply().exit, 75);
}

#[test]
fn large_messages_and_headers_arrive_whole() {
    let post = Post::new("");
    for text in [
        format!("Subject: x\n\n{}", "0123456789abcde\n".repeat(100_000)),
        format!("X: {}\nReturn-Path: <old>\n{}\nbody\n", "x".repeat(100), "Y: 0123456789\n".repeat(30_000)),
        format!("X: {}\n\nbody\n", " y\n".repeat(200_000)),
        "\nonly a body\n".to_owned(),
        "no header\n".to_owned(),
        String::new(),
    ] {
        let mail = post.mail("a@x.org", text.as_bytes());
        let owner: Owner = "joe@va.test".parse().unwrap();
        let letter = mail.letter_for(&owner, "a@x.org", post.carrier.store()).unwrap();
        let stored = letter.beginning(usize::MAX).unwrap();
        let expected = format!("Return-Path: <a@x.org>\nDelivered-To: joe@va.test\n{}", text.replacen("Return-Path: <old>\n", "", 1));
        assert!(stored == expected.as_bytes(), "{} octets, {} expected", stored.len(), expected.len());
    }
}

#[test]
fn a_large_message_is_delivered() {
    let post = Post::new("");
    let text = format!("Subject: x\n\n{}", "0123456789abcde\n".repeat(100_000));
    assert_eq!(post.deliver("joe@va.test", &post.mail("a@x.org", text.as_bytes())), Outcome::Done);
    assert!(post.stored().ends_with(&text));
}

#[test]
fn a_delivery_may_run_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let post = Post::new("");
    let plan = post.site.plan("joe@va.test");
    let Some((_, Leaf::Mailbox(mailbox))) = plan.leaves().next() else { panic!() };
    let mailbox: &Mailbox = mailbox;
    is_send(&mailbox.deliver(&post.mail("", b"x"), None, &post.carrier));
}
