//! The arguments of FETCH (RFC 9051 §9 fetch, RFC 4466 §2.4 modifiers).

use super::Fetch;
use super::fields::Fields;
use super::item::{Content, Fact, Form, Items};
use super::section::{Section, Text};
use crate::imap::args::{Args, Bad};

impl Fetch {
    /// Reads what stands behind `FETCH` or `UID FETCH`, with the space before it. `may_ask_vanished`: the client has enabled QRESYNC.
    ///
    /// # Errors
    /// For a tagged BAD.
    pub fn parse(args: &mut Args<'_>, is_uid: bool, may_ask_vanished: bool) -> Result<Fetch, Bad> {
        args.space()?;
        let set = args.set()?;
        args.space()?;
        let items = items(args)?;
        let mut fetch = Fetch { set, items, is_uid, changed_since: None, vanished: false };
        if args.takes(b' ') {
            fetch.modifiers(args)?;
        }
        args.end()?;
        if fetch.vanished && !(is_uid && may_ask_vanished && fetch.changed_since.is_some()) {
            return Err(Bad("VANISHED is for UID FETCH with CHANGEDSINCE after ENABLE QRESYNC"));
        }
        fetch.complete();
        Ok(fetch)
    }

    /// `(CHANGEDSINCE 12345 VANISHED)` (RFC 7162 §3.1.4.1 and §3.2.6).
    fn modifiers(&mut self, args: &mut Args<'_>) -> Result<(), Bad> {
        args.expect(b'(', "modifiers stand in parentheses")?;
        loop {
            match &args.word()?.to_ascii_uppercase()[..] {
                "CHANGEDSINCE" if self.changed_since.is_none() => {
                    args.space()?;
                    self.changed_since = Some(args.number64()?);
                }
                "VANISHED" if !self.vanished => self.vanished = true,
                _ => return Err(Bad("there is no such modifier of FETCH")),
            }
            if !args.takes(b' ') {
                return args.expect(b')', "modifiers end with a parenthesis");
            }
        }
    }

    /// Adds what need not be asked for.
    fn complete(&mut self) {
        if self.is_uid {
            // RFC 9051 §6.4.9.
            self.items.begin_with(Fact::Uid);
        }
        if self.changed_since.is_some() {
            // RFC 7162 §3.1.4.1.
            self.items.add(Fact::ModSeq);
        }
    }
}

/// A macro, an item, or items in parentheses.
fn items(args: &mut Args<'_>) -> Result<Items, Bad> {
    let mut items = Items::default();
    if !args.takes(b'(') {
        let word = args.word()?.to_ascii_uppercase();
        match of_macro(&word) {
            Some(facts) => facts.iter().for_each(|fact| items.add(*fact)),
            None => item(args, &word, &mut items)?,
        }
        return Ok(items);
    }
    loop {
        let word = args.word()?.to_ascii_uppercase();
        item(args, &word, &mut items)?;
        if items.len() > MOST_ITEMS {
            return Err(Bad("too many items at once"));
        }
        if !args.takes(b' ') {
            args.expect(b')', "items end with a parenthesis")?;
            return Ok(items);
        }
    }
}

/// RFC 9051 §6.4.5.
fn of_macro(word: &str) -> Option<&'static [Fact]> {
    use Fact::*;
    match word {
        "FAST" => Some(&[Flags, InternalDate, Size]),
        "ALL" => Some(&[Flags, InternalDate, Size, Envelope]),
        "FULL" => Some(&[Flags, InternalDate, Size, Envelope, Body]),
        _ => None,
    }
}

/// The item that `word` begins.
fn item(args: &mut Args<'_>, word: &str, items: &mut Items) -> Result<(), Bad> {
    let fact = match word {
        "UID" => Fact::Uid,
        "FLAGS" => Fact::Flags,
        "INTERNALDATE" => Fact::InternalDate,
        "RFC822.SIZE" => Fact::Size,
        "MODSEQ" => Fact::ModSeq,
        "SAVEDATE" => Fact::SaveDate,
        "EMAILID" => Fact::EmailId,
        "THREADID" => Fact::ThreadId,
        "ENVELOPE" => Fact::Envelope,
        "BODYSTRUCTURE" => Fact::BodyStructure,
        "BODY" if args.peek() != Some(b'[') => Fact::Body,
        "PREVIEW" => Fact::Preview { is_lazy: is_lazy(args)? },
        _ => {
            items.add_content(content(args, word)?);
            return Ok(());
        }
    };
    items.add(fact);
    Ok(())
}

/// RFC 8970 §6: `PREVIEW (LAZY)`. Outside of a list, modifiers of the command may follow instead.
fn is_lazy(args: &mut Args<'_>) -> Result<bool, Bad> {
    let mut ahead = *args;
    let is_lazy = ahead.takes(b' ') && ahead.takes(b'(') && ahead.is_word("LAZY");
    if is_lazy {
        *args = ahead;
        args.expect(b')', "there is no other modifier of PREVIEW than LAZY")?;
    }
    Ok(is_lazy)
}

fn content(args: &mut Args<'_>, word: &str) -> Result<Content, Bad> {
    let (form, is_peek) = match word {
        "RFC822" => return Ok(Content::old("RFC822", Text::All)),
        "RFC822.HEADER" => return Ok(Content::old("RFC822.HEADER", Text::Header)),
        "RFC822.TEXT" => return Ok(Content::old("RFC822.TEXT", Text::Body)),
        "BODY" => (Form::Raw, false),
        "BODY.PEEK" => (Form::Raw, true),
        "BINARY" => (Form::Decoded, false),
        "BINARY.PEEK" => (Form::Decoded, true),
        "BINARY.SIZE" => (Form::DecodedSize, true),
        _ => return Err(Bad("there is no such item to fetch")),
    };
    args.expect(b'[', "section expected, in brackets")?;
    let section = section(args)?;
    args.expect(b']', "a section ends with a bracket")?;
    if form != Form::Raw && section.text != Text::All {
        return Err(Bad("BINARY takes numbers of parts only"));
    }
    let partial = if form == Form::DecodedSize { None } else { partial(args)? };
    Ok(Content::new(form, section, is_peek, partial))
}

/// `1.2.HEADER.FIELDS (Subject)`, without the brackets.
fn section(args: &mut Args<'_>) -> Result<Section, Bad> {
    if args.peek() == Some(b']') {
        return Ok(Section { path: Vec::new(), text: Text::All });
    }
    let word = args.word()?;
    let (mut path, mut rest) = (Vec::new(), Some(word));
    while let Some((number, after)) = rest.and_then(numbered) {
        path.push(number?);
        rest = after;
        if path.len() > DEEPEST {
            return Err(Bad("section too deep"));
        }
    }
    let text = match rest.map(str::to_ascii_uppercase).as_deref() {
        None => Text::All,
        Some("HEADER") => Text::Header,
        Some("TEXT") => Text::Body,
        Some("MIME") if !path.is_empty() => Text::Mime,
        Some("HEADER.FIELDS") => Text::Fields(fields(args, false)?),
        Some("HEADER.FIELDS.NOT") => Text::Fields(fields(args, true)?),
        Some(_) => return Err(Bad("there is no such section")),
    };
    Ok(Section { path, text })
}

/// The part number at the beginning of a section, and what follows its dot.
fn numbered(section: &str) -> Option<(Result<u32, Bad>, Option<&str>)> {
    let (number, rest) = section.split_once('.').map_or((section, None), |(number, rest)| (number, Some(rest)));
    let is_number = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
    let number = number.parse().ok().filter(|number| *number > 0).ok_or(Bad("parts are numbered from 1"));
    is_number.then_some((number, rest))
}

/// ` (From "To")`.
fn fields(args: &mut Args<'_>, is_not: bool) -> Result<Fields, Bad> {
    args.space()?;
    args.expect(b'(', "names of fields stand in parentheses")?;
    let mut names: Vec<Vec<u8>> = Vec::new();
    loop {
        let name = args.astring()?.into_owned();
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() > MOST_FIELDS {
            return Err(Bad("too many names of fields at once"));
        }
        if !args.takes(b' ') {
            args.expect(b')', "names of fields end with a parenthesis")?;
            return Ok(Fields { names, is_not });
        }
    }
}

/// `<0.2048>`
fn partial(args: &mut Args<'_>) -> Result<Option<(u64, u64)>, Bad> {
    if !args.takes(b'<') {
        return Ok(None);
    }
    let origin = args.number64()?;
    args.expect(b'.', "a part of a section is like <0.2048>")?;
    let count = args.number64()?;
    args.expect(b'>', "a part of a section ends with >")?;
    if count == 0 { Err(Bad("a part of a section has octets")) } else { Ok(Some((origin, count))) }
}

/// No client asks for more at once.
const MOST_ITEMS: usize = 500;
const MOST_FIELDS: usize = 500;
/// Part numbers of a section: twice as many as messages inside each other that are looked into.
const DEEPEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Fetch, Bad> {
        Fetch::parse(&mut Args::new(text.as_bytes(), false), false, false)
    }

    fn facts(text: &str) -> Vec<Fact> {
        let items = parsed(text).unwrap().items;
        assert!(items.texts.is_empty());
        items.facts
    }

    fn labels(text: &str) -> Vec<String> {
        let texts = parsed(text).unwrap().items.texts;
        texts.iter().map(|content| String::from_utf8(content.label.clone()).unwrap()).collect()
    }

    #[test]
    fn items_come_alone_or_in_parentheses_and_each_is_told_once() {
        use Fact::*;
        assert_eq!(facts(" 1 flags"), [Flags]);
        assert_eq!(
            facts(" 1:* (Flags UID BODY flags PREVIEW PREVIEW (lazy))"),
            [Flags, Uid, Body, Preview { is_lazy: false }, Preview { is_lazy: true }]
        );
        assert_eq!(facts(" $ all"), [Flags, InternalDate, Size, Envelope]);
        assert_eq!(facts(" 1 PREVIEW (CHANGEDSINCE 5)"), [Preview { is_lazy: false }, ModSeq]);
        assert_eq!(facts(" 1 PREVIEW (LAZY) (CHANGEDSINCE 5)"), [Preview { is_lazy: true }, ModSeq]);
    }

    #[test]
    fn sections_are_told_as_they_were_asked_for() {
        for section in ["", "TEXT", "1.2.MIME", "3.HEADER", "HEADER.FIELDS (From \"a b\")", "1.HEADER.FIELDS.NOT (X)"] {
            assert_eq!(labels(&format!(" 1 BODY.PEEK[{section}]<7.10>")), [format!("BODY[{section}]<7>")]);
        }
        assert_eq!(
            labels(" 1 (body[header.fields ({1}\r\nA)] RFC822.text BINARY.SIZE[1] BINARY.PEEK[]<0.1>)"),
            ["BODY[HEADER.FIELDS (A)]", "RFC822.TEXT", "BINARY.SIZE[1]", "BINARY[]<0>",]
        );
    }

    #[test]
    fn what_is_not_a_peek_makes_messages_seen() {
        let seen = |items: &str| parsed(&format!(" 1 {items}")).unwrap().items.mark_as_seen();
        assert!(seen("BODY[]") && seen("RFC822") && seen("RFC822.TEXT") && seen("BINARY[1]") && seen("(BODY.PEEK[1] BODY[1])"));
        assert!(!seen("BODY.PEEK[]") && !seen("RFC822.HEADER") && !seen("BINARY.SIZE[1]") && !seen("BODY") && !seen("FULL"));
    }

    #[test]
    fn modifiers_come_last() {
        let text = b" 1:9 FLAGS (CHANGEDSINCE 12345 VANISHED)";
        let fetch = |is_uid, may| Fetch::parse(&mut Args::new(text, false), is_uid, may);
        assert!(fetch(true, false).is_err() && fetch(false, true).is_err());
        let fetch = fetch(true, true).unwrap();
        assert_eq!((fetch.changed_since, fetch.vanished), (Some(12345), true));
        assert_eq!(fetch.items.facts, [Fact::Uid, Fact::Flags, Fact::ModSeq]);
        assert!(fetch.enables_condstore() && !parsed(" 1 FLAGS").unwrap().enables_condstore());
    }

    #[test]
    fn what_is_no_fetch_is_refused() {
        for broken in [
            "",
            " ",
            " 1",
            " 1 ",
            " 1 ()",
            " 1 (ALL)",
            " 1 (FLAGS",
            " 1 FLAGS)",
            " 1 FLAGS UID",
            " 0 FLAGS",
            " 1  FLAGS",
            " 1 FOO",
            " 1 BODY[",
            " 1 BODY[]<0.0>",
            " 1 BODY[]<0>",
            " 1 BODY[0]",
            " 1 BODY[1.]",
            " 1 BODY[.1]",
            " 1 BODY[MIME]",
            " 1 BODY[1.FOO]",
            " 1 BODY[TEXT.1]",
            " 1 BODY[HEADER.FIELDS]",
            " 1 BODY[HEADER.FIELDS ()]",
            " 1 BODY[HEADER.FIELDS (A]",
            " 1 BINARY[TEXT]",
            " 1 BINARY[1.MIME]",
            " 1 BINARY.SIZE[1]<0.1>",
            " 1 BODY[4294967296]",
            " 1 FLAGS ()",
            " 1 FLAGS (CHANGEDSINCE)",
            " 1 FLAGS (CHANGEDSINCE 1",
            " 1 BODYSTRUCTURE[1]",
            " 1 FLAGS (VANISHED)",
            " 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)",
            " 1 PREVIEW (FOO)",
            " 1 BODY.PEEK",
            " 1 RFC822[1]",
        ] {
            assert!(parsed(broken).is_err(), "{broken:?}");
        }
        assert!(parsed(&format!(" 1 BODY[{}1]", "1.".repeat(300))).is_err());
        let many: Vec<String> = (1..600).map(|part| format!("BODY[{part}]")).collect();
        assert!(parsed(&format!(" 1 ({})", many.join(" "))).is_err());
    }
}
