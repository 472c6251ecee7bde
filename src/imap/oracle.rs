//! imap-codec as the judge (design.md §8): every command that it can say is framed and read here with the same meaning.

use arbitrary::{Arbitrary, Unstructured};
use imap_codec::CommandCodec;
use imap_codec::encode::Encoder;
use imap_codec::imap_types::command::{Command, CommandBody};
use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::flag::Flag;
use imap_codec::imap_types::mailbox::{ListMailbox, Mailbox};
use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};
use proptest::prelude::*;

use super::append;
use super::args::Args;
use super::frame::{Event, Framer, Head, Limits};
use super::set::{Bound, Set};
use super::status;
use super::table;
use crate::store::Flags;

/// What a session would have of the command: its text up to a message, and the message's octets.
pub(super) fn framed(said: &[u8]) -> Option<(Vec<u8>, Option<u64>)> {
    let (mut framer, mut rest) = (Framer::new(Limits::USER), said);
    loop {
        let (used, event) = framer.feed(rest);
        rest = &rest[used..];
        match event {
            Some(Event::Command) if rest.is_empty() => return Some((framer.take(), None)),
            Some(Event::Message(announced)) => return Some((framer.take(), Some(announced.size))),
            Some(Event::Asking) => {}
            _ => return None,
        }
    }
}

/// A set as we would have read it.
pub(super) fn set(meant: &SequenceSet) -> Set {
    let bound = |end: &SeqOrUid| match end {
        SeqOrUid::Value(number) => Bound::Number(number.get()),
        SeqOrUid::Asterisk => Bound::Last,
    };
    let ranges = meant.0.as_ref().iter().map(|sequence| match sequence {
        Sequence::Single(one) => (bound(one), bound(one)),
        Sequence::Range(one, other) => (bound(one), bound(other)),
    });
    Set::Ranges(ranges.collect())
}

/// Reads one argument after the other, and holds each against what was meant.
struct Reader<'a>(Args<'a>);

impl Reader<'_> {
    fn string(&mut self, meant: &AString<'_>) {
        self.0.space().unwrap();
        assert_eq!(&*self.0.astring().unwrap(), meant.as_ref());
    }

    fn mailbox(&mut self, meant: &Mailbox<'_>) {
        self.0.space().unwrap();
        let read = self.0.astring().unwrap();
        match meant {
            Mailbox::Inbox => assert!(read.eq_ignore_ascii_case(b"INBOX")),
            Mailbox::Other(name) => assert_eq!(&*read, name.as_ref()),
        }
    }

    fn set(&mut self, meant: &SequenceSet) {
        self.0.space().unwrap();
        assert_eq!(self.0.set().unwrap(), set(meant));
    }

    fn flags(&mut self, meant: &[Flag<'_>]) {
        let (mut flags, mut keywords) = (Flags::NONE, Vec::new());
        for flag in meant {
            match flag {
                Flag::Answered => flags = flags.with(Flags::ANSWERED),
                Flag::Deleted => flags = flags.with(Flags::DELETED),
                Flag::Draft => flags = flags.with(Flags::DRAFT),
                Flag::Flagged => flags = flags.with(Flags::FLAGGED),
                Flag::Seen => flags = flags.with(Flags::SEEN),
                Flag::Keyword(word) => keywords.push(word.inner().to_owned()),
                // There are no others, and we say so.
                Flag::Extension(_) => return,
            }
        }
        assert_eq!(self.0.flags().unwrap(), (flags, keywords));
    }
}

fn judge(command: &Command<'_>) {
    let said = CommandCodec::default().encode(command).dump();
    let (text, message) = framed(&said).unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&said)));
    let head = Head::of(&text).unwrap();
    assert_eq!(head.tag, command.tag.inner());
    let mut reader = Reader(Args::new(head.args, true));
    let is_uid = head.name == "UID";
    let name = if is_uid {
        reader.0.space().unwrap();
        reader.0.word().unwrap()
    } else {
        head.name
    };
    let theirs_alone = ["FETCH", "SEARCH", "SORT", "THREAD"];
    assert!(theirs_alone.contains(&name) || table::find(name, is_uid).is_some(), "{name}");
    let is_read = match &command.body {
        CommandBody::Login { username, password } => {
            reader.string(username);
            reader.string(password.declassify());
            true
        }
        CommandBody::Create { mailbox }
        | CommandBody::Delete { mailbox }
        | CommandBody::Subscribe { mailbox }
        | CommandBody::Unsubscribe { mailbox } => {
            reader.mailbox(mailbox);
            true
        }
        CommandBody::Rename { from, to } => {
            reader.mailbox(from);
            reader.mailbox(to);
            true
        }
        CommandBody::List { reference, mailbox_wildcard } | CommandBody::Lsub { reference, mailbox_wildcard } => {
            reader.mailbox(reference);
            reader.0.space().unwrap();
            let meant: &[u8] = match mailbox_wildcard {
                ListMailbox::Token(token) => token.as_ref(),
                ListMailbox::String(string) => string.as_ref(),
            };
            match (str::from_utf8(meant), reader.0.pattern()) {
                (Ok(meant), read) => assert_eq!(read.unwrap(), meant),
                (Err(_), read) => assert!(read.is_err()),
            }
            str::from_utf8(meant).is_ok()
        }
        CommandBody::Status { mailbox, item_names } => {
            reader.mailbox(mailbox);
            reader.0.space().unwrap();
            let known = status::items(&mut reader.0);
            assert!(known.is_ok() || item_names.is_empty() || format!("{item_names:?}").contains("Deleted"));
            known.is_ok()
        }
        CommandBody::Copy { sequence_set, mailbox, .. } | CommandBody::Move { sequence_set, mailbox, .. } => {
            reader.set(sequence_set);
            reader.mailbox(mailbox);
            true
        }
        CommandBody::ExpungeUid { sequence_set } => {
            reader.set(sequence_set);
            true
        }
        CommandBody::Append { mailbox, flags, date, .. } => {
            reader.mailbox(mailbox);
            reader.0.space().unwrap();
            let mut whole = reader.0;
            if !flags.is_empty() {
                reader.flags(flags);
            }
            let has_others = flags.iter().any(|flag| matches!(flag, Flag::Extension(_)));
            if let (Some(date), false) = (date, has_others) {
                _ = reader.0.takes(b' ');
                assert_eq!(reader.0.date_time().unwrap(), date.as_ref().timestamp());
            }
            assert!(message.is_some());
            assert!(has_others || append::attributes(&mut whole).is_ok());
            false
        }
        CommandBody::Store { sequence_set, .. } => {
            reader.set(sequence_set);
            false
        }
        _ => false,
    };
    if is_read {
        reader.0.end().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_imap_codec_says_is_understood(seed in proptest::collection::vec(any::<u8>(), 500..2500)) {
        if let Ok(command) = Command::arbitrary(&mut Unstructured::new(&seed)) {
            judge(&command);
        }
    }
}
