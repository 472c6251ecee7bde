//! A table of keys and values, read as makemap(8) reads it (behaviour.md §10.1).

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;

use super::Remarks;
use super::lines::{key_and_value, lines};
use super::shown;

/// Keys, whatever their case, with a value each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    entries: Vec<Entry>,
    /// Places in `entries`.
    by_key: HashMap<String, usize>,
}

/// One line that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The line, counted from 1.
    pub line: usize,
    /// Lower case.
    pub key: String,
    /// As written, to the end of the line.
    pub value: String,
}

impl Table {
    /// Reads a table (see [`super::text`]). What can be understood holds, and the rest is remarked on; of two lines for one key the first
    /// holds.
    pub fn parse(text: &str) -> (Table, Remarks) {
        let (mut table, mut remarks) = (Table::default(), Remarks::default());
        for (line, text) in lines(text, &mut remarks) {
            table.read(line, text, &mut remarks);
        }
        (table, remarks)
    }

    fn read(&mut self, line: usize, text: &str, remarks: &mut Remarks) {
        let (key, value) = key_and_value(text);
        if key.is_empty() {
            return remarks.note_wrong(line, "syntax error (leading space)", "remove the blank before the key");
        }
        if value.is_empty() {
            return remarks.note_wrong(line, format!("no RHS for LHS {}", shown(key)), "write what it stands for, or remove the line");
        }
        let folded = key.to_lowercase();
        match self.by_key.entry(folded.clone()) {
            Place::Occupied(other) => {
                let what = format!("key {}: duplicate key, line {} holds", shown(key), self.entries[*other.get()].line);
                remarks.note_wrong(line, what, "remove one of the two lines");
            }
            Place::Vacant(place) => {
                place.insert(self.entries.len());
                self.entries.push(Entry { line, key: folded, value: value.to_owned() });
            }
        }
    }

    /// The entry of a key. Quotes do not count, as in sendmail's maps.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let key = key.replace('"', "").to_lowercase();
        self.by_key.get(&key).map(|&at| &self.entries[at])
    }

    /// All entries, in the file's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Entry {
    /// The value with its arguments: `%0` is the key that was looked up, `%1` to `%9` the rest, an argument that is not there is empty, and
    /// `%%` is a percent sign (makemap(8)). At most 4 KiB and one argument of it: no address is as long.
    pub fn filled(&self, arguments: &[&str]) -> String {
        let mut filled = String::with_capacity(self.value.len());
        let mut letters = self.value.chars();
        while let Some(letter) = letters.next() {
            if filled.len() > MAX_FILLED {
                break;
            }
            if letter != '%' {
                filled.push(letter);
                continue;
            }
            match letters.next() {
                Some(digit @ '0'..='9') => filled.push_str(arguments.get(digit as usize - '0' as usize).unwrap_or(&"")),
                Some('%') | None => filled.push('%'),
                Some(other) => filled.extend(['%', other]),
            }
        }
        filled
    }
}

const MAX_FILLED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn remarks(text: &str) -> Vec<String> {
        Table::parse(text).1.iter().map(|remark| format!("{}: {}", remark.line, remark.what)).collect()
    }

    #[test]
    fn trap_66_lines_are_read_as_makemap_reads_them() {
        let text = "# comment\n\njoe@x.org\tone two \n #no\n lead x\nonly@x.org\nJOE@X.ORG other\nd@x.org: colon\nv@x.org a # b\n";
        let (table, _) = Table::parse(text);
        assert_eq!(table.get("Joe@x.Org").map(|entry| (entry.line, entry.value.as_str())), Some((3, "one two ")));
        assert!(table.get("d@x.org").is_none() && table.get("d@x.org:").is_some());
        assert_eq!(table.get("v@x.org").unwrap().value, "a # b");
        assert_eq!(
            remarks(text),
            [
                "4: syntax error (leading space)",
                "5: syntax error (leading space)",
                "6: no RHS for LHS only@x.org",
                "7: key JOE@X.ORG: duplicate key, line 3 holds"
            ]
        );
    }

    #[test]
    fn trap_58_the_cr_of_cr_lf_is_no_part_of_a_value() {
        let (table, remarks) = Table::parse("a@x.org b\r\nc@x.org d\r\n");
        assert_eq!(table.get("a@x.org").unwrap().value, "b");
        assert_eq!((remarks.wrong(), remarks.odd()), (0, 1));
    }

    #[test]
    fn arguments_stand_where_the_value_wants_them() {
        let filled = |value: &str, arguments: &[&str]| Entry { line: 1, key: String::new(), value: value.into() }.filled(arguments);
        assert_eq!(filled("%1+%2%3@%0", &["k", "a", "b", "+b"]), "a+b+b@k");
        assert_eq!(filled("%4x%%1%q%", &["k"]), "x%1%q%");
    }
}
