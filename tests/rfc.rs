//! `contrib/rfc.md` and what is cited: every RFC that is cited is in the table, and what the table says is done is cited where it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Numbers of all RFCs that the text cites as `RFC 1939`.
fn cited(text: &str) -> BTreeSet<u32> {
    let number = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    text.split("RFC ").skip(1).filter_map(number).collect()
}

/// Each RFC of the table, and whether it is done: Yes, Partial or No.
fn table(text: &str) -> BTreeMap<u32, String> {
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let &["", number, title, done, what, ""] = &cells[..] else { panic!("no row of four cells: {line}") };
        assert!(["Yes", "Partial", "No"].contains(&done), "{line}");
        assert!(!title.is_empty() && !what.is_empty(), "{line}");
        assert!(rows.insert(number.parse().unwrap(), done.to_owned()).is_none(), "twice: {line}");
    }
    rows
}

fn gather(path: &Path, found: &mut BTreeSet<u32>) {
    if path.is_dir() {
        if !["target", "corpus"].iter().any(|skipped| path.ends_with(skipped)) {
            fs::read_dir(path).unwrap().for_each(|entry| gather(&entry.unwrap().path(), found));
        }
    } else if let Ok(text) = fs::read_to_string(path)
        && !path.ends_with("tests/rfc.rs")
    {
        found.extend(cited(&text));
    }
}

fn cited_below(places: &[&str]) -> BTreeSet<u32> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    places.iter().for_each(|place| gather(&top.join(place), &mut found));
    found
}

#[test]
fn every_rfc_that_is_cited_is_in_the_table() {
    let table = table(include_str!("../contrib/rfc.md"));
    let cited = cited_below(&["src", "tests", "contrib", "xinetd", "README.md"]);
    let missing: Vec<_> = cited.iter().filter(|number| !table.contains_key(number)).collect();
    assert!(missing.is_empty(), "cited, and not in contrib/rfc.md: {missing:?}");
}

#[test]
fn what_is_done_is_cited_where_it_is_done() {
    let cited = cited_below(&["src"]);
    let table = table(include_str!("../contrib/rfc.md"));
    let uncited: Vec<_> = table.iter().filter(|(number, done)| *done != "No" && !cited.contains(number)).collect();
    assert!(uncited.is_empty(), "in contrib/rfc.md, and cited nowhere in src: {uncited:?}");
}

#[test]
fn citations_and_rows_are_read() {
    assert_eq!(cited("RFC 1939 §5, (RFC 5034), RFC's, RFC x"), BTreeSet::from([1939, 5034]));
    let text = "| RFC | Title | Done | What |\n|---|---|---|---|\n| 1939 | POP3 | Yes | here |\n";
    assert_eq!(table(text), BTreeMap::from([(1939, "Yes".to_owned())]));
}
