//! FETCH of any items from any message: no input panics, literals are as long as they say, header and text are the message, and a part
//! of a section is a part of it.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::io::AsyncReadExt;
use tokio::runtime::Builder;
use tokio::sync::watch;
use vmail::config::Fsync;
use vmail::imap::args::Args;
use vmail::imap::fetch::{Bookmark, Fetch, Mailbox};
use vmail::imap::view::View;
use vmail::store::{AnyFolder, AnyHome, Folder, FolderName, Home, Incoming, Letter, MemoryHome, Places};
use vmail::wire::{Plain, Wire};

fuzz_target!(|input: &[u8]| {
    // The first line says what is asked for, the rest is the message.
    let end = input.iter().position(|octet| *octet == b'\n').unwrap_or(input.len());
    let (asked, message) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let runtime = Builder::new_current_thread().enable_all().build().expect("it needs nothing");
    runtime.block_on(async {
        let mut folder = folder(message).await;
        if let Some(said) = fetched(&mut folder, asked).await {
            assert!(is_well_formed(&said), "{}", said.escape_ascii());
        }
        let whole = octets(&mut folder, "BODY.PEEK[]").await;
        let halves = [octets(&mut folder, "BODY.PEEK[HEADER]").await, octets(&mut folder, "BODY.PEEK[TEXT]").await];
        assert_eq!(halves.concat(), whole);
        let (origin, count) = (end, 1 + message.len() / 2);
        let part = octets(&mut folder, &format!("BODY.PEEK[]<{origin}.{count}>")).await;
        let expected: Vec<u8> = whole.iter().skip(origin).take(count).copied().collect();
        assert_eq!(part, expected);
    });
});

async fn folder(message: &[u8]) -> AnyFolder {
    let places = Places::inside(&std::env::temp_dir(), Fsync::Never);
    let letter = Letter::of(message, &places).expect("it is small enough for memory");
    let home = AnyHome::Memory(MemoryHome::new());
    home.append(&FolderName::inbox(), &[Incoming::new(letter)]).await.expect("memory takes everything");
    home.open(&FolderName::inbox()).await.expect("it is always there")
}

/// What is said to ` 1 ITEMS`, without the end of the command; `None` if that is no FETCH.
async fn fetched(folder: &mut AnyFolder, items: &[u8]) -> Option<Vec<u8>> {
    let text = [b" 1 ", items].concat();
    let fetch = Fetch::parse(&mut Args::new(&text, false), false, true).ok()?;
    let (near, mut far) = tokio::io::duplex(500);
    let reading = tokio::spawn(async move {
        let mut said = Vec::new();
        far.read_to_end(&mut said).await.map(|_| said)
    });
    let (_stop, stopping) = watch::channel(false);
    let mut wire = Wire::new(Plain::Pipe(near), Duration::from_secs(60), stopping);
    let (mut view, mut bookmark) = (View::new(folder.state().clone()), Bookmark::default());
    let mailbox = Mailbox { folder, view: &mut view, is_read_only: false, tells_modseq: true, bookmark: &mut bookmark };
    fetch.answer(mailbox, &mut wire).await.expect("a client that listens is not lost");
    wire.close().await;
    Some(reading.await.expect("it does not panic").expect("a pipe does not fail"))
}

/// The string that is the only item.
async fn octets(folder: &mut AnyFolder, item: &str) -> Vec<u8> {
    let said = fetched(folder, item.as_bytes()).await.expect("it is one");
    let start = said.windows(2).position(|pair| pair == b"] " || pair == b"> ").expect("its name ends") + 2;
    match said[start..].strip_prefix(b"{") {
        None => Vec::new(),
        Some(literal) => {
            let end = literal.windows(3).position(|end| end == b"}\r\n").expect("the length ends");
            let len: usize = std::str::from_utf8(&literal[..end]).ok().and_then(|len| len.parse().ok()).expect("a number");
            literal[end + 3..][..len].to_vec()
        }
    }
}

/// Lines that end outside of strings and parentheses; a NUL is in no string but a literal8.
fn is_well_formed(said: &[u8]) -> bool {
    let (mut rest, mut depth) = (said, 0);
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        match octet {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'"' => match quoted(rest) {
                Some(behind) => rest = behind,
                None => return false,
            },
            b'{' => match literal(rest, rest.len() + 1 < said.len() && said[said.len() - rest.len() - 2] == b'~') {
                Some(behind) => rest = behind,
                None => return false,
            },
            b'\r' if depth != 0 || !rest.starts_with(b"\n") => return false,
            0 | 0x80.. => return false,
            _ => {}
        }
    }
    depth == 0 && (said.is_empty() || said.ends_with(b")\r\n"))
}

fn quoted(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (octet, after) = rest.split_first()?;
        rest = match octet {
            b'"' => return Some(after),
            b'\\' => after.get(1..)?,
            0 | b'\r' | b'\n' | 0x80.. => return None,
            _ => after,
        };
    }
}

fn literal(rest: &[u8], may_have_nul: bool) -> Option<&[u8]> {
    let end = rest.windows(3).position(|end| end == b"}\r\n")?;
    let len: usize = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    let (octets, behind) = rest[end + 3..].split_at_checked(len)?;
    (may_have_nul || !octets.contains(&0)).then_some(behind)
}
