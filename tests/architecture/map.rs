//! The map, `room : rooms it uses  # what it is`, and which rooms a source uses.

use super::words::Word;

/// The rooms in the order of their lines, each with the rooms that it may use.
pub struct Map(Vec<(String, Vec<String>)>);

impl Map {
    /// Reads the map in the head of `src/lib.rs`.
    pub fn read(head: &str) -> Result<Map, String> {
        let (_, map) = head.split_once("```text rooms\n").ok_or("src/lib.rs has no map of rooms")?;
        let (map, _) = map.split_once("```").ok_or("the map of rooms has no end")?;
        let lines = map.lines().map(|line| line.trim_start_matches("//!").trim()).filter(|line| !line.is_empty());
        let room = |line: &str| {
            let (room, uses) = line.split_once(':').ok_or_else(|| format!("the map's line {line:?} is none"))?;
            let uses = uses.split('#').next().unwrap_or_default();
            Ok((room.trim().to_owned(), uses.split_whitespace().map(str::to_owned).collect()))
        };
        lines.map(room).collect::<Result<_, String>>().map(Map)
    }

    /// All rooms.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(room, _)| room.as_str())
    }

    /// Whether the line of `room` names `used`.
    pub fn allows(&self, room: &str, used: &str) -> bool {
        self.0.iter().any(|(name, uses)| name == room && uses.iter().any(|name| name == used))
    }

    /// A line names only rooms above it, so that there are no circles.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, (room, uses)) in self.0.iter().enumerate() {
            let above = &self.0[..at];
            let below = uses.iter().filter(|used| !above.iter().any(|(room, _)| room == *used));
            faults.extend(below.map(|used| format!("the map's line of {room} names {used}, which is not above it")));
        }
        faults
    }
}

/// The names that a source takes from the top of the crate, through `crate::` or so many `super::` that they leave its room. `depth` is how many
/// modules deep the source is.
pub fn uses(depth: usize, words: &[Word<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    let mut braces = 0;
    // The depths of braces at which modules inside this file were opened.
    let mut inner: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        match words[at..] {
            [Word::Name("mod"), Word::Name(_), Word::Mark('{'), ..] => inner.push(braces),
            [Word::Mark('{'), ..] => braces += 1,
            [Word::Mark('}'), ..] => {
                braces -= 1;
                inner.pop_if(|opened| *opened == braces);
            }
            [Word::Name("crate"), Word::PathMark, ..] => found.extend(heads(&words[at + 2..])),
            [Word::Name("super"), Word::PathMark, ..] => {
                let ups = words[at..].chunks(2).take_while(|pair| **pair == [Word::Name("super"), Word::PathMark]).count();
                if ups >= depth + inner.len() {
                    found.extend(heads(&words[at + 2 * ups..]));
                }
                // The last pair is passed below.
                at += 2 * ups - 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The first names of the path, or of all paths in the braces, that begins here.
fn heads(words: &[Word<'_>]) -> Vec<String> {
    match words.first() {
        Some(Word::Name(name)) => vec![(*name).to_owned()],
        Some(Word::Mark('*')) => vec!["*".to_owned()],
        Some(Word::Mark('{')) => heads_in_braces(&words[1..]),
        _ => Vec::new(),
    }
}

fn heads_in_braces(words: &[Word<'_>]) -> Vec<String> {
    let (mut found, mut depth, mut is_head) = (Vec::new(), 1, true);
    for word in words {
        match word {
            Word::Mark('{') => depth += 1,
            Word::Mark('}') => depth -= 1,
            Word::Mark(',') if depth == 1 => is_head = true,
            Word::Name(_) | Word::Mark('*') if is_head => {
                found.extend(heads(&[*word]));
                is_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}
