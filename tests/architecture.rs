//! The map of rooms in the head of `src/lib.rs`, and the code held to it.

mod map;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use map::Map;
use words::{Word, words};

#[test]
fn every_room_uses_only_what_the_map_allows() {
    assert_eq!(House::of_this_package().faults(), Vec::<String>::new());
}

/// All sources of a package: their paths from its top, and their texts.
struct House {
    files: Vec<(PathBuf, String)>,
}

impl House {
    fn of_this_package() -> House {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        ["src", "tests", "contrib"].iter().for_each(|folder| gather(top, Path::new(folder), &mut files));
        House { files }
    }

    fn faults(&self) -> Vec<String> {
        let head = self.files.iter().find(|(path, _)| path == Path::new("src/lib.rs")).map_or("", |(_, text)| text);
        let map = match Map::read(head) {
            Ok(map) => map,
            Err(fault) => return vec![fault],
        };
        let mut faults = map.faults();
        faults.extend(self.unlisted(&map));
        for (path, text) in &self.files {
            let words = words(text);
            faults.extend(manners(path, text, &words).into_iter().map(|fault| format!("{}: {fault}", path.display())));
            if let Some(room) = room_of(path) {
                faults.extend(uses(path, &words, room, &map).into_iter().map(|fault| format!("{}: {fault}", path.display())));
            }
        }
        faults
    }

    /// The rooms of the tree and those of the map are the same.
    fn unlisted(&self, map: &Map) -> Vec<String> {
        let built: BTreeSet<&str> = self.files.iter().filter_map(|(path, _)| room_of(path)).collect();
        let drawn: BTreeSet<&str> = map.rooms().collect();
        let no_line = built.difference(&drawn).map(|room| format!("room {room} is not in the map"));
        let no_room = drawn.difference(&built).map(|room| format!("the map's room {room} is not in src"));
        no_line.chain(no_room).collect()
    }
}

fn gather(top: &Path, folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(top.join(folder)).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() != "target" => gather(top, &path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => {
                files.push((path.clone(), fs::read_to_string(top.join(&path)).unwrap()));
            }
            _ => {}
        }
    }
    files.sort();
}

/// The room that a source belongs to; the crate's head and the programs belong to none.
fn room_of(path: &Path) -> Option<&str> {
    let inside = path.strip_prefix("src").ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "bin"].contains(&room)).then_some(room)
}

/// What a source of `room` uses that its line does not name.
fn uses(path: &Path, words: &[Word<'_>], room: &str, map: &Map) -> Vec<String> {
    let mut faults = Vec::new();
    for used in map::uses(module_depth(path), words) {
        let is_room = map.rooms().any(|known| known == used);
        match used.as_str() {
            "*" => faults.push("takes everything of the crate: name the rooms".to_owned()),
            used if is_room && used != room && !map.allows(room, used) => faults.push(format!("room {room} uses {used}")),
            _ => {}
        }
    }
    faults
}

/// How many modules deep the items of this file are: 1 for `src/room.rs`.
fn module_depth(path: &Path) -> usize {
    path.components().count() - 1
}

/// What holds for every source.
fn manners(path: &Path, text: &str, words: &[Word<'_>]) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push("does not open with //!".to_owned());
    }
    let shapeless = ["util", "utils", "common", "helper", "helpers", "misc"];
    if path.components().any(|part| part.as_os_str().to_str().is_some_and(|part| shapeless.contains(&part.trim_end_matches(".rs")))) {
        faults.push("has a name that says nothing".to_owned());
    }
    let is_unsafe = |word: &Word<'_>| matches!(word, Word::Name("unsafe" | "unsafe_code"));
    // Tests are crates of their own, and make machines of their own.
    let may = path.starts_with("src/os") || path.starts_with("tests") || path == Path::new("src/lib.rs");
    if !may && words.iter().any(is_unsafe) {
        faults.push("is unsafe outside src/os".to_owned());
    }
    if path.starts_with("src/bin") && lines_of_main(text) > 2 {
        faults.push("has a main of more than two lines".to_owned());
    }
    faults
}

fn lines_of_main(text: &str) -> usize {
    let body = text.split_once("fn main()").and_then(|(_, rest)| rest.split_once('{')).map_or("", |(_, body)| body);
    body.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "}").count()
}

fn made_up(map: &str, files: &[(&str, &str)]) -> Vec<String> {
    let head = format!("//! Made up.\n//! ```text rooms\n{map}//! ```\n");
    let mut all = vec![(PathBuf::from("src/lib.rs"), head)];
    all.extend(files.iter().map(|(path, text)| (PathBuf::from(path), format!("//! Made up.\n{text}"))));
    House { files: all }.faults()
}

const TWO_ROOMS: &str = "//! low  :   # below\n//! high : low\n";

#[test]
fn a_tree_in_order_has_no_faults() {
    let low = "use crate::low::part;\n// use crate::high;\nconst TEXT: &str = \"crate::high\";\n#[cfg(test)]\nmod tests { use super::super::low; }\n";
    let high = "use crate::{VERSION, low::{self, part}};\nfn f() { crate::low::g::<'_', 'a'>() }\n";
    assert_eq!(made_up(TWO_ROOMS, &[("src/low.rs", low), ("src/low/part.rs", ""), ("src/high.rs", high)]), Vec::<String>::new());
}

#[test]
fn an_upward_use_is_found_in_every_spelling() {
    for text in [
        "use crate::high;",
        "use crate::high::Thing as Other;",
        "use crate::{VERSION, low::part, high::{Thing, Other}};",
        "fn f() -> crate :: high :: Thing { }",
        "use super::high;",
        "use super::{low, high};",
        "#[cfg(test)]\nmod tests { mod deep { use super::super::super::high; } }",
        "#[cfg(test)]\nmod tests { fn f() { crate::high::g() } }",
        "macro_rules! m { () => { $crate::high::g() } }",
    ] {
        assert_eq!(made_up(TWO_ROOMS, &[("src/low.rs", text), ("src/high.rs", "")]), ["src/low.rs: room low uses high"], "{text}");
    }
    let deeper = [("src/low/part.rs", "use super::super::high::Thing;"), ("src/low.rs", ""), ("src/high.rs", "")];
    assert_eq!(made_up(TWO_ROOMS, &deeper), ["src/low/part.rs: room low uses high"]);
    let everything = [("src/low.rs", "use crate::*;"), ("src/high.rs", "")];
    assert_eq!(made_up(TWO_ROOMS, &everything), ["src/low.rs: takes everything of the crate: name the rooms"]);
}

#[test]
fn a_circle_is_found() {
    let circle = "//! low  : high\n//! high : low\n";
    let files = [("src/low.rs", "use crate::high;"), ("src/high.rs", "use crate::low;")];
    assert_eq!(made_up(circle, &files), ["the map's line of low names high, which is not above it"]);
}

#[test]
fn a_room_without_a_line_and_a_line_without_a_room_are_found() {
    let faults = made_up(TWO_ROOMS, &[("src/low.rs", ""), ("src/attic/box.rs", "")]);
    assert_eq!(faults, ["room attic is not in the map", "the map's room high is not in src"]);
}

#[test]
fn bad_manners_are_found() {
    let faults = made_up(
        TWO_ROOMS,
        &[
            ("src/low.rs", "fn f() { unsafe { g() } }"),
            ("src/high/utils.rs", ""),
            ("src/high.rs", ""),
            ("src/bin/x.rs", "fn main() {\n a();\n b();\n c();\n}\n"),
        ],
    );
    assert_eq!(
        faults,
        [
            "src/low.rs: is unsafe outside src/os",
            "src/high/utils.rs: has a name that says nothing",
            "src/bin/x.rs: has a main of more than two lines"
        ]
    );
}
