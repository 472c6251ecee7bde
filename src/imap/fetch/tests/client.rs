//! A client: says FETCH, and reads the answers.

use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use super::super::*;
use crate::imap::args::Args;
use crate::imap::view::News;
use crate::store::{AnyHome, Changes, Draft, Folder, FolderName, Home, Incoming, MemoryHome, Places};
use crate::wire::Plain;

pub struct Client {
    home: AnyHome,
    pub folder: AnyFolder,
    view: View,
    bookmark: Bookmark,
    pub is_read_only: bool,
    pub tells_modseq: bool,
}

/// What is said of one message.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub number: u32,
    pub items: Vec<(String, Value)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Nil,
    /// A string of any form, or a literal8.
    Octets(Vec<u8>),
    /// An atom, a number or a list, as it was written.
    Other(String),
}

impl Value {
    pub fn octets(&self) -> Option<&[u8]> {
        match self {
            Value::Octets(octets) => Some(octets),
            _ => None,
        }
    }
}

impl Client {
    /// Of an INBOX with those messages.
    pub async fn with(messages: &[impl AsRef<[u8]>]) -> Client {
        Client::of(AnyHome::Memory(MemoryHome::new()), messages).await
    }

    /// Of the INBOX of `home`, with those messages added.
    pub async fn of(home: AnyHome, messages: &[impl AsRef<[u8]>]) -> Client {
        let incoming: Vec<Incoming> = messages.iter().map(|message| incoming(message.as_ref())).collect();
        home.append(&FolderName::inbox(), &incoming).await.unwrap();
        let folder = home.open(&FolderName::inbox()).await.unwrap();
        let (view, bookmark) = (View::new(folder.state().clone()), Bookmark::default());
        Client { home, folder, view, bookmark, is_read_only: false, tells_modseq: false }
    }

    /// What is said, and the tagged response without its tag.
    pub async fn octets(&mut self, name: &str, args: &str) -> Vec<u8> {
        let is_uid = name == "UID FETCH";
        let fetch = Fetch::parse(&mut Args::new(format!(" {args}").as_bytes(), false), is_uid, true).unwrap();
        let (near, mut far) = tokio::io::duplex(1_000);
        let reading = tokio::spawn(async move {
            let mut said = Vec::new();
            far.read_to_end(&mut said).await.unwrap();
            said
        });
        let (_stop, stopping) = watch::channel(false);
        let mut wire = Wire::new(Plain::Pipe(near), std::time::Duration::from_secs(60), stopping);
        let Client { folder, view, bookmark, is_read_only, tells_modseq, .. } = self;
        let mailbox = Mailbox { folder, view, bookmark, is_read_only: *is_read_only, tells_modseq: *tells_modseq };
        let fetched = is_send(fetch.answer(mailbox, &mut wire)).await.unwrap();
        let (how, text) = match fetched.conclude(is_uid) {
            Ok(Reply::Ok(text)) => ("OK ", text),
            Err(Refusal::No(text)) => ("NO ", text),
            Err(Refusal::Bad(text)) => ("BAD ", text.into()),
            _ => panic!("no such end"),
        };
        wire.say(how.as_bytes());
        wire.say(text.as_bytes());
        wire.close().await;
        reading.await.unwrap()
    }

    pub async fn said(&mut self, name: &str, args: &str) -> String {
        String::from_utf8(self.octets(name, args).await).unwrap()
    }

    /// The answers of a FETCH that succeeds.
    pub async fn answers(&mut self, name: &str, args: &str) -> Vec<Answer> {
        let said = self.octets(name, args).await;
        let end = said.windows(2).rposition(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
        assert!(said[end..].starts_with(b"OK "), "{}", said[end..].escape_ascii());
        let (mut answers, mut rest) = (Vec::new(), &said[..end]);
        while !rest.is_empty() {
            answers.push(answer(&mut rest).unwrap_or_else(|| panic!("{} of {}", rest.escape_ascii(), said.escape_ascii())));
        }
        answers
    }

    /// What would be told now.
    pub fn news(&mut self) -> News {
        self.view.news(self.folder.state(), true)
    }

    pub async fn refresh(&mut self) {
        self.folder.refresh().await.unwrap();
        self.news();
    }

    /// Another session expunges a message.
    pub async fn expunge_elsewhere(&self, uid: u32) {
        let mut folder = self.home.open(&FolderName::inbox()).await.unwrap();
        folder.apply(&Changes { expunge: [uid].into_iter().collect(), ..Changes::default() }).await.unwrap();
    }
}

/// A session runs on any thread.
fn is_send<F: Future + Send>(future: F) -> F {
    future
}

fn incoming(message: &[u8]) -> Incoming {
    let mut draft = Draft::new(&Places::inside(&std::env::temp_dir().join("vmail-fetch"), crate::config::Fsync::Never));
    draft.push(message).unwrap();
    Incoming { received: Some(1_000_000_000), saved: Some(1_000_000_000), ..Incoming::new(draft.finish().unwrap()) }
}

fn answer(rest: &mut &[u8]) -> Option<Answer> {
    takes(rest, b"* ")?;
    let number = digits(rest)?;
    takes(rest, b" FETCH (")?;
    let mut items = Vec::new();
    loop {
        let label = label(rest);
        takes(rest, b" ")?;
        items.push((label, value(rest)?));
        if takes(rest, b" ").is_none() {
            break;
        }
    }
    takes(rest, b")\r\n")?;
    Some(Answer { number: number.try_into().ok()?, items })
}

/// Up to a space outside of brackets.
fn label(rest: &mut &[u8]) -> String {
    let mut depth = 0;
    let end = rest.iter().position(|octet| {
        depth += i32::from(*octet == b'[') - i32::from(*octet == b']');
        *octet == b' ' && depth == 0
    });
    take(rest, end.unwrap())
}

fn value(rest: &mut &[u8]) -> Option<Value> {
    _ = takes(rest, b"~");
    match rest.first()? {
        b'{' => {
            *rest = &rest[1..];
            let len = digits(rest)?;
            takes(rest, b"}\r\n")?;
            let (octets, after) = rest.split_at_checked(len)?;
            *rest = after;
            Some(Value::Octets(octets.to_vec()))
        }
        b'"' => {
            let mut octets = Vec::new();
            *rest = &rest[1..];
            while takes(rest, b"\"").is_none() {
                _ = takes(rest, b"\\");
                octets.push(*rest.first()?);
                *rest = &rest[1..];
            }
            Some(Value::Octets(octets))
        }
        b'(' => {
            let mut list = "(".to_owned();
            *rest = &rest[1..];
            while takes(rest, b")").is_none() {
                match takes(rest, b" ") {
                    Some(()) => list.push(' '),
                    None => list += &format!("{:?}", value(rest)?),
                }
            }
            Some(Value::Other(list + ")"))
        }
        _ => {
            let end = rest.iter().position(|octet| b" ()\r".contains(octet))?;
            match &*take(rest, end) {
                "NIL" => Some(Value::Nil),
                "" => None,
                atom => Some(Value::Other(atom.to_owned())),
            }
        }
    }
}

fn takes(rest: &mut &[u8], octets: &[u8]) -> Option<()> {
    *rest = rest.strip_prefix(octets)?;
    Some(())
}

fn take(rest: &mut &[u8], len: usize) -> String {
    let (taken, after) = rest.split_at(len);
    *rest = after;
    String::from_utf8(taken.to_vec()).unwrap()
}

fn digits(rest: &mut &[u8]) -> Option<usize> {
    let end = rest.iter().position(|octet| !octet.is_ascii_digit())?;
    take(rest, end).parse().ok()
}
