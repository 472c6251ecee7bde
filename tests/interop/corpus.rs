//! Mail of every shape that a POP3 server can spoil on its way, the same on each run.

use std::collections::BTreeMap;

/// One message: its octets in the spool, and what a client must be sent.
pub struct Mail {
    /// What tells it from others: its `X-Number` header.
    pub number: String,
    stored: Vec<u8>,
}

impl Mail {
    /// The octets after `RETR`, dots unstuffed: every line ends with CRLF, and the server's own headers are not there.
    pub fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut in_header = true;
        for line in self.stored.split_inclusive(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            in_header &= !line.is_empty();
            if in_header && HIDDEN.iter().any(|name| line.starts_with(name)) {
                continue;
            }
            wire.extend_from_slice(line);
            wire.extend_from_slice(b"\r\n");
        }
        wire
    }

    /// The message as it was made, with all its headers: every line end is CRLF, and the last line has one if it had one.
    pub fn text(&self) -> Vec<u8> {
        crlf(&self.stored)
    }

    /// The octets in the spool.
    pub fn stored(&self) -> Vec<u8> {
        self.stored.clone()
    }

    /// As [`Mail::wire`], with the line ends of a Unix file: what clients make of it that store mail in files.
    pub fn unix(&self) -> Vec<u8> {
        unix(&self.wire())
    }
}

/// CRLF becomes LF.
pub fn unix(wire: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(wire.len());
    for (at, &octet) in wire.iter().enumerate() {
        if octet != b'\r' || wire.get(at + 1) != Some(&b'\n') {
            text.push(octet);
        }
    }
    text
}

/// `count` messages of as many shapes as there are.
pub fn corpus(series: &str, count: usize) -> Vec<Mail> {
    (1..=count).map(|at| mail(series, at)).collect()
}

/// The messages as an mbox. The last one has neither the empty line nor the line end that should close it.
pub fn mbox(mails: &[Mail]) -> Vec<u8> {
    let mut mbox = Vec::new();
    for (at, mail) in mails.iter().enumerate() {
        mbox.extend_from_slice(format!("From sender{at}@example.org Sun Nov 22 16:{:02}:33 2026\n", at % 60).as_bytes());
        mbox.extend_from_slice(&mail.stored);
        mbox.extend_from_slice(if mail.stored.ends_with(b"\n") { b"\n" } else { b"\n\n" });
    }
    mbox.truncate(mbox.len() - 2);
    mbox
}

/// The same mbox with CRLF line ends, as a careless transfer leaves it.
pub fn crlf(mbox: &[u8]) -> Vec<u8> {
    let text = unix(mbox);
    text.iter().flat_map(|octet| if *octet == b'\n' { b"\r\n".iter() } else { std::slice::from_ref(octet).iter() }).copied().collect()
}

/// What clients got, by number, must be what was sent.
pub fn assert_same(client: &str, got: Vec<Vec<u8>>, mails: &[Mail], expected: impl Fn(&Mail) -> Vec<u8>) {
    assert_eq!(got.len(), mails.len(), "{client}: number of messages");
    let mut got: BTreeMap<String, Vec<u8>> = got.into_iter().map(|octets| (number_of(&octets), octets)).collect();
    for mail in mails {
        let Some(octets) = got.remove(&mail.number) else { panic!("{client}: {} did not arrive", mail.number) };
        let expected = expected(mail);
        if octets != expected {
            let at = octets.iter().zip(&expected).take_while(|(one, other)| one == other).count();
            let near = |octets: &[u8]| String::from_utf8_lossy(&octets[at.saturating_sub(60)..octets.len().min(at + 60)]).into_owned();
            let (lengths, shape) = ((octets.len(), expected.len()), mail.number.as_str());
            panic!("{client}: {shape} differs at octet {at} of {lengths:?}:\ngot      {:?}\nexpected {:?}", near(&octets), near(&expected));
        }
    }
}

fn number_of(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let line = text.lines().find_map(|line| line.strip_prefix("X-Number: "));
    line.unwrap_or_else(|| panic!("no X-Number in {text:.300}")).trim_end().to_owned()
}

fn mail(series: &str, at: usize) -> Mail {
    let shape = &SHAPES[at % SHAPES.len()];
    let number = format!("{series}-{at:03}-{}", shape.0);
    let header = format!("From: Sender {at} <sender{at}@example.org>\nTo: joe@example.org\nSubject: message {at}\nX-Number: {number}\n");
    let mut stored = header.into_bytes();
    (shape.1)(&mut stored, at);
    Mail { number, stored }
}

type Shape = (&'static str, fn(&mut Vec<u8>, usize));

const SHAPES: &[Shape] = &[
    ("plain", |out, at| lines(out, at, b"\nHello,\n\nthis is a message.\n")),
    ("latin1", |out, at| lines(out, at, b"\ncaf\xe9 \xdfen\xf6se\xff\xfe\n\x80\x81\n")),
    ("utf8", |out, at| lines(out, at, "X-Title: Grüße, 世界\n\nžluťoučký kůň 🐎\n".as_bytes())),
    ("dots", |out, at| lines(out, at, b"\n.\n..\n...\n.text\n. \n.\ta\nx.\n.\n")),
    ("long-lines", |out, at| {
        out.extend_from_slice(b"\n");
        for length in [76, 77, 79, 80, 81, 254, 511, 512, 513, 997, 998] {
            out.extend(std::iter::repeat_n(b'a' + (at % 26) as u8, length));
            out.extend_from_slice(b"\n.dot after it\n");
        }
    }),
    ("longer-lines", |out, _| {
        out.extend_from_slice(b"\n");
        for length in [1023, 1024, 1025, 1500, 1999] {
            out.extend(std::iter::repeat_n(b'z', length));
            out.extend_from_slice(b"\n..\n");
        }
    }),
    ("empty-body", |out, _| out.extend_from_slice(b"\n")),
    ("empty-lines", |out, at| lines(out, at, b"\n\n\ntext\n\n\n\n")),
    ("from", |out, at| lines(out, at, b"\n>From here on\nthe text\nFrom there is no separator\nFrom: me\n\n>>From two\n\nFromage\n")),
    ("state", |out, at| lines(out, at, b"Status: RO\nX-Status: A\nX-UID: 0000000001\nX-Keywords: $Junk\n\nStatus: of the body\n")),
    ("mime", |out, at| {
        out.extend_from_slice(
            b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=_b\"\n\npreamble\n--=_b\nContent-Type: text/plain\n\nhi\n",
        );
        out.extend_from_slice(b"--=_b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n");
        for line in 0..400 {
            out.extend((0..76).map(|column| BASE64[(line * 7 + column * (at + 1) + line * column) % 64]));
            out.push(b'\n');
        }
        out.extend_from_slice(b"--=_b--\n");
    }),
    ("blanks", |out, at| lines(out, at, b"\n \n\t\ntrailing \t \n  leading\n\x0c\n\x01\x02\x1b[1mbold\x1b[0m\x7f\n")),
    ("folded", |out, at| lines(out, at, b"X-Folded: one\n two\n\tthree\nX-Empty:\nX-Colons: a:b::c\n\nbody\n")),
    ("crlf", |out, at| lines(out, at, b"\nthese lines\r\nend with\r\n\r\n.CRLF\r\nin the spool\r\n")),
    ("no-line-end", |out, at| lines(out, at, b"\nthe last line has no end")),
    ("large", |out, at| {
        out.extend_from_slice(b"\n");
        for line in 0..2500 {
            out.extend_from_slice(format!("{at} {line:06} the quick brown fox jumps over the lazy dog, and again\n").as_bytes());
        }
    }),
];

fn lines(out: &mut Vec<u8>, _: usize, text: &[u8]) {
    out.extend_from_slice(text);
}

/// Headers in which mail programs keep their own state in an mbox; no client is shown them.
const HIDDEN: [&[u8]; 4] = [b"Status:", b"X-Status:", b"X-UID:", b"X-Keywords:"];

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
