//! virtusertable: seed 004's tables, the traps, values as sendmail 8.17 was seen to take them, and random tables against a model.

use proptest::prelude::*;

use super::*;

fn table(text: &str) -> Virtusertable {
    Virtusertable::parse(text).0
}

/// What the line says that holds for the address.
fn found(table: &Virtusertable, address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@').unwrap();
    match table.search(local, domain).found? {
        (_, Value::Address(address)) => Some(address),
        (_, Value::Error(refusal)) => Some(format!("{} {}", refusal.code, refusal.text)),
    }
}

fn expect(text: &str, answers: &[(&str, Option<&str>)]) {
    let table = table(text);
    for (address, expected) in answers {
        assert_eq!(found(&table, address).as_deref(), *expected, "{address}");
    }
}

#[test]
fn seed_004_first_example() {
    let text = "joe@yourdomain.com\tjschmoe\njane@yourdomain.com\tjdoe@othercompany.com\n@yourdomain.com\t\tjschmoe\n";
    expect(
        text,
        &[
            ("joe@yourdomain.com", Some("jschmoe")),
            ("jane@yourdomain.com", Some("jdoe@othercompany.com")),
            ("bogus@yourdomain.com", Some("jschmoe")),
            ("JOE@YourDomain.com", Some("jschmoe")),
        ],
    );
}

#[test]
fn seed_004_second_example() {
    let text = "joe@yourdomain.com\tjschmoe\nbogus@yourdomain.com\terror:nouser No such user here\nlist@yourdomain.com\tyourdomain-list\n\
                @yourdomain.com\t\t%1@othercompany.com\n";
    assert_eq!(Virtusertable::parse(text).1, Remarks::default());
    expect(
        text,
        &[
            ("joe@yourdomain.com", Some("jschmoe")),
            ("jane@yourdomain.com", Some("jane@othercompany.com")),
            ("bogus@yourdomain.com", Some("nouser No such user here")),
            ("list@yourdomain.com", Some("yourdomain-list")),
            ("some@yourdomain.com", Some("some@othercompany.com")),
        ],
    );
}

#[test]
fn seed_004_notes_1_and_3() {
    let text =
        "joe@yourdomain1.com localjoe\njoe@yourdomain2.com joe@othercompany.com\njoe@yourdomain4.com error:nouser No such user here\n";
    expect(text, &[("joe@yourdomain1.com", Some("localjoe")), ("joe@yourdomain2.com", Some("joe@othercompany.com"))]);
    expect(text, &[("joe@yourdomain4.com", Some("nouser No such user here")), ("sam@yourdomain1.com", None)]);
}

#[test]
fn the_keys_come_in_the_documented_order() {
    let tried = |address: &str| -> Vec<String> {
        let (local, domain) = address.rsplit_once('@').unwrap();
        table("").search(local, domain).tried.into_iter().map(|(step, key)| format!("{step} {key}")).collect()
    };
    assert_eq!(tried("u+d@x.org"), ["1 u+d@x.org", "2 u++@x.org", "3 u+*@x.org", "4 u@x.org", "5 ++@x.org", "6 +*@x.org", "7 @x.org"]);
    assert_eq!(tried("u+@x.org"), ["1 u+@x.org", "3 u+*@x.org", "4 u@x.org", "6 +*@x.org", "7 @x.org"]);
    assert_eq!(tried("u@x.org"), ["1 u@x.org", "8 @x.org"]);
    assert_eq!(tried("+d@x.org"), ["1 +d@x.org", "8 @x.org"]);
    assert_eq!(tried("\"u+d\"@x.org"), ["1 \"u+d\"@x.org", "8 @x.org"]);
}

#[test]
fn trap_60_the_detail_is_lost_unless_it_is_asked_for() {
    expect("@foo.org %1@example.com\n", &[("x+y@foo.org", Some("x@example.com")), ("x@foo.org", Some("x@example.com"))]);
    expect("@bar.org %1%3\n", &[("x+y@bar.org", Some("x+y")), ("x@bar.org", Some("x"))]);
    expect("x+y@bar.org %1,%2,%3\n", &[("x+y@bar.org", Some("x+y,,"))]);
}

#[test]
fn trap_61_a_star_needs_a_plus_sign() {
    expect(
        "old+*@b.org new+%2\n+*@b.org star\nplus++@b.org %1-%2\n",
        &[
            ("old@b.org", None),
            ("old+@b.org", Some("new+")),
            ("old+x@b.org", Some("new+x")),
            ("any+x@b.org", Some("star")),
            ("plus+@b.org", Some("star")),
            ("plus+a+b@b.org", Some("plus-a+b")),
        ],
    );
}

#[test]
fn trap_59_error_values_are_taken_as_sendmail_takes_them() {
    for (value, code, text, reply) in [
        ("error:nouser No such user here", "nouser", "No such user here", "553 5.3.0 No such user here"),
        ("error:nouser 550 No such user", "nouser", "550 No such user", "550 5.0.0 No such user"),
        ("error:5.7.0:550 Address invalid", "5.7.0", "550 Address invalid", "550 5.7.0 Address invalid"),
        ("error:tempfail 450 try later", "tempfail", "450 try later", "450 4.0.0 try later"),
        ("error:4.2.2:452 mailbox full", "4.2.2", "452 mailbox full", "452 4.2.2 mailbox full"),
        ("error:unavailable gone", "unavailable", "gone", "553 5.3.0 gone"),
        ("error:Go away", "Go", "away", "553 5.3.0 away"),
        ("error: nouser lead", "nouser", "lead", "553 5.3.0 lead"),
        ("ERROR:nouser up", "nouser", "up", "553 5.3.0 up"),
        ("error:5.1.1 text", "5", ".1.1 text", "553 5.3.0 .1.1 text"),
        ("error:D.S.N:550 x", "D.S.N", "550 x", "550 5.0.0 x"),
        ("error:nouser", "nouser", "", "553 5.3.0 "),
    ] {
        let Value::Error(refusal) = Value::parse(value) else { panic!("{value}") };
        assert_eq!((refusal.code.as_str(), refusal.text.as_str()), (code, text), "{value}");
        assert_eq!(refusal.reply(), reply, "{value}");
    }
    assert_eq!(Value::parse("error"), Value::Address("error".into()));
}

#[test]
fn what_cannot_work_is_remarked_on() {
    for (line, wrong, said) in [
        ("joe@b.org |/bin/cat", true, "Cannot mail directly to programs"),
        ("joe@b.org /var/mail/joe", true, "Cannot mail directly to files"),
        ("joe@b.org :include:/etc/list", true, "Cannot mail directly to :include:s"),
        ("joe@b.org a@x.org, b@y.org", true, "more than one recipient"),
        ("joe@b.org a@b@c.org", true, "Invalid route address"),
        ("joe@b.org error:nouser", true, "garbage"),
        ("joe@b.org error:", true, "garbage"),
        ("joe@b.org error:Go away", false, "does not know the word Go"),
        ("joe@b.org: joe", true, "the colon is part of it"),
        ("b.org joe", true, "has no @"),
        ("joe@b joe", false, "b is no domain"),
        ("\"a\"@b.org joe", true, "quotes are not understood"),
        ("@b.org %1%4", false, "no arguments but"),
        ("@b.org joe ", false, "blanks at the end"),
    ] {
        let (_, remarks) = Virtusertable::parse(line);
        let remark = remarks.iter().next().unwrap_or_else(|| panic!("{line}"));
        assert!(remark.what.contains(said) && (remarks.wrong() == 1) == wrong, "{line}: {remark}");
    }
    assert_eq!(Virtusertable::parse("@b.org %1%%5@c.org\nx@b.org \"a b\"@c.org\n").1, Remarks::default());
}

/// The table of behaviour.md §8.2, written out.
fn naive(lines: &[(String, String)], local: &str, domain: &str) -> Option<String> {
    let get = |key: String| lines.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
    let fill = |value: String, one: &str, two: &str, three: &str| value.replace("%1", one).replace("%2", two).replace("%3", three);
    if let Some(value) = get(format!("{local}@{domain}")) {
        return Some(fill(value, local, "", ""));
    }
    let Some((user, detail)) = local.split_once('+').filter(|(user, _)| !user.is_empty()) else {
        return get(format!("@{domain}")).map(|value| fill(value, local, "", ""));
    };
    for (sign, wants_detail) in [("++", true), ("+*", false), ("", false)] {
        if !(wants_detail && detail.is_empty())
            && let Some(value) = get(format!("{user}{sign}@{domain}"))
        {
            return Some(fill(value, user, detail, &format!("+{detail}")));
        }
    }
    for (sign, wants_detail) in [("++", true), ("+*", false), ("", false)] {
        if !(wants_detail && detail.is_empty())
            && let Some(value) = get(format!("{sign}@{domain}"))
        {
            return Some(fill(value, user, detail, &format!("+{detail}")));
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_tables_answer_as_the_table_in_the_books(
        lines in prop::collection::vec(("([ab]|)(\\+\\+|\\+\\*|\\+x|)@[xy]\\.org", "[cd](%1|%2|%3|)"), 0..10),
        asked in prop::collection::vec("([abc]|[abc]\\+|[abc]\\+[xy]|[abc]\\+x\\+y)@[xy]\\.org", 8),
    ) {
        let text: String = lines.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect();
        let table = table(&text);
        for address in asked {
            let (local, domain) = address.rsplit_once('@').unwrap();
            prop_assert_eq!(found(&table, &address), naive(&lines, local, domain), "{} in\n{}", address, text);
        }
    }

    #[test]
    fn no_table_is_too_strange(octets: Vec<u8>, local: String, domain: String) {
        let (table, _) = Virtusertable::parse(&super::super::text(&octets));
        let search = table.search(&local, &domain);
        prop_assert!((2..=7).contains(&search.tried.len()) || search.found.is_some());
    }
}
