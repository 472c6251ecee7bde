//! What the scanner finds: in samples that other servers have answered too, in any pieces, and in what is made to break it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn scan(message: &[u8]) -> Scanned {
    let mut scanner = Scanner::new();
    scanner.feed(message);
    scanner.finish()
}

fn scan_in_pieces(message: &[u8], lens: &[usize]) -> Scanned {
    let mut scanner = Scanner::new();
    let mut rest = message;
    for len in lens.iter().cycle() {
        let (piece, after) = rest.split_at((*len).clamp(1, rest.len().max(1)).min(rest.len()));
        scanner.feed(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    scanner.finish()
}

/// All that was found, as the files beside the samples have it.
fn described(found: &Scanned) -> String {
    let entry = &found.entry;
    let mut out = format!("size {} of {} stored\n", found.size, found.len);
    for (what, octets) in [("envelope", &entry.envelope), ("body", &entry.body), ("bodystructure", &entry.bodystructure)] {
        writeln!(out, "{what} {}", octets.escape_ascii().to_string().replace("\\\"", "\"")).unwrap();
    }
    writeln!(out, "preview {:?}\nsubject {:?}\nsent {:?}", entry.preview, entry.subject_base, entry.sent).unwrap();
    for (at, part) in entry.parts.iter().enumerate() {
        let parent = part.parent.map_or("-".to_owned(), |parent| parent.to_string());
        let Part { kind, media, encoding, header, body, len, header_size, size, lines, .. } = part;
        write!(out, "part {at} in {parent}: {kind:?} {media} {encoding:?}, header at {header}, body at {body}+{len}; ").unwrap();
        writeln!(out, "wire {header_size}+{size}, {lines} lines").unwrap();
    }
    out
}

/// What a sample's file says of us: all of it but the lines about the other server.
fn expected(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("dovecot ") && !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

#[test]
fn samples_give_what_stands_beside_them() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail");
    let mut seen = 0;
    for file in
        fs::read_dir(samples).unwrap().map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|is| is == "eml"))
    {
        let message = fs::read(&file).unwrap();
        let found = scan(&message);
        let beside = fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        assert_eq!(described(&found), expected(&beside), "{}", file.display());
        assert_eq!(scan_in_pieces(&message, &[1]), found, "{}", file.display());
        well_formed(&found);
        seen += 1;
    }
    assert!(seen >= 40, "{seen}");
}

#[test]
fn fields_of_a_short_header_are_all_kept() {
    let fields = "a:\n".repeat(3_999) + "Subject: x\n\nbody";
    let entry = |message: &str| scan(message.as_bytes()).entry.encode();
    assert!(!EntryRef::decode(&entry(&fields)).unwrap().has_short_header());
    let short = "a\n".repeat(3_980) + "Subject: x\n\nbody";
    let short = entry(&short);
    let short = EntryRef::decode(&short).unwrap();
    assert!(short.has_short_header() && short.fields() == b"Subject: x\r\n");
    assert_eq!(short.message(), Some(short.parts().unwrap()[0].clone()));
    assert!(!EntryRef::decode(&entry("Subject: x\n")).unwrap().has_short_header(), "a blank line can't be told");
    assert!(EntryRef::keeps(b"SUBJECT") && !EntryRef::keeps(b"received") && !EntryRef::keeps(b"x-other"));
}

#[test]
fn stored_line_ends_make_no_difference_on_the_wire() {
    let lf = scan(b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\none\n\n--x--\n");
    let crlf = scan(b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n\r\n--x--\r\n");
    assert_eq!(lf.size, crlf.size);
    assert_eq!(lf.entry.bodystructure, crlf.entry.bodystructure);
    assert_eq!((lf.entry.fields, lf.entry.thread), (crlf.entry.fields, crlf.entry.thread));
    assert_eq!((lf.entry.parts[1].len, crlf.entry.parts[1].len), (4, 5));
}

#[test]
fn fields_are_those_that_clients_ask_for() {
    let found = scan(b"Received: one\nX-Other: no\nreceived: two\nSUBJECT: a\n\tb\nDKIM-Signature: no\nTo: x@y.example");
    assert_eq!(found.entry.fields.escape_ascii().to_string(), r"Received: one\r\nSUBJECT: a\r\n\tb\r\nTo: x@y.example\r\n");
    let long = format!("To: {}\nSubject: short\n\n", "x".repeat(40_000));
    assert_eq!(scan(long.as_bytes()).entry.fields, b"Subject: short\r\n");
}

#[test]
fn messages_of_a_conversation_have_a_thread_in_common() {
    let thread = |header: &str| scan(header.as_bytes()).entry.thread;
    let first = thread("Message-ID: <1@x>\n\n");
    assert_eq!(thread("Message-ID: <2@x>\nIn-Reply-To: <1@x>\n\n"), first);
    assert_eq!(thread("Message-ID: <3@x>\nIn-Reply-To: <2@x>\nReferences:\n <1@x>\n <2@x>\n\nx"), first);
    assert_eq!(thread("Message-ID: <2@x>\nIn-Reply-To: Your message of Monday <1@x>\n\n"), first);
    assert_eq!(thread("Message-ID: 4@x\n\n"), thread("References: <4@x>\n\n"));
    assert_ne!(thread("Message-ID: <2@x>\n\n"), first);
    assert_ne!(thread("Subject: a\n\n"), thread("Subject: b\n\n"));
    assert_eq!(thread("Subject: a\n\n1"), thread("Subject: a\r\n\r\n2"));
}

#[test]
fn depth_has_an_end() {
    let nested: String = (0..1_000).map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}.\n\n--b{level}.\n")).collect();
    let found = scan(nested.as_bytes());
    assert_eq!(found.entry.parts.len(), 64);
    assert_eq!(found.entry.parts[63].kind, Kind::Leaf);
    well_formed(&found);
    let forwarded = "Content-Type: message/rfc822\n\n".repeat(50_000);
    let found = scan(forwarded.as_bytes());
    assert_eq!(found.entry.parts.len(), 64);
    assert!(String::from_utf8(found.entry.body.clone()).unwrap().contains(r#"("application" "octet-stream" NIL"#));
    well_formed(&found);
}

#[test]
fn parts_have_an_end() {
    let message = format!("Content-Type: multipart/mixed; boundary=x\n\n{}--x--\n", "--x\n\na\n".repeat(20_000));
    let found = scan(message.as_bytes());
    assert_eq!(found.entry.parts.len(), 10_000);
    let last = &found.entry.parts[9_999];
    assert_eq!(last.body + last.len, message.len() as u64);
    well_formed(&found);
}

#[test]
fn addresses_have_an_end() {
    let addresses = |text: &str| text.matches(r#""x" "y.example")"#).count();
    let to = "x@y.example,".repeat(5_000);
    let found = scan(format!("To: {to}\nTo: {to}\nCc: g: {to}\n\n").as_bytes());
    let envelope = String::from_utf8(found.entry.envelope.clone()).unwrap();
    // A group's beginning and its end are two.
    assert_eq!(addresses(&envelope), 2_000 + 1_998);
    well_formed(&found);
    let message = format!("Content-Type: message/rfc822\nTo: {to}\n\n").repeat(60);
    let found = scan(message.as_bytes());
    assert_eq!(addresses(&String::from_utf8(found.entry.bodystructure.clone()).unwrap()) + 2_000, 10_000);
    well_formed(&found);
}

#[test]
fn headers_have_an_end() {
    let long = format!("Subject: {}\nTo: a@b.example\n\nbody\n", "x".repeat(300_000));
    let found = scan(long.as_bytes());
    assert_eq!(found.size, long.len() as u64 + 4);
    assert!((260_000..264_000).contains(&found.entry.envelope.len()), "{}", found.entry.envelope.len());
    assert_eq!(found.entry.parts[0].header_size, long.len() as u64 - 5 + 3);
    let part = format!("--x\nContent-Description: {}\n\na\n", "y".repeat(60_000));
    let found = scan(format!("Content-Type: multipart/mixed; boundary=x\n\n{}", part.repeat(100)).as_bytes());
    assert_eq!(found.entry.parts.len(), 101);
    assert!(found.entry.bodystructure.len() < 1_100_000, "{}", found.entry.bodystructure.len());
    well_formed(&found);
}

#[test]
fn previews_have_an_end_and_no_half_characters() {
    for filler in ["ä", "€uro ", "word ", "👍"] {
        let preview = scan(format!("Subject: x\n\n{}", filler.repeat(30_000)).as_bytes()).entry.preview;
        assert!((199..=200).contains(&preview.chars().count()), "{preview}");
        assert!(!preview.contains('\u{fffd}'), "{preview}");
    }
    let nothing = scan(format!("Content-Type: text/html\n\n{}", "<p>".repeat(30_000)).as_bytes()).entry.preview;
    assert_eq!(nothing, "");
}

#[test]
fn an_attachment_is_no_preview() {
    let message = b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Disposition: attachment\n\nlog\n--x\nContent-Type: text/html\n\n<p>hi\n--x--";
    assert_eq!(scan(message).entry.preview, "hi");
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(message in mail(), lens in prop::collection::vec(1usize..40, 1..20)) {
        let found = scan(&message);
        prop_assert_eq!(&scan_in_pieces(&message, &lens), &found);
        prop_assert_eq!(&scan_in_pieces(&message, &[1]), &found);
        prop_assert_eq!(found.len, message.len() as u64);
        well_formed(&found);
        ranges_fit(&found);
        let encoded = found.entry.encode();
        let decoded = EntryRef::decode(&encoded).and_then(|entry| entry.to_entry());
        prop_assert_eq!(decoded, Some(found.entry));
    }

    #[test]
    fn sizes_are_those_of_the_octets(message in mail()) {
        let found = scan(&message);
        let wire = |text: &[u8]| text.len() + text.iter().enumerate().filter(|(at, octet)| **octet == b'\n' && (*at == 0 || text[at - 1] != b'\r')).count();
        prop_assert_eq!(found.size, wire(&message) as u64);
        for part in &found.entry.parts {
            let (header, body) = (part.header as usize, part.body as usize);
            let text = &message[body..body + part.len as usize];
            prop_assert_eq!(part.size, wire(text) as u64);
            prop_assert_eq!(part.lines, text.iter().filter(|octet| **octet == b'\n').count() as u64);
            prop_assert_eq!(part.header_size, wire(&message[header..body]) as u64);
        }
    }

    #[test]
    fn octets_of_any_kind_are_a_message(message: Vec<u8>) {
        well_formed(&scan(&message));
    }
}

/// Messages of pieces that mean something, in any order.
fn mail() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(PIECES).prop_map(<[u8]>::to_vec);
    prop::collection::vec(prop_oneof![9 => piece, 1 => prop::collection::vec(any::<u8>(), 0..8)], 0..60).prop_map(|pieces| pieces.concat())
}

const PIECES: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\r",
    b"\n\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"-",
    b"--",
    b"--a",
    b"\n--a\n",
    b"\r\n--a\r\n",
    b"\n--ab\n\n",
    b"\n--a--\n",
    b"\n--ab--\n",
    b"--ab",
    b"Content-Type: multipart/mixed; boundary=a\n",
    b"Content-Type: multipart/digest; boundary=ab\r\n\r\n",
    b"\nContent-Type: multipart/alternative; boundary=\"a\"\n\n",
    b"Content-Type: message/rfc822\n\n",
    b"Content-Type: text/html; charset=iso-8859-1\n\n",
    b"Content-Type: text/plain; name*0*=utf-8''%41; name*1=b(\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Disposition: attachment; filename=\"a\\\"b\"\n",
    b"Subject: Re: [x] =?utf-8?Q?=C3=A4?= =?utf-8?B?w6Q=?=\n",
    b"From: \"A\" <a@b.example>, g: c@d (e);\n",
    b"To: ",
    b"<@a,@b:c@d>",
    b"\"(",
    b",;:@<>.",
    b"Date: 1 Jan 2020 00:00 +0000\n",
    b"References: <a@b>\n",
    b"text =E4 <p> &amp; > text",
    b"\xc3\xa4\xe4\0",
];

fn ranges_fit(found: &Scanned) {
    let parts = &found.entry.parts;
    for (at, part) in parts.iter().enumerate() {
        assert!(part.header <= part.body && part.body + part.len <= found.len, "{part:?}");
        if let Some(parent) = part.parent {
            let outer = &parts[usize::from(parent)];
            assert!(usize::from(parent) < at && outer.kind != Kind::Leaf);
            assert!(outer.body <= part.header && part.body + part.len <= outer.body + outer.len, "{part:?} in {outer:?}");
        }
    }
}

/// What IMAP's grammar knows: strings, NIL and numbers, and lists of them.
#[derive(Debug, PartialEq)]
enum Value {
    Nil,
    Text(Vec<u8>),
    Number,
    List(Vec<Value>),
}

fn well_formed(found: &Scanned) {
    assert!(is_envelope(&value(&found.entry.envelope)), "{}", found.entry.envelope.escape_ascii());
    for (structure, extra) in [(&found.entry.body, 0), (&found.entry.bodystructure, 4)] {
        assert!(is_body(&value(structure), extra), "{}", structure.escape_ascii());
    }
    assert!(found.entry.preview.chars().count() <= 200);
    assert!(found.entry.fields.len() <= 32 << 10 && found.entry.subject_base.len() <= 1_000);
}

fn value(octets: &[u8]) -> Value {
    let mut rest = octets;
    let value = read(&mut rest).unwrap_or_else(|| panic!("{}", octets.escape_ascii()));
    assert!(rest.is_empty(), "{}", octets.escape_ascii());
    value
}

fn read(rest: &mut &[u8]) -> Option<Value> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    match first {
        b'(' => read_list(rest),
        b'"' => read_quoted(rest),
        b'{' => {
            let end = after.iter().position(|octet| *octet == b'}')?;
            let len: usize = str::from_utf8(&after[..end]).ok()?.parse().ok()?;
            let (text, after) = after[end + 1..].strip_prefix(b"\r\n")?.split_at_checked(len)?;
            *rest = after;
            (!text.contains(&0)).then(|| Value::Text(text.to_vec()))
        }
        b'N' => {
            *rest = after.strip_prefix(b"IL")?;
            Some(Value::Nil)
        }
        b'0'..=b'9' => {
            let end = after.iter().position(|octet| !octet.is_ascii_digit()).unwrap_or(after.len());
            *rest = &after[end..];
            Some(Value::Number)
        }
        _ => None,
    }
}

/// Lists in a list may follow each other without a space, as addresses and bodies do.
fn read_list(rest: &mut &[u8]) -> Option<Value> {
    let mut list = Vec::new();
    loop {
        list.push(read(rest)?);
        let (next, after) = rest.split_first()?;
        match next {
            b')' => {
                *rest = after;
                return Some(Value::List(list));
            }
            b' ' => *rest = after,
            b'(' => {}
            _ => return None,
        }
    }
}

fn read_quoted(rest: &mut &[u8]) -> Option<Value> {
    let mut text = Vec::new();
    loop {
        let (octet, after) = rest.split_first()?;
        *rest = after;
        match octet {
            b'"' => return Some(Value::Text(text)),
            b'\\' => {
                let (escaped, after) = after.split_first().filter(|(escaped, _)| b"\"\\".contains(escaped))?;
                text.push(*escaped);
                *rest = after;
            }
            0 | b'\r' | b'\n' | 0x80.. => return None,
            octet => text.push(*octet),
        }
    }
}

fn is_nstring(value: &Value) -> bool {
    matches!(value, Value::Nil | Value::Text(_))
}

fn is_envelope(value: &Value) -> bool {
    let Value::List(fields) = value else { return false };
    let texts = [0, 1, 8, 9].iter().all(|at| fields.get(*at).is_some_and(is_nstring));
    texts && fields.len() == 10 && fields[2..8].iter().all(is_addresses)
}

/// NIL or addresses; groups begin and end.
fn is_addresses(value: &Value) -> bool {
    let Value::List(addresses) = value else { return *value == Value::Nil };
    let mut in_group = false;
    for address in addresses {
        let Value::List(parts) = address else { return false };
        match &parts[..] {
            [Value::Nil, Value::Nil, Value::Nil, Value::Nil] if in_group => in_group = false,
            [Value::Nil, Value::Nil, Value::Text(_), Value::Nil] if !in_group => in_group = true,
            [name, route, Value::Text(_), Value::Text(_)] if is_nstring(name) && is_nstring(route) => {}
            _ => return false,
        }
    }
    !in_group
}

fn is_params(value: &Value) -> bool {
    match value {
        Value::List(list) => list.len().is_multiple_of(2) && list.iter().all(|item| matches!(item, Value::Text(_))),
        value => *value == Value::Nil,
    }
}

/// `extra`: how many fields of extension data there are.
fn is_body(value: &Value, extra: usize) -> bool {
    let Value::List(fields) = value else { return false };
    if let Value::List(_) = fields[0] {
        let bodies = fields.iter().take_while(|field| matches!(field, Value::List(_))).count();
        let (bodies, rest) = fields.split_at(bodies);
        return bodies.iter().all(|body| is_body(body, extra)) && matches!(rest[0], Value::Text(_)) && rest.len() == 1 + extra;
    }
    let (Value::Text(main), Value::Text(sub)) = (&fields[0], &fields[1]) else { return false };
    let is_basic = is_params(&fields[2]) && is_nstring(&fields[3]) && is_nstring(&fields[4]) && matches!(fields[5], Value::Text(_));
    let (main, sub) = (main.to_ascii_lowercase(), sub.to_ascii_lowercase());
    let own = match (&main[..], &sub[..]) {
        (b"text", _) => vec![Value::Number],
        (b"message", b"rfc822" | b"global") if is_envelope(&fields[7]) && is_body(&fields[8], extra) => return fields.len() == 10 + extra,
        (b"message", b"rfc822" | b"global") | (b"multipart", _) => return false,
        _ => vec![],
    };
    is_basic && fields[6] == Value::Number && fields[7..].starts_with(&own) && fields.len() == 7 + own.len() + extra
}
