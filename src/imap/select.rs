//! SELECT, EXAMINE, CLOSE and UNSELECT (RFC 9051 §6.3.2, §6.3.3, §6.4.1, §6.4.2), with CONDSTORE and QRESYNC (RFC 7162 §3.1.8, §3.2.5).

use super::args::{Args, Bad};
use super::fetch::Bookmark;
use super::news::{self, With};
use super::out::Out;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::set::{Bound, Set};
use super::state::{Enabled, Selected, User};
use super::table::Order;
use super::view::View;
use crate::store::index::Span;
use crate::store::{Changes, Flags, Folder, Home, MailboxId, State, Uids};

/// What a client asks for beside the mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Options {
    condstore: bool,
    known: Option<Known>,
}

/// What a client knows of the mailbox from earlier (RFC 7162 §3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    uidvalidity: u32,
    modseq: u64,
    /// All, where it does not say which.
    uids: Option<Set>,
}

impl Session<'_> {
    pub(super) async fn select(&mut self, mut order: Order<'_>, is_read_only: bool) -> Result<Reply, Refusal> {
        order.args.space()?;
        let name = order.args.mailbox(&self.user()?.namespace)?;
        let options = options(&mut order.args)?;
        order.args.end()?;
        if options.known.is_some() && !self.enabled.qresync {
            return Err(Refusal::Bad("ENABLE QRESYNC first"));
        }
        // RFC 9051 §6.3.2: if it fails, none is selected.
        if self.user()?.selected.is_some() {
            self.leave_mailbox().await;
            self.say(&["* OK [CLOSED] the previous mailbox"]);
        }
        let name = name?;
        self.enabled.condstore |= options.condstore;
        let (enabled, wire) = (self.enabled, &mut self.wire);
        let user = self.user.as_deref_mut().ok_or(Refusal::Bad("log in first"))?;
        let folder = user.home.open(&name).await?;
        let state = folder.state().clone();
        let keywords = state.keywords().names().len();
        let selected = Selected { name, folder, view: View::new(state), is_read_only, keywords, bookmark: Bookmark::default() };
        let selected = user.selected.insert(selected);
        let out = &mut Out::new(wire.output());
        describe(out, selected, enabled);
        if enabled.rev2 {
            // RFC 9051 §6.3.2: what it is really called.
            list_line(out, user, enabled);
        }
        if let (Some(selected), Some(known)) = (&user.selected, &options.known) {
            resynchronise(out, &selected.view, known);
        }
        Reply::ok(if is_read_only { "[READ-ONLY] EXAMINE completed" } else { "[READ-WRITE] SELECT completed" })
    }

    pub(super) async fn close(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.end()?;
        let selected = self.selected()?;
        if !selected.is_read_only {
            let gone = selected.deleted(None);
            let count = gone.len();
            let outcome = selected.folder.apply(&Changes { expunge: gone, ..Changes::default() }).await;
            self.done.expunged += if outcome.is_ok() { count } else { 0 };
            self.leave_mailbox().await;
            outcome?;
        }
        self.leave_mailbox().await;
        Reply::ok("CLOSE completed")
    }

    pub(super) async fn unselect(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.end()?;
        self.leave_mailbox().await;
        Reply::ok("UNSELECT completed")
    }
}

/// ` (CONDSTORE)`, ` (QRESYNC (67890007 20050715194045000 41:211,300))`, or nothing.
fn options(args: &mut Args<'_>) -> Result<Options, Bad> {
    let mut options = Options::default();
    if args.is_at_end() {
        return Ok(options);
    }
    args.space()?;
    args.expect(b'(', "options expected")?;
    loop {
        match args.word()?.to_ascii_uppercase().as_str() {
            "CONDSTORE" => options.condstore = true,
            "QRESYNC" => {
                options.condstore = true;
                args.space()?;
                options.known = Some(known(args)?);
            }
            _ => return Err(Bad("no such option of SELECT")),
        }
        if !args.takes(b' ') {
            break;
        }
    }
    args.expect(b')', "options without an end")?;
    Ok(options)
}

fn known(args: &mut Args<'_>) -> Result<Known, Bad> {
    args.expect(b'(', "parameters of QRESYNC expected")?;
    let uidvalidity = args.number()?;
    args.space()?;
    let mut known = Known { uidvalidity, modseq: args.number64()?, uids: None };
    if args.takes(b' ') {
        if args.peek() != Some(b'(') {
            known.uids = Some(plain_set(args)?);
        }
        // Which numbers belong to some of the UIDs: we need no such help to find out what has gone.
        if args.peek() == Some(b'(') || args.takes(b' ') {
            args.expect(b'(', "matching sets expected")?;
            plain_set(args)?;
            args.space()?;
            plain_set(args)?;
            args.expect(b')', "matching sets without an end")?;
        }
    }
    args.expect(b')', "parameters of QRESYNC without an end")?;
    Ok(known)
}

/// RFC 7162 §7: without `*`, which is what the client can't know. Nothing is saved that `$` could be.
fn plain_set(args: &mut Args<'_>) -> Result<Set, Bad> {
    match args.set()? {
        Set::Ranges(ranges) if !ranges.iter().any(|(one, other)| [one, other].contains(&&Bound::Last)) => Ok(Set::Ranges(ranges)),
        _ => Err(Bad("only numbers here")),
    }
}

/// All that a client is told of a mailbox at the beginning.
fn describe(out: &mut Out<'_>, selected: &Selected, enabled: Enabled) {
    let state = selected.folder.state();
    let head = state.head();
    news::known_flags(out, state, selected.is_read_only);
    out.raw("* ").number(selected.view.exists()).raw(" EXISTS").end();
    if !enabled.rev2 {
        // RFC 9051 §A: a flag that no client could rely on. Nothing is recent here.
        out.raw("* 0 RECENT").end();
        if let Some(number) = first_unseen(state) {
            out.raw("* OK [UNSEEN ").number(number).raw("] the first one").end();
        }
    }
    out.raw("* OK [UIDVALIDITY ").number(head.uidvalidity).raw("] UIDs are valid").end();
    out.raw("* OK [UIDNEXT ").number(head.uidnext).raw("] the next UID").end();
    out.raw("* OK [HIGHESTMODSEQ ").number(head.modseq).raw("] the last change").end();
    out.raw("* OK [MAILBOXID (").shown(MailboxId(head.mailbox)).raw(")] the mailbox").end();
}

/// The number of the first unseen message, if it is not far (RFC 3501 §7.1 UNSEEN): a large mailbox opens as fast as a small one.
fn first_unseen(state: &State) -> Option<u64> {
    if state.head().totals.unseen == 0 {
        return None;
    }
    let unseen = state.messages().take(MOST_LOOKED_AT).position(|message| !message.flags().contains(Flags::SEEN));
    unseen.map(|position| position as u64 + 1)
}

fn list_line(out: &mut Out<'_>, user: &User, enabled: Enabled) {
    let Some(selected) = &user.selected else { return };
    let mut separator = [0; 4];
    let separator = user.namespace.separator().encode_utf8(&mut separator);
    out.raw("* LIST () ").quoted(separator).raw(" ").mailbox(&selected.name, &user.namespace, enabled.has_utf8_names()).end();
}

/// What has changed since the client was here (RFC 7162 §3.2.5.1): what has gone, then flags.
fn resynchronise(out: &mut Out<'_>, view: &View, known: &Known) {
    let state = view.told();
    if known.uidvalidity != state.head().uidvalidity {
        return;
    }
    let asked = match &known.uids {
        Some(set) => set.numbers(view.last_uid()).unwrap_or_default(),
        None => Uids::all(),
    };
    let gone = vanished(state, known.modseq, &asked);
    if !gone.is_empty() {
        out.raw("* VANISHED (EARLIER) ").set(&gone).end();
    }
    let changed = state.changed_since(known.modseq).filter(|message| asked.contains(message.uid));
    for message in changed {
        if let Some(number) = view.number(message.uid) {
            news::flags(out, number, &message, With { uid: true, modseq: true });
        }
    }
}

/// Which of the UIDs `asked` for have gone since `modseq`; where that is no longer known, all that are not there.
pub(super) fn vanished(state: &State, modseq: u64, asked: &Uids) -> Uids {
    let gone = state.vanished_since(modseq).map_or_else(|| absent(state), |spans| news::uids(&spans));
    both(&gone, asked)
}

/// All UIDs below UIDNEXT that no message has.
fn absent(state: &State) -> Uids {
    let (mut absent, mut next) = (Uids::NONE, 1);
    for message in state.range(Span { first: 1, last: u32::MAX }) {
        if next < message.uid {
            absent.insert_range(next..=message.uid - 1);
        }
        next = message.uid.saturating_add(1);
    }
    if next < state.head().uidnext {
        absent.insert_range(next..=state.head().uidnext - 1);
    }
    absent
}

fn both(one: &Uids, other: &Uids) -> Uids {
    let (mut both, mut ones, mut others) = (Uids::NONE, one.ranges().peekable(), other.ranges().peekable());
    while let (Some(one), Some(other)) = (ones.peek(), others.peek()) {
        both.insert_range(*one.start().max(other.start())..=*one.end().min(other.end()));
        // What ends first overlaps with nothing more.
        _ = if one.end() < other.end() { ones.next() } else { others.next() };
    }
    both
}

/// Messages: some milliseconds' worth.
const MOST_LOOKED_AT: usize = 20_000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Options, Bad> {
        options(&mut Args::new(text.as_bytes(), false))
    }

    #[test]
    fn options_are_read_as_the_rfc_shows_them() {
        assert_eq!(read(""), Ok(Options::default()));
        assert_eq!(read(" (CONDSTORE)"), Ok(Options { condstore: true, known: None }));
        let known = |text| read(text).unwrap().known.unwrap();
        assert_eq!(known(" (QRESYNC (67890007 20050715194045000))").modseq, 20_050_715_194_045_000);
        assert!(known(" (QRESYNC (67890007 90060115194045000 41:211,214:541))").uids.is_some());
        assert!(known(" (QRESYNC (67890007 90060115194045000 41:211 (1,3 41,45)))").uids.is_some());
        assert!(known(" (QRESYNC (67890007 90060115194045000 (1,3 41,45)))").uids.is_none());
        assert!(read(" (FOO)").is_err() && read(" ()").is_err() && read(" (CONDSTORE").is_err() && read(" (QRESYNC (1))").is_err());
        assert!(read(" (QRESYNC (1 1 1:*))").is_err() && read(" (QRESYNC (1 1 $))").is_err() && read(" (QRESYNC (1 1 (* 1)))").is_err());
    }

    proptest! {
        #[test]
        fn what_is_in_both_is_in_both(one in proptest::collection::btree_set(1u32..60, 0..40), other in proptest::collection::btree_set(1u32..60, 0..40)) {
            let set = |uids: &BTreeSet<u32>| uids.iter().copied().collect::<Uids>();
            prop_assert_eq!(both(&set(&one), &set(&other)), set(&(&one & &other)));
        }
    }
}
