//! The tables of behaviour.md §10.2 and §11, and what a stranger may write.

use super::*;
use proptest::prelude::*;

fn targets(value: &str) -> Vec<Target> {
    let (aliases, flaws) = parse(format!("x: {value}\n").as_bytes());
    assert_eq!(flaws, [], "{value}");
    aliases.get("x").unwrap().targets.clone()
}

/// The flaw of a file that has one, and the names that hold nevertheless.
fn flawed(text: &str) -> (usize, String, Vec<String>) {
    let (aliases, flaws) = parse(text.as_bytes());
    let [flaw] = &flaws[..] else { panic!("{text:?}: {flaws:?}") };
    (flaw.line, flaw.what.clone(), aliases.iter().map(|(name, _)| name.to_owned()).collect())
}

fn name(text: &str) -> Target {
    Target::Name(text.into())
}

fn address(text: &str) -> Target {
    Target::Address(text.into())
}

#[test]
fn a_list_is_separated_by_commas_and_spare_commas_are_fine() {
    assert_eq!(targets("root,,bin,"), [name("root"), name("bin")]);
    assert_eq!(targets(" a , B@X.Org,c"), [name("a"), address("B@x.org"), name("c")]);
}

#[test]
fn names_fold_case_and_remote_local_parts_do_not() {
    assert_eq!(targets("Joe, \\Ann, A@Example.ORG"), [name("joe"), Target::User("ann".into()), address("A@example.org")]);
    let (aliases, _) = parse(b"Sales : joe\n");
    assert!(aliases.get("sALES").is_some() && aliases.len() == 1);
}

#[test]
fn comments_and_full_names_go() {
    assert_eq!(targets("a@x.org (in, the (old) office)"), [address("a@x.org")]);
    assert_eq!(targets("Full Name <b@x.org>, \"Name, Full\" <c@x.org>"), [address("b@x.org"), address("c@x.org")]);
    assert_eq!(targets("joe (comment)"), [name("joe")]);
}

#[test]
fn quoted_local_parts_hold_blanks() {
    assert_eq!(targets("\"with Space\", \"a, b\"@x.org"), [name("with space"), address("\"a, b\"@x.org")]);
    let (aliases, flaws) = parse(b"\"with: Space\": root\n");
    assert_eq!(flaws, []);
    assert!(aliases.get("with: space").is_some());
}

#[test]
fn programs_may_be_quoted_with_the_bar_or_behind_it() {
    let program = |text: &str| [Target::Program(text.into())];
    assert_eq!(targets("\"|/bin/cmd a, b\""), program("/bin/cmd a, b"));
    assert_eq!(targets("|\"/bin/cmd a, b\""), program("/bin/cmd a, b"));
    assert_eq!(targets("\"|/bin/cmd \\\"a b\\\" c\""), program("/bin/cmd \"a b\" c"));
    assert_eq!(targets("|/bin/cmd"), program("/bin/cmd"));
}

#[test]
fn files_includes_and_users() {
    assert_eq!(targets("/dev/null, \"/a b\""), [Target::File("/dev/null".into()), Target::File("/a b".into())]);
    for text in [":include:/etc/list", ":include: /etc/list", ":Include:/etc/list", "\":include:/etc/list\""] {
        assert_eq!(targets(text), [Target::Include("/etc/list".into())], "{text}");
    }
    // Of vacation(1)'s manual.
    assert_eq!(targets("\\joe, \"|/usr/bin/vacation joe\"")[0], Target::User("joe".into()));
    assert_eq!(targets("\"\\joe\"")[0], Target::User("joe".into()));
}

#[test]
fn what_cannot_be_understood_is_told_and_keeps_its_place() {
    for (value, what) in [
        ("|/bin/cat -n", "a command with arguments has to be quoted"),
        ("a@x.org b@x.org", "blanks do not separate targets"),
        ("a b", "blanks do not separate targets"),
        ("a@b@x.org", "blanks do not separate targets"),
        ("a;b", "no name and no address"),
        ("/a b", "a path with blanks has to be quoted"),
        (":include:rel", "an :include: path has to begin with /"),
        ("\":include: /f\"", "an :include: path has to begin with /"),
        ("error:nouser no such user", "error: is of virtusertable"),
        ("\"open", "unbalanced quotes"),
        ("joe (open", "unbalanced parentheses"),
        ("Joe <joe", "unbalanced angle brackets"),
        ("<|cmd>", "no name and no address"),
        ("</etc/passwd>", "no name and no address"),
        ("\\ ", "a backslash goes before a user"),
        ("\\joe@x.org", "a backslash goes before a user"),
        ("\"\\|cmd\"", "a backslash goes before a user"),
        ("\"joe@x.org\"", "quotes make one local name"),
        ("joe@", "invalid address"),
        ("@x.org", "invalid address"),
        ("joe@a..b", "invalid address"),
        ("|", "a bar without a command"),
        ("\"|  \"", "a bar without a command"),
        ("\"\"", "an empty name"),
        ("a\0b", "no name and no address"),
        ("\"|cmd \0\"", "control or 8-bit characters"),
        ("/a\u{1b}[2J", "control or 8-bit characters"),
    ] {
        let (aliases, flaws) = parse(format!("x: {value}\ny: joe\n").as_bytes());
        assert_eq!(flaws.len(), 1, "{value:?}: {flaws:?}");
        assert!(flaws[0].what.contains(what), "{value:?}: {}", flaws[0].what);
        assert!(matches!(aliases.get("x").unwrap().targets[..], [Target::Broken(_)]), "{value:?}");
        assert_eq!(aliases.get("y").unwrap().targets, [name("joe")]);
    }
}

#[test]
fn a_broken_target_does_not_spoil_its_neighbours() {
    let (aliases, flaws) = parse(b"x: joe, :include:rel, ann\n");
    assert_eq!(flaws.len(), 1);
    assert_eq!(aliases.get("x").unwrap().targets, [name("joe"), Target::Broken(":include:rel".into()), name("ann")]);
}

#[test]
fn bad_lines_are_told_as_newaliases_tells_them_and_the_others_hold() {
    for (line, what) in [
        ("no colon here", "missing colon"),
        ("bad:", "missing value for alias"),
        ("bad: , ,", "missing value for alias"),
        ("eric@dom: x", "cannot alias non-local names"),
        (":bad: x", "illegal alias name"),
        ("two words: x", "illegal alias name"),
        ("|bad: x", "illegal alias name"),
        ("\"\": x", "illegal alias name"),
        ("\"open: x", "missing colon"),
    ] {
        let (at, told, names) = flawed(&format!("one: a\n{line}\ntwo: b\n"));
        assert!(at == 2 && told.contains(what), "{line}: {told}");
        assert_eq!(names, ["one", "two"], "{line}");
    }
}

#[test]
fn letters_beyond_ascii_have_to_be_utf_8() {
    let (aliases, flaws) = parse("J\u{d6}RG: joe\n".as_bytes());
    assert!(flaws.is_empty() && aliases.get("jörg").is_some());
    let (aliases, flaws) = parse(b"j\xf6rg: joe\nann: joe (J\xf6rg)\n");
    assert_eq!(aliases.len(), 1, "a comment may be anything");
    assert!(flaws[0].what.contains("8-bit character in mailbox address"), "{flaws:?}");
}

#[test]
fn the_last_of_two_entries_holds_with_a_warning() {
    let (aliases, flaws) = parse(b"joe: a\nJOE: b\n");
    assert_eq!(aliases.get("joe").unwrap(), &Alias { line: 2, targets: vec![name("b")] });
    assert!(flaws[0].line == 2 && flaws[0].what.contains("duplicate alias name"), "{flaws:?}");
}

#[test]
fn lines_continue_by_a_blank_or_a_backslash() {
    let (aliases, flaws) = parse(b"x: a,\n\tb,\n  c\ny: d, \\\ne\nz: f\n");
    assert_eq!(flaws, []);
    assert_eq!(aliases.get("x").unwrap().targets, [name("a"), name("b"), name("c")]);
    assert_eq!(aliases.get("y").unwrap(), &Alias { line: 4, targets: vec![name("d"), name("e")] });
    assert_eq!(aliases.get("z").unwrap().line, 6);
}

#[test]
fn comments_are_comments_at_column_0_only() {
    let (aliases, flaws) = parse(b"# head\n\nx: a,\n # no comment\n");
    assert_eq!(aliases.get("x").unwrap().targets.len(), 2);
    assert_eq!(flaws.len(), 1, "`# no comment` is no target");
    let (line, what, names) = flawed("x: a\n# over\n b\ny: c\n");
    assert!(line == 3 && what.contains("starts with space"), "{what}");
    assert_eq!(names, ["x", "y"]);
}

#[test]
fn files_of_other_systems_are_read() {
    let (aliases, flaws) = parse(b"\xef\xbb\xbfx: a,\r\n b\r\n\r\n   \r\ny: /dev/null");
    assert_eq!(flaws, []);
    assert_eq!(aliases.get("x").unwrap().targets, [name("a"), name("b")]);
    assert_eq!(aliases.get("y").unwrap().targets, [Target::File("/dev/null".into())]);
}

#[test]
fn sizes_and_counts_have_limits() {
    let (aliases, flaws) = parse(format!("x: {}\ny: b\n", "a,".repeat(MAX_TARGETS + 5)).as_bytes());
    assert_eq!((aliases.get("x").unwrap().targets.len(), flaws.len(), aliases.len()), (MAX_TARGETS + 1, 1, 2));
    let (aliases, flaws) = parse(format!("a: b\n{}c: d\n", format!("# {}\n", "x".repeat(1021)).repeat(MAX_OCTETS / 1024)).as_bytes());
    assert_eq!((aliases.len(), flaws.len()), (1, 1));
    assert!(flaws[0].what.contains("16 MiB"));
    let (_, flaws) = parse("bad\n".repeat(MAX_FLAWS + 10).as_bytes());
    assert_eq!((flaws.len(), flaws[MAX_FLAWS].what.as_str()), (MAX_FLAWS + 1, "and more"));
    let many: String = (0..=MAX_NAMES).map(|number| format!("n{number}: x\n")).collect();
    let (aliases, flaws) = parse(many.as_bytes());
    assert_eq!((aliases.len(), flaws.len()), (MAX_NAMES, 1));
    let (_, flaws) = parse(format!("x: {}", "a".repeat(5000)).as_bytes());
    assert!(flaws[0].what.len() < 200, "a log line shows the head only");
}

#[test]
fn an_include_file_has_targets_on_each_line() {
    let text = b"# staff\n\na@x.org, Joe\r\n\\ann\n\"|/bin/cmd a\", /tmp/f\n:include:/other";
    let (found, flaws) = members(text);
    assert_eq!(flaws, []);
    let lines: Vec<_> = found.iter().map(|member| member.line).collect();
    assert_eq!(lines, [3, 3, 4, 5, 5, 6]);
    assert_eq!(found[1].target, name("joe"));
    assert_eq!(found[3].target, Target::Program("/bin/cmd a".into()));
}

#[test]
fn what_an_include_file_has_wrong_keeps_its_place() {
    let (found, flaws) = members(b"joe\n# a comment\n # none\nann # no comment\nbob\n");
    assert_eq!(flaws.iter().map(|flaw| flaw.line).collect::<Vec<_>>(), [3, 4]);
    assert!(matches!(&found[..], [joe, Member { line: 3, target: Target::Broken(_) }, Member { line: 4, target: Target::Broken(_) }, bob]
        if joe.target == name("joe") && bob.target == name("bob")));
    let (found, flaws) = members(format!("joe\n{}", "# comment\n".repeat(MAX_OCTETS / 10 + 1)).as_bytes());
    assert!(matches!(&found[1].target, Target::Broken(_)) && flaws.len() == 1, "what is cut off waits");
    let (found, flaws) = members("joe\n".repeat(MAX_NAMES + 2).as_bytes());
    assert_eq!((found.len(), flaws.len()), (MAX_NAMES + 1, 1));
}

/// What is written, read again.
fn again(aliases: &Aliases) -> Aliases {
    let (again, flaws) = parse(aliases.to_string().as_bytes());
    assert_eq!(flaws, [], "{aliases}");
    again
}

fn meaning(aliases: &Aliases) -> Vec<(String, Vec<Target>)> {
    aliases.iter().map(|(name, alias)| (name.to_owned(), alias.targets.clone())).collect()
}

#[test]
fn what_is_read_is_written_as_it_reads() {
    let text = "a: <\"\\\"x\">, <\"\\\\y\">, <|a@x.org>, \"a, b\"@x.org, \"|cmd \\\"a\\\"\", \"/a b\", \":include:/a,b\", \\joe\n\"#b\": \" c \"\n";
    let (aliases, flaws) = parse(text.as_bytes());
    assert_eq!(flaws, []);
    assert_eq!(aliases.get("a").unwrap().targets.len(), 8);
    assert_eq!(meaning(&again(&aliases)), meaning(&aliases));
}

proptest! {
    #[test]
    fn no_octets_stop_the_reader(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        parse(&text);
    }

    #[test]
    fn no_text_of_its_own_letters_stops_the_reader(text in "[ab:,|/\\\\\"()<>@# \t\r\n\u{e9}\0]{0,200}") {
        let (aliases, _) = parse(text.as_bytes());
        for (name, alias) in aliases.iter() {
            prop_assert!(!name.is_empty() && !alias.targets.is_empty());
            prop_assert_eq!(aliases.get(name), Some(alias));
        }
    }

    #[test]
    fn what_was_understood_reads_back(text in "([ab:]|: |[,|/\\\\\"()<>@# \t\u{e9}\u{130}]|@x.org|:include:/|\"\\|\n){0,60}") {
        let (mut aliases, _) = parse(text.as_bytes());
        aliases.by_name.retain(|_, alias| !alias.targets.iter().any(|target| matches!(target, Target::Broken(_))));
        prop_assert_eq!(meaning(&again(&aliases)), meaning(&aliases));
    }

    #[test]
    fn what_was_understood_of_a_list_reads_back(text in "([ab]|[,|/\\\\\"()<>@# \t\u{e9}\u{130}]|@x.org|:include:/|\"\\|\n){0,60}") {
        let targets: Vec<_> = members(text.as_bytes()).0.into_iter().map(|member| member.target).collect();
        let targets: Vec<_> = targets.into_iter().filter(|target| !matches!(target, Target::Broken(_))).collect();
        let written: String = targets.iter().map(|target| format!("{target}\n")).collect();
        prop_assume!(!written.starts_with('#') && !written.contains("\n#"));
        let again: Vec<_> = members(written.as_bytes()).0.into_iter().map(|member| member.target).collect();
        prop_assert_eq!(again, targets);
    }
}
