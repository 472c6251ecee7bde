//! Which folders a client has subscribed to: Dovecot's `subscriptions`, and what Courier left in `courierimapsubscribed`.

use crate::store::FolderName;
use crate::store::name::disk::{Encoding, Layout, Naming, verbatim};

/// `subscriptions` in the folder of INBOX. Dovecot 2.3 begins it with `V<TAB>2` and a blank line; then a folder stands on each line,
/// a TAB between the parts, each [as in file names](Encoding). Before there was no header, and the parts had the layout's separator
/// between them. Names are without the namespace's prefix. It is written anew as a whole under the dotlock `subscriptions.lock`.
///
/// Folders need not exist. Lines that we don't understand stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriptions {
    naming: Naming,
    /// As in version 2, in the order of the file.
    lines: Vec<Vec<u8>>,
}

impl Subscriptions {
    /// None yet.
    pub fn new(naming: Naming) -> Subscriptions {
        Subscriptions { naming, lines: Vec::new() }
    }

    /// Reads Dovecot's file in either version, no more of it than [`LARGEST`] octets.
    pub fn parse(file: &[u8], naming: Naming) -> Subscriptions {
        let file = &file[..file.len().min(LARGEST)];
        let mut read = Subscriptions::new(naming);
        let separator = match naming.layout {
            Layout::Maildir => b'.',
            Layout::Mbox => b'/',
        };
        match file.strip_prefix(HEADER) {
            Some(lines) => read.add_lines(lines, |line| Some(line.to_vec())),
            None => read.add_lines(file, |line| Some(parts_by_tab(line, separator))),
        }
        read
    }

    /// Reads Courier's file: a folder on each line, `INBOX.Lists.Rust`. Shared folders (`#shared.`) are not ours.
    pub fn parse_courier(file: &[u8], naming: Naming) -> Subscriptions {
        let mut read = Subscriptions::new(naming);
        read.add_lines(&file[..file.len().min(LARGEST)], |line| match line.split_at_checked(5) {
            Some((inbox, [])) if inbox.eq_ignore_ascii_case(b"INBOX") => Some(b"INBOX".to_vec()),
            Some((inbox, [b'.', name @ ..])) if !name.is_empty() && inbox.eq_ignore_ascii_case(b"INBOX") => Some(parts_by_tab(name, b'.')),
            _ => None,
        });
        read
    }

    fn add_lines(&mut self, lines: &[u8], line: impl Fn(&[u8]) -> Option<Vec<u8>>) {
        let fit = |line: &&[u8]| (1..=LONGEST).contains(&line.len());
        self.lines.extend(lines.split(|&octet| octet == b'\n').filter(fit).filter_map(line));
    }

    /// All names, in the order of the file; what does not decode as its octets say, just as [`Naming::listing`] has it.
    pub fn names(&self) -> impl Iterator<Item = FolderName> {
        self.lines.iter().filter_map(|line| name(line, self.naming.encoding))
    }

    /// Whether the folder is among them. Walks through all.
    pub fn contains(&self, folder: &FolderName) -> bool {
        self.names().any(|name| name == *folder)
    }

    /// Subscribes. `false` if it was there already.
    pub fn add(&mut self, folder: &FolderName) -> bool {
        let new = !self.contains(folder);
        if new {
            let parts: Vec<String> = folder.parts().map(|part| self.naming.encoding.encode(part).into_owned()).collect();
            self.lines.push(parts.join("\t").into_bytes());
        }
        new
    }

    /// Unsubscribes. `false` if it was not there.
    pub fn remove(&mut self, folder: &FolderName) -> bool {
        let before = self.lines.len();
        let encoding = self.naming.encoding;
        self.lines.retain(|line| name(line, encoding).as_ref() != Some(folder));
        self.lines.len() < before
    }

    /// The file's text as Dovecot 2.3 has it.
    pub fn write(&self) -> Vec<u8> {
        let lines = self.lines.iter().flat_map(|line| [line.as_slice(), b"\n"]);
        [HEADER].into_iter().chain(lines).flatten().copied().collect()
    }
}

/// Dovecot escapes control characters with an octet 1; no name has any, so such a line does not decode.
fn name(line: &[u8], encoding: Encoding) -> Option<FolderName> {
    let parts = || line.split(|&octet| octet == b'\t');
    let decoded: Option<Vec<String>> = parts().map(|part| encoding.decode(part)).collect();
    let name = decoded.and_then(|parts| FolderName::of(parts.iter().map(String::as_str)).ok());
    name.or_else(|| verbatim(parts().take(32)))
}

fn parts_by_tab(name: &[u8], separator: u8) -> Vec<u8> {
    name.iter().map(|&octet| if octet == separator { b'\t' } else { octet }).collect()
}

const HEADER: &[u8] = b"V\t2\n\n";
/// Octets of a file that are read.
pub const LARGEST: usize = 16 << 20;
/// Octets of a line; longer ones name nothing.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const MAILDIR: Naming = Naming { layout: Layout::Maildir, encoding: Encoding::Utf7 };
    /// As Dovecot 2.3.19 wrote it.
    const SAMPLE: &[u8] = b"V\t2\n\nEntw&APw-rfe\tR&-D\nINBOX\n";

    fn names(read: &Subscriptions) -> Vec<String> {
        read.names().map(|name| name.display('/').to_string()).collect()
    }

    fn folder(text: &str) -> FolderName {
        FolderName::parse(text, '/').unwrap()
    }

    #[test]
    fn every_version_says_the_same() {
        for read in [
            Subscriptions::parse(SAMPLE, MAILDIR),
            Subscriptions::parse(b"Entw&APw-rfe.R&-D\nINBOX\n", MAILDIR),
            Subscriptions::parse(b"Entw&APw-rfe/R&-D\nINBOX", Naming { layout: Layout::Mbox, ..MAILDIR }),
            Subscriptions::parse_courier(b"INBOX.Entw&APw-rfe.R&-D\n#shared.x\nInbox\n\nINBOXES\nINBOX.\n", MAILDIR),
        ] {
            assert_eq!(names(&read), ["Entwürfe/R&D", "INBOX"]);
            assert_eq!(read.write(), SAMPLE);
        }
    }

    #[test]
    fn folders_come_and_go() {
        let mut read = Subscriptions::parse(SAMPLE, MAILDIR);
        assert!(read.add(&folder("a.b/ü")) && !read.add(&folder("a.b/ü")) && !read.add(&folder("inbox")));
        assert!(read.remove(&folder("Entwürfe/R&D")) && !read.remove(&folder("Entwürfe/R&D")));
        assert_eq!(read.write(), b"V\t2\n\nINBOX\na.b\t&APw-\n");
    }

    #[test]
    fn lines_that_we_do_not_understand_stay() {
        let file = b"V\t2\n\nR&D\n\x011x\n\xff\ta\n\t\n";
        let read = Subscriptions::parse(file, MAILDIR);
        assert_eq!(names(&read), ["R&D", "\u{fffd}1x", "\u{fffd}/a", "\u{fffd}/\u{fffd}"]);
        assert_eq!(read.write(), file);
    }
}
