//! Looking for texts in a message while it is read.

use super::Criteria;
use super::sought::{Place, Sought};
use crate::message::{Extent, Part, Reading, Said, casemap_lines};
use crate::store::{Folder, Reader, Trouble};

/// What is at hand while messages are read one after the other; it serves again.
#[derive(Default)]
pub struct Ear {
    buffer: Vec<u8>,
    reading: Reading,
    /// The last message: as long as it is there, the next one is found faster.
    last: Option<Reader>,
    /// The text that may still have the beginning of what is looked for at its end.
    window: Vec<u8>,
    line: Vec<u8>,
    /// Octets read since others could do something, each as often as it was looked at.
    work: usize,
}

/// Which texts are in a message, as far as it was read.
struct Heard<'e> {
    sought: &'e [Sought],
    found: Vec<Option<bool>>,
    /// Something was found since it was last asked.
    is_news: bool,
    window: &'e mut Vec<u8>,
    line: &'e mut Vec<u8>,
}

impl Ear {
    /// Reads message `uid`, which has these parts, until `decide` can tell whether it is one of those that are searched for; `found` says
    /// what is known of each text before. A message that is gone is none.
    pub async fn listen(
        &mut self,
        folder: &mut impl Folder,
        uid: u32,
        parts: &[Part],
        criteria: &Criteria,
        found: Vec<Option<bool>>,
        decide: &(dyn Fn(&[Option<bool>]) -> Option<bool> + Sync),
    ) -> Result<bool, Trouble> {
        let mut reader = match folder.read(uid).await {
            Err(Trouble::Gone(_)) => return Ok(false),
            reader => reader?,
        };
        self.buffer.resize(AT_ONCE, 0);
        self.window.clear();
        let reading = &mut self.reading;
        reading.begin(parts, extent(&criteria.sought, &found));
        let mut heard = Heard { sought: &criteria.sought, found, is_news: false, window: &mut self.window, line: &mut self.line };
        while !reading.is_done() {
            // What comes behind the last text may be long.
            let most = usize::try_from(reading.left()).unwrap_or(AT_ONCE).clamp(Reader::LEAST, AT_ONCE);
            let some = reader.fill(&mut self.buffer[..most]).await?;
            if some == 0 {
                break;
            }
            reading.feed(&self.buffer[..some], &mut |said| heard.hear(said));
            if std::mem::take(&mut heard.is_news)
                && let Some(verdict) = decide(&heard.found)
            {
                return self.verified(reader, verdict).await;
            }
            self.work += some * (1 + criteria.sought.len());
            if self.work > A_WHILE {
                self.work = 0;
                tokio::task::yield_now().await;
            }
        }
        reading.finish(&mut |said| heard.hear(said));
        heard.found.iter_mut().for_each(|found| _ = found.get_or_insert(false));
        let verdict = decide(&heard.found).unwrap_or(false);
        self.verified(reader, verdict).await
    }

    /// What was read must have been that message.
    async fn verified(&mut self, mut reader: Reader, verdict: bool) -> Result<bool, Trouble> {
        let verified = reader.verify().await;
        self.last = Some(reader);
        verified.map(|()| verdict)
    }
}

/// How much has to be read.
fn extent(sought: &[Sought], found: &[Option<bool>]) -> Extent {
    let open = std::iter::zip(sought, found).filter(|(_, found)| found.is_none());
    let is_in_header = |sought: &Sought| matches!(sought.place, Place::Field(_));
    if open.map(|(sought, _)| sought).all(is_in_header) { Extent::Header } else { Extent::All }
}

impl Heard<'_> {
    fn hear(&mut self, said: Said<'_>) {
        match said {
            Said::Field(name, value) => self.field(name, value),
            Said::InnerField(name, value) => {
                self.write_line(name, value);
                self.search(|place| !matches!(place, Place::Field(_)), Where::Line);
            }
            Said::Text(text) => self.text(text),
            Said::End => self.window.clear(),
        }
    }

    fn field(&mut self, name: &[u8], value: &str) {
        self.write_line(name, value);
        self.search(|place| *place == Place::Text, Where::Line);
        let is_meant = |place: &Place| matches!(place, Place::Field(meant) if name.eq_ignore_ascii_case(meant.as_bytes()));
        if self.sought.iter().any(|sought| is_meant(&sought.place)) {
            self.line.clear();
            casemap_lines(value, self.line);
            self.search(is_meant, Where::Line);
        }
    }

    fn write_line(&mut self, name: &[u8], value: &str) {
        self.line.clear();
        casemap_lines(&String::from_utf8_lossy(name), self.line);
        self.line.extend_from_slice(b": ");
        casemap_lines(value, self.line);
    }

    /// What is found may have begun in the piece before.
    fn text(&mut self, text: &str) {
        casemap_lines(text, self.window);
        self.search(|place| !matches!(place, Place::Field(_)), Where::Window);
        let longest = self.sought.iter().map(Sought::len).max().unwrap_or(0);
        let useless = self.window.len().saturating_sub(longest.saturating_sub(1));
        self.window.drain(..useless);
    }

    fn search(&mut self, is_meant: impl Fn(&Place) -> bool, place: Where) {
        let folded: &[u8] = if place == Where::Line { self.line } else { self.window };
        for (sought, found) in std::iter::zip(self.sought, &mut self.found) {
            if found.is_none() && is_meant(&sought.place) && sought.is_in(folded) {
                *found = Some(true);
                self.is_news = true;
            }
        }
    }
}

/// Which of the folded texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Line,
    Window,
}

/// Octets that are read at once.
const AT_ONCE: usize = 64 << 10;
/// Octets after which others may do something.
const A_WHILE: usize = 2 << 20;
