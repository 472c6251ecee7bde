//! The table of outcomes, and what becomes of a recipient with several leaves.

use super::Site;
use crate::deliver::{Fate, Outcome, Refusal};

const ALL: [Outcome; 21] = [
    Outcome::Done,
    Outcome::Dropped,
    Outcome::Refused(Refusal::NotOurs),
    Outcome::Refused(Refusal::Rejected),
    Outcome::Refused(Refusal::Nobody),
    Outcome::Refused(Refusal::Ambiguous),
    Outcome::Refused(Refusal::Loop),
    Outcome::Refused(Refusal::Option),
    Outcome::Circling,
    Outcome::TooFar,
    Outcome::TooLarge,
    Outcome::Declined,
    Outcome::NotForwarded,
    Outcome::MailboxFull,
    Outcome::MailboxFullNow,
    Outcome::BadMember,
    Outcome::Busy,
    Outcome::DiskFull,
    Outcome::Unclear,
    Outcome::TooMany,
    Outcome::Broken,
];

#[test]
fn exit_code_and_reply_say_the_same() {
    for outcome in ALL {
        let reply = outcome.reply();
        assert_eq!(reply.status.as_bytes()[0], reply.code.to_string().as_bytes()[0], "{outcome:?}");
        // As sendmail treats them (behaviour.md §4.2): 71, 74 and 75 come again, all others but 0 bounce.
        let fate = match reply.exit {
            0 => Fate::Done,
            71 | 74 | 75 => Fate::Later,
            _ => Fate::Never,
        };
        assert_eq!(outcome.fate(), fate, "{outcome:?}");
        assert!(reply.text.chars().all(|letter| letter.is_ascii_alphabetic() || ", ".contains(letter)), "{outcome:?}");
    }
}

#[test]
fn unknown_names_and_domains_have_their_own_codes() {
    let site = Site::new("", "wait: :include:rel\n");
    for (to, exit) in [("joe@va.test", 0), ("eve@va.test", 67), ("joe@vb.test", 68), ("wait@va.test", 75)] {
        assert_eq!(site.plan(to).outcome().reply().exit, exit, "{to}");
    }
}

#[test]
fn later_beats_never_and_never_beats_done() {
    let site = Site::new("", "list: joe, ann\ndead: joe, eve\nbroken: joe, :include:rel\nwait: :include:rel\n");
    let of = |to: &str, leaves: &[Outcome]| Outcome::of_recipient(&site.plan(to), leaves.iter().cloned());
    assert_eq!(of("list@va.test", &[Outcome::Done, Outcome::Done]), Outcome::Done);
    assert_eq!(of("list@va.test", &[Outcome::Done, Outcome::MailboxFull]), Outcome::MailboxFull);
    assert_eq!(of("list@va.test", &[Outcome::MailboxFull, Outcome::Busy]), Outcome::Busy);
    assert_eq!(of("list@va.test", &[Outcome::Busy, Outcome::DiskFull]), Outcome::Busy, "the first that is as bad");
    assert_eq!(of("dead@va.test", &[Outcome::Done]), Outcome::Refused(Refusal::Nobody));
    assert_eq!(of("broken@va.test", &[Outcome::Done]), Outcome::BadMember);
    assert_eq!(of("broken@va.test", &[Outcome::Busy]), Outcome::Busy);
    assert_eq!(of("wait@va.test", &[]), Outcome::Unclear);
    assert_eq!(of("list@va.test", &[]), Outcome::Broken, "nothing was tried, so nothing is done");
}
