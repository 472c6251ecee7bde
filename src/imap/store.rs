//! STORE (RFC 9051 §6.4.6), with UNCHANGEDSINCE (RFC 7162 §3.1.3).

use super::args::{Args, Bad};
use super::news::{self, With};
use super::out::Out;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::set::Set;
use super::table::{Order, Telling};
use crate::store::index::Entry;
use crate::store::{Changes, FlagChange, Flags, Folder, How, State, Uids};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    set: Set,
    unchanged_since: Option<u64>,
    how: How,
    is_silent: bool,
    flags: Flags,
    keywords: Vec<String>,
}

impl Session<'_> {
    pub(super) async fn store(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.space()?;
        let asked = asked(&mut order.args)?;
        // RFC 7162 §3.1: whoever uses it has enabled it.
        if asked.unchanged_since.is_some() {
            self.enable_condstore();
        }
        // What others did is told first: what follows is then this command's.
        self.tell(if order.is_uid { Telling::All } else { Telling::NoExpunge }).await?;
        let (enabled, is_uid) = (self.enabled, order.is_uid);
        let selected = self.writable()?;
        let uids = selected.view.resolve(&asked.set, is_uid)?;
        let change = FlagChange {
            uids: uids.clone(),
            how: asked.how,
            flags: asked.flags,
            keywords: asked.keywords,
            unchanged_since: asked.unchanged_since,
        };
        let before = selected.folder.state().clone();
        let changes = Changes { flags: vec![change], ..Changes::default() };
        let applied = selected.folder.apply(&changes).await?;
        let stale = &applied.stale;
        // RFC 7162 §3.2.4: where MODSEQ is, UID is as well.
        let with = With { uid: is_uid || enabled.condstore, modseq: enabled.condstore };
        let wire = &mut self.wire;
        let Some(selected) = self.user.as_mut().and_then(|user| user.selected.as_mut()) else { return Reply::ok("STORE completed") };
        let news = selected.take_news(&mut Out::new(wire.output()), is_uid, enabled)?;
        let is_ours = |uid: u32| uids.contains(uid) && !stale.contains(uid);
        let others: Vec<(u32, u32)> = news.changed.into_iter().filter(|(uid, _)| !is_ours(*uid)).collect();
        selected.say_flags(wire, &others, With { uid: true, ..with }).await?;
        for (number, message) in selected.view.walk(selected.folder.state(), &uids).filter(|(_, message)| is_ours(message.uid)) {
            let out = &mut Out::new(wire.output());
            match asked.is_silent && is_expected(&before, &message, &changes.flags[0]) {
                false => _ = news::flags(out, number, &message, with),
                // RFC 7162 §3.1.3: silence is about flags; with a condition, MODSEQ is told of all that met it.
                true if asked.unchanged_since.is_some() => modseq(out, number, &message, with),
                true if enabled.condstore && message.modseq > before.head().modseq => modseq(out, number, &message, with),
                true => {}
            }
            wire.flush_if_full().await?;
        }
        conclude(selected.view.told(), stale, is_uid)
    }
}

/// RFC 7162 §3.1.3 MODIFIED: in the numbers that the client used.
fn conclude(told: &State, stale: &Uids, is_uid: bool) -> Result<Reply, Refusal> {
    if stale.is_empty() {
        return Reply::ok("STORE completed");
    }
    let number = |uid: u32| told.position(uid).map(|position| position as u32 + 1);
    let numbers: Uids = if is_uid { stale.clone() } else { stale.iter().filter_map(number).collect() };
    let mut text = Vec::new();
    Out::new(&mut text).raw("[MODIFIED ").set(&numbers).raw("] some were changed since");
    Reply::ok(String::from_utf8_lossy(&text).into_owned())
}

/// Whether a message has become what the client expects of its own change.
fn is_expected(before: &State, message: &Entry<'_>, change: &FlagChange) -> bool {
    let Some(old) = before.message(message.uid) else { return false };
    if change.of(old.flags()).without(Flags::OLD) != message.flags().without(Flags::OLD) {
        return false;
    }
    let mut keywords: Vec<String> = old.keywords().map(|keyword| keyword.to_string()).collect();
    change.of_keywords(&mut keywords);
    let mut now: Vec<&str> = message.keywords().map(|keyword| &**keyword).collect();
    let mut expected: Vec<&str> = keywords.iter().map(String::as_str).collect();
    now.sort_unstable();
    expected.sort_unstable();
    now.len() == expected.len() && now.iter().zip(&expected).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

fn modseq(out: &mut Out<'_>, number: u32, message: &Entry<'_>, with: With) {
    out.raw("* ").number(number).raw(" FETCH (");
    if with.uid {
        out.raw("UID ").number(message.uid).raw(" ");
    }
    out.raw("MODSEQ (").number(message.modseq).raw("))").end();
}

/// `2:4 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\Deleted)`.
fn asked(args: &mut Args<'_>) -> Result<Asked, Bad> {
    let set = args.set()?;
    args.space()?;
    let unchanged_since = if args.peek() == Some(b'(') { Some(unchanged_since(args)?) } else { None };
    let how = if args.takes(b'+') {
        How::Add
    } else if args.takes(b'-') {
        How::Remove
    } else {
        How::Replace
    };
    let is_silent = match args.word()? {
        word if word.eq_ignore_ascii_case("FLAGS") => false,
        word if word.eq_ignore_ascii_case("FLAGS.SILENT") => true,
        _ => return Err(Bad("FLAGS expected")),
    };
    args.space()?;
    let (flags, keywords) = args.flags()?;
    args.end()?;
    Ok(Asked { set, unchanged_since, how, is_silent, flags, keywords })
}

fn unchanged_since(args: &mut Args<'_>) -> Result<u64, Bad> {
    args.expect(b'(', "modifier expected")?;
    if !args.is_word("UNCHANGEDSINCE") {
        return Err(Bad("no such modifier of STORE"));
    }
    args.space()?;
    let modseq = args.number64()?;
    args.expect(b')', "modifiers without an end")?;
    args.space()?;
    Ok(modseq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Asked, Bad> {
        asked(&mut Args::new(text.as_bytes(), false))
    }

    #[test]
    fn the_forms_of_the_rfcs_are_read() {
        let add = read("2:4 +FLAGS (\\Deleted)").unwrap();
        assert_eq!((add.how, add.is_silent, add.flags), (How::Add, false, Flags::DELETED));
        let remove = read("1 (UNCHANGEDSINCE 12121230045) -flags.silent $Junk \\Seen").unwrap();
        assert_eq!((remove.how, remove.is_silent, remove.unchanged_since), (How::Remove, true, Some(12_121_230_045)));
        assert_eq!((remove.flags, remove.keywords), (Flags::SEEN, vec!["$Junk".to_owned()]));
        assert_eq!(read("$ FLAGS ()").unwrap().set, Set::Saved);
        for broken in
            ["1", "1 +FLAGS", "1 FOO ()", "1 FLAGS () x", "1 (FOO 1) FLAGS ()", "1 +FLAGS (\\Foo)", "1 +-FLAGS ()", "1 ++FLAGS ()"]
        {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
