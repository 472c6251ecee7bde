//! The grammar of search keys (RFC 9051 §9 search-key and its extensions). Pure, and with no depth that a client decides on.

use super::charset::Charset;
use super::key::{Days, Key};
use super::sought::{Place, Sought};
use super::{Criteria, Refused};
use crate::imap::args::{Args, Bad};
use crate::imap::objectid::{EmailId, ThreadId};
use crate::imap::set::Set;
use crate::imap::view::View;
use crate::store::Flags;

/// Reads keys up to the end of the command; numbers and `$` are what `view` knows by them.
///
/// # Errors
/// [`Refused::Bad`], and [`Refused::Limit`] for more, deeper or longer than any client needs.
pub fn criteria(args: &mut Args<'_>, charset: Charset, view: &View) -> Result<Criteria, Refused> {
    let reader = Reader {
        args,
        charset,
        view,
        sought: Vec::new(),
        asks_modseq: false,
        has_numbers: false,
        keys: 0,
        in_messages: 0,
        open: Vec::new(),
    };
    reader.read()
}

struct Reader<'r, 'a> {
    args: &'r mut Args<'a>,
    charset: Charset,
    view: &'r View,
    sought: Vec<Sought>,
    asks_modseq: bool,
    has_numbers: bool,
    keys: usize,
    /// Texts for which messages have to be read from their beginning to their end.
    in_messages: usize,
    /// What is not complete, the innermost last.
    open: Vec<Open>,
}

/// A key that waits for others.
enum Open {
    /// Keys in parentheses.
    List(Vec<Nested>),
    Not,
    Or(Option<Nested>),
}

/// A key and how deep others are nested in it.
struct Nested {
    key: Key,
    depth: usize,
}

impl Reader<'_, '_> {
    fn read(mut self) -> Result<Criteria, Refused> {
        let mut all = Vec::new();
        loop {
            if let Some(leaf) = self.begin()?
                && let Some(whole) = self.complete(Nested { key: leaf, depth: 0 })?
            {
                all.push(whole);
                if self.args.is_at_end() {
                    let key = list(all)?.key;
                    let Reader { sought, keys, asks_modseq, has_numbers, .. } = self;
                    return Ok(Criteria { key, sought, keys, asks_modseq, has_numbers });
                }
                self.args.space()?;
            }
        }
    }

    /// What stands here: a key, or the beginning of one that has others inside.
    fn begin(&mut self) -> Result<Option<Key>, Refused> {
        self.keys += 1;
        if self.keys > MOST_KEYS {
            return Err(Refused::Limit("too many search keys"));
        }
        let open = if self.args.takes(b'(') {
            Open::List(Vec::new())
        } else if self.args.is_word("NOT") {
            self.args.space()?;
            Open::Not
        } else if self.args.is_word("OR") {
            self.args.space()?;
            Open::Or(None)
        } else {
            return self.leaf().map(Some);
        };
        self.open.push(open);
        Ok(None)
    }

    /// Puts a key where it belongs, and what becomes complete by it. Returns one that belongs to no other.
    fn complete(&mut self, mut done: Nested) -> Result<Option<Nested>, Refused> {
        loop {
            done = match self.open.pop() {
                None => return Ok(Some(done)),
                Some(Open::Not) => Nested { key: Key::Not(Box::new(done.key)), depth: deeper(done.depth)? },
                Some(Open::Or(None)) => {
                    self.args.space()?;
                    self.open.push(Open::Or(Some(done)));
                    return Ok(None);
                }
                Some(Open::Or(Some(one))) => either(one, done)?,
                Some(Open::List(mut keys)) => {
                    keys.push(done);
                    if !self.args.takes(b')') {
                        self.args.space()?;
                        self.open.push(Open::List(keys));
                        return Ok(None);
                    }
                    list(keys)?
                }
            }
        }
    }

    /// A key without others inside.
    fn leaf(&mut self) -> Result<Key, Refused> {
        if self.args.peek().is_some_and(|octet| octet.is_ascii_digit() || b"*$".contains(&octet)) {
            let set = self.args.set()?;
            return Ok(self.numbers(&set));
        }
        let word = self.args.word().map_err(|_| UNKNOWN)?.to_ascii_uppercase();
        if let Some(key) = alone(&word) {
            return Ok(key);
        }
        self.args.space().map_err(|_| INCOMPLETE)?;
        self.with_argument(&word)
    }

    fn with_argument(&mut self, word: &str) -> Result<Key, Refused> {
        Ok(match word {
            "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => self.sought(Place::Field(word.to_owned()))?,
            "BODY" => self.sought(Place::Body)?,
            "TEXT" => self.sought(Place::Text)?,
            "HEADER" => self.header()?,
            "KEYWORD" => Key::Keyword(self.args.atom()?.to_owned()),
            "UNKEYWORD" => not(Key::Keyword(self.args.atom()?.to_owned())),
            "BEFORE" => Key::Received(Days::before(self.args.date()?)),
            "ON" => Key::Received(Days::on(self.args.date()?)),
            "SINCE" => Key::Received(Days::since(self.args.date()?)),
            "SENTBEFORE" => Key::Sent(Days::before(self.args.date()?)),
            "SENTON" => Key::Sent(Days::on(self.args.date()?)),
            "SENTSINCE" => Key::Sent(Days::since(self.args.date()?)),
            "SAVEDBEFORE" => Key::Saved(Days::before(self.args.date()?)),
            "SAVEDON" => Key::Saved(Days::on(self.args.date()?)),
            "SAVEDSINCE" => Key::Saved(Days::since(self.args.date()?)),
            "OLDER" => Key::Older(self.interval()?),
            "YOUNGER" => Key::Younger(self.interval()?),
            "LARGER" => Key::Larger(self.args.number64()?),
            "SMALLER" => Key::Smaller(self.args.number64()?),
            "UID" => {
                let set = self.args.set()?;
                Key::Uids(self.view.resolve(&set, true)?)
            }
            "MODSEQ" => self.modseq()?,
            "EMAILID" => EmailId::read(self.args.atom()?).map_or(Key::NONE, Key::Email),
            "THREADID" => ThreadId::read(self.args.atom()?).map_or(Key::NONE, Key::Thread),
            _ => return Err(UNKNOWN.into()),
        })
    }

    /// Not RFC 9051 §9 seq-number, for which a number of no message is an error: clients search 1:* in empty mailboxes.
    fn numbers(&mut self, set: &Set) -> Key {
        match set.numbers(self.view.exists()) {
            Some(numbers) => {
                self.has_numbers = true;
                Key::Numbers(numbers)
            }
            None => self.view.resolve(set, true).map_or(Key::NONE, Key::Uids),
        }
    }

    fn sought(&mut self, place: Place) -> Result<Key, Refused> {
        let octets = self.args.astring()?;
        if octets.len() > LONGEST_TEXT {
            return Err(Refused::Limit("a search text is too long"));
        }
        self.in_messages += usize::from(matches!(place, Place::Body | Place::Text));
        if self.in_messages > MOST_IN_MESSAGES {
            return Err(Refused::Limit("too many texts to look for in messages"));
        }
        self.sought.push(Sought::new(place, &self.charset.text(&octets)?));
        Ok(Key::Sought(self.sought.len() - 1))
    }

    fn header(&mut self) -> Result<Key, Refused> {
        let name = self.args.astring()?;
        // RFC 5322 §2.2 names are printable ASCII; others are those of no field.
        let name = str::from_utf8(&name).unwrap_or_default().to_owned();
        self.args.space()?;
        self.sought(Place::Field(name))
    }

    /// RFC 5032 §2: a number of seconds that is not 0.
    fn interval(&mut self) -> Result<u32, Bad> {
        match self.args.number()? {
            0 => Err(Bad("an interval has at least one second")),
            seconds => Ok(seconds),
        }
    }

    /// `MODSEQ ["/flags/\\seen" all] 620162338` (RFC 7162 §3.1.5). We keep one MODSEQ for all that can change of a message.
    fn modseq(&mut self) -> Result<Key, Refused> {
        self.asks_modseq = true;
        if self.args.peek() == Some(b'"') {
            self.args.string()?;
            self.args.space()?;
            if !["all", "priv", "shared"].iter().any(|kind| self.args.is_word(kind)) {
                return Err(Bad("all, priv or shared expected").into());
            }
            self.args.space()?;
        }
        Ok(Key::Modseq(self.args.number64()?))
    }
}

/// Keys that all have to hold, the cheapest first.
fn list(keys: Vec<Nested>) -> Result<Nested, Refused> {
    let depth = keys.iter().map(|nested| nested.depth).max().unwrap_or(0);
    let mut keys: Vec<Key> = keys.into_iter().map(|nested| nested.key).collect();
    if keys.len() == 1 {
        return Ok(Nested { key: keys.remove(0), depth });
    }
    keys.sort_by_cached_key(Key::cost);
    Ok(Nested { key: Key::All(keys), depth: deeper(depth)? })
}

/// Keys of which one has to hold. Clients write many as `OR a OR b OR c d`: these are one, however long.
fn either(one: Nested, other: Nested) -> Result<Nested, Refused> {
    let (mut keys, mut depth) = (Vec::new(), 0);
    for nested in [other, one] {
        match nested.key {
            Key::Any(more) => {
                depth = nested.depth.max(depth);
                if keys.is_empty() { keys = more } else { keys.extend(more) }
            }
            key => {
                depth = deeper(nested.depth)?.max(depth);
                keys.push(key);
            }
        }
    }
    keys.sort_by_cached_key(Key::cost);
    Ok(Nested { key: Key::Any(keys), depth })
}

fn deeper(depth: usize) -> Result<usize, Refused> {
    if depth < DEEPEST { Ok(depth + 1) } else { Err(Refused::Limit("search keys are nested too deep")) }
}

fn not(key: Key) -> Key {
    Key::Not(Box::new(key))
}

/// Keys that are one word. `\Recent` is told of no message (RFC 9051 has it no more): none is new in that sense, and all are old.
fn alone(word: &str) -> Option<Key> {
    Some(match word {
        "ALL" | "OLD" | "SAVEDATESUPPORTED" => Key::EVERY,
        "NEW" | "RECENT" => Key::NONE,
        "ANSWERED" => Key::Flags(Flags::ANSWERED),
        "DELETED" => Key::Flags(Flags::DELETED),
        "DRAFT" => Key::Flags(Flags::DRAFT),
        "FLAGGED" => Key::Flags(Flags::FLAGGED),
        "SEEN" => Key::Flags(Flags::SEEN),
        "UNANSWERED" => not(Key::Flags(Flags::ANSWERED)),
        "UNDELETED" => not(Key::Flags(Flags::DELETED)),
        "UNDRAFT" => not(Key::Flags(Flags::DRAFT)),
        "UNFLAGGED" => not(Key::Flags(Flags::FLAGGED)),
        "UNSEEN" => not(Key::Flags(Flags::SEEN)),
        _ => return None,
    })
}

const UNKNOWN: Bad = Bad("there is no such search key");
const INCOMPLETE: Bad = Bad("no such search key, or its argument is missing");
/// Keys of one command.
const MOST_KEYS: usize = 2_000;
/// Keys inside each other.
const DEEPEST: usize = 50;
/// Texts that are looked for in all of a message.
const MOST_IN_MESSAGES: usize = 100;
/// Octets of a text, as the client sends it.
const LONGEST_TEXT: usize = 4_096;
