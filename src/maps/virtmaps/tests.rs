//! virtmaps: the seeds' files, the traps, and random tables against a model that looks at every line.

use proptest::prelude::*;

use super::super::{Database, Weight};
use super::*;

fn remarks(text: &str) -> Vec<String> {
    Virtmaps::parse(text).1.iter().map(|remark| format!("{}: {remark}", remark.line)).collect()
}

fn recipient_of(text: &str, address: &str) -> Option<String> {
    Virtmaps::parse(text).0.find(address).map(|entry| entry.recipient.to_owned())
}

/// The sample of seed 001, §"Using Wildcard Mappings".
const SAMPLE: &str = "#abc.com mappings\nbob@abc.com            bob@aol.com\nwebmaster@abc.com      carol\nabc.com                carol\n\n\
                      #xyz.com mappings\nbob@xyz.com            bob\nwebmaster@xyz.com      john\nxyz.com                bob\n";

#[test]
fn seed_000_creating_virtmaps() {
    let text = "webmaster@subhost1.com   e-mail_address1 \nwebmaster@subhost2.com   e-mail_address2 \nsubhost2.com             \
                e-mail_address3 \nuser@subhost1.com\t e-mail@remote-host.com\n";
    assert_eq!(remarks(text), [""; 0]);
    for (address, recipient) in [
        ("webmaster@subhost1.com", Some("e-mail_address1")),
        ("webmaster@subhost2.com", Some("e-mail_address2")),
        ("anybody@subhost2.com", Some("e-mail_address3")),
        ("user@subhost1.com", Some("e-mail@remote-host.com")),
        ("anybody@subhost1.com", None),
    ] {
        assert_eq!(recipient_of(text, address).as_deref(), recipient, "{address}");
    }
}

#[test]
fn seed_001_wildcard_mappings() {
    assert_eq!(remarks(SAMPLE), [""; 0]);
    for (address, recipient) in [
        ("bob@abc.com", "bob@aol.com"),
        ("webmaster@abc.com", "carol"),
        ("nobody@abc.com", "carol"),
        ("bob@xyz.com", "bob"),
        ("Webmaster@XYZ.com", "john"),
        ("nobody@xyz.com", "bob"),
    ] {
        assert_eq!(recipient_of(SAMPLE, address).as_deref(), Some(recipient), "{address}");
    }
}

#[test]
fn trap_53_the_wildcard_is_a_bare_domain_and_the_look_up_is_one() {
    assert_eq!(remarks("@abc.com carol\n"), ["1: @abc.com is virtusertable's way to say all of a domain; write the domain without the @"]);
    let chain = "bob@abc.com bob@xyz.com\nbob@xyz.com carol\n";
    assert_eq!(recipient_of(chain, "bob@abc.com").as_deref(), Some("bob@xyz.com"));
    assert_eq!(
        remarks(chain),
        ["1: warning: the recipient bob@xyz.com is itself in line 2, which is not looked at; write who is meant in the end"]
    );
    assert_eq!(remarks("bob@abc.com bob@abc.com\nabc.com carol\n"), [""; 0], "who is his own recipient is only exempt from the wildcard");
    assert_eq!(remarks("a@abc.com b@ABC.com\nabc.com carol\n").len(), 1);
}

#[test]
fn trap_54_the_wildcard_never_beats_an_exact_key_whatever_the_order() {
    for text in ["abc.com carol\nbob@abc.com bob\n", "bob@abc.com bob\nabc.com carol\n"] {
        assert_eq!(recipient_of(text, "bob@abc.com").as_deref(), Some("bob"));
        assert_eq!(recipient_of(text, "bob@sub.abc.com"), None, "a subdomain is another domain");
    }
}

#[test]
fn trap_55_a_colon_after_the_address_is_left_out_and_remarked_on() {
    assert_eq!(recipient_of("bob@abc.com: bob\n", "bob@abc.com").as_deref(), Some("bob"));
    assert_eq!(remarks("bob@abc.com: bob\n"), ["1: warning: a colon after bob@abc.com; remove it: it is taken as if it were not there"]);
}

#[test]
fn trap_56_of_two_lines_for_a_key_the_first_holds() {
    let text = "bob@abc.com one\nabc.com rest\nBOB@ABC.COM two\n";
    assert_eq!(recipient_of(text, "bob@abc.com").as_deref(), Some("one"));
    assert_eq!(remarks(text), ["3: warning: BOB@ABC.COM is in line 1, too, which holds; remove one of the two lines"]);
}

#[test]
fn trap_57_keys_are_folded_and_values_not_and_blanks_around_values_go() {
    assert_eq!(recipient_of("Bob@Abc.COM \t Bob@AOL.com \t\n", "bOB@aBC.com").as_deref(), Some("Bob@AOL.com"));
    assert_eq!(recipient_of("\u{1c5}Ü@abc.com x\n", "\u{1c6}ü@abc.com").as_deref(), Some("x"), "letters beyond ASCII have cases, too");
}

#[test]
fn trap_58_a_file_with_cr_lf_is_understood_and_remarked_on_once() {
    let text = SAMPLE.replace('\n', "\r\n");
    assert_eq!(recipient_of(&text, "webmaster@abc.com").as_deref(), Some("carol"));
    let said = remarks(&text);
    assert!(said.len() == 1 && said[0].starts_with("1: warning: the line ends with CR LF"), "{said:?}");
}

#[test]
fn a_recipient_is_one_name_or_address_and_nothing_else() {
    for (line, said) in [
        ("bob@abc.com", "no recipient"),
        ("bob@abc.com   ", "no recipient"),
        ("bob@abc.com bob, carol", "more than one recipient"),
        ("bob@abc.com bob carol", "more than one recipient"),
        ("bob@abc.com bob # comment", "more than one recipient"),
        ("bob@abc.com |/bin/cat", "programs and files"),
        ("bob@abc.com \"|/bin/cat -n\"", "programs and files"),
        ("bob@abc.com /var/mail/bob", "programs and files"),
        ("bob@abc.com :include:/etc/list", ":include:"),
        ("bob@abc.com error:nouser", "no local name"),
        ("bob@abc.com bob@", "no address"),
        ("bob@abc.com @xyz.com", "no address"),
        ("bob@abc.com \\bob", "no local name"),
        ("bob@abc.com b\u{fffd}b", "no local name"),
        ("bob carol", "domain \"bob\" needs two labels"),
        ("\"a b\"@abc.com bob", "needs two labels"),
        ("\"ab\"@abc.com bob", "no address"),
        ("bob@abc..com bob", "domain \"abc..com\""),
        ("  # indented", "domain \"#\""),
        ("a@b@abc.com bob", "no address"),
    ] {
        let (table, remarks) = Virtmaps::parse(line);
        let remark = remarks.iter().next().unwrap_or_else(|| panic!("{line}"));
        assert!(remark.what.contains(said) && remark.weight == Weight::Wrong, "{line}: {remark}");
        assert_eq!((table.entries().len(), remarks.wrong()), (0, 1), "{line}");
    }
}

#[test]
fn the_domains_are_told_with_the_first_line_that_names_each() {
    let (table, _) = Virtmaps::parse("a@X.com b\n\na@y.com b\nx.com c\n");
    let domains: Vec<_> = table.domains().into_iter().map(|(line, domain)| (line, domain.as_str())).collect();
    assert_eq!(domains, [(1, "x.com"), (3, "y.com")]);
}

#[test]
fn of_many_remarks_the_words_are_kept_of_a_thousand_and_all_are_counted() {
    let (_, remarks) = Virtmaps::parse(&"x\n".repeat(3_000));
    assert_eq!((remarks.iter().count(), remarks.wrong(), remarks.odd()), (1_000, 3_000, 0));
}

/// One line at a time, in the words of the handbook.
fn naive(text: &str, address: &str) -> Option<String> {
    let address = address.to_lowercase();
    let domain = address.split_once('@')?.1.to_owned();
    let lines: Vec<Vec<&str>> = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect()).collect();
    let of = |key: &str| lines.iter().find(|words| words.len() == 2 && words[0].to_lowercase() == key).map(|words| words[1].to_owned());
    of(&address).or_else(|| of(&domain))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_text_and_its_compiled_form_answer_as_a_model_that_looks_at_every_line(
        lines in prop::collection::vec("(#|)([abAB]@|)[xyXY]\\.(com|COM)[ \t]{1,2}([cC]|c@[xz]\\.com)[ \t]?", 0..12),
        asked in prop::collection::vec("[abcABC]@[xyzXY]\\.com", 12),
    ) {
        let text = lines.join("\n");
        let (table, remarks) = Virtmaps::parse(&text);
        prop_assert_eq!(remarks.wrong(), 0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("virtmaps");
        table.compile(&path).unwrap();
        let database = Database::open(&path).unwrap();
        for address in asked {
            let expected = naive(&text, &address);
            prop_assert_eq!(table.find(&address).map(|entry| entry.recipient.to_owned()), expected.clone());
            prop_assert_eq!(database.recipient(&address).unwrap().map(|hit| hit.recipient), expected);
        }
    }

    #[test]
    fn no_text_is_too_strange(octets: Vec<u8>) {
        let text = super::super::text(&octets);
        let (table, remarks) = Virtmaps::parse(&text);
        let lines = text.split('\n').count();
        prop_assert!(remarks.iter().all(|remark| (1..=lines).contains(&remark.line)));
        prop_assert!(table.entries().iter().all(|entry| entry.key.contains('@') && !entry.recipient.is_empty()));
    }
}
