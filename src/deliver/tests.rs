//! Who gets the mail: the order of behaviour.md §4.3, and the traps of its §18.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::{Machine, Root};
use crate::maps::Sources;
use crate::vdomain::Directory;

mod answers;
mod leaves;
mod mailboxes;
mod maps;
mod outcomes;
mod relays;
mod seeds;
mod vacations;

/// A tree with domains.
struct Site {
    _folder: tempfile::TempDir,
    root: Root,
    /// None, unless a test names some.
    maps: Sources,
}

impl Site {
    /// `va.test` with the users joe ("Joe Who"), ann and bob, and this record and these aliases.
    fn new(record: &str, aliases: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let site = Site { root: Root::new(folder.path()), _folder: folder, maps: Sources::default() };
        site.domain("va.test", record, aliases, "joe:x:1:1:Joe Who:/h:\nann:x:1:1:Ann:/h:\nbob:x:1:1:ann:/h:\n");
        site
    }

    fn domain(&self, name: &str, record: &str, aliases: &str, passwd: &str) {
        let domain = name.parse().unwrap();
        fs::create_dir_all(self.root.domains()).unwrap();
        fs::write(self.root.record(&domain), record).unwrap();
        fs::write(self.root.passwd(&domain), passwd).unwrap();
        fs::write(self.root.aliases(&domain), aliases).unwrap();
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.etc().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn auto(&self, name: &str) {
        let folder = self.root.files(&"va.test".parse().unwrap());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.auto")), "Subject: x\n\nx\n").unwrap();
    }

    fn directory(&self) -> Directory {
        let machine = Arc::new(Machine { host: Some("host.test".into()), ..Machine::default() });
        Directory::load(&self.root, machine, None)
    }

    fn plan(&self, to: &str) -> Plan {
        plan(&self.directory(), &self.maps, &to.parse().unwrap(), "s@x.org")
    }

    /// Who gets mail for `to`, or why nobody does. Paths begin at the root.
    fn gets(&self, to: &str) -> Vec<String> {
        let plan = self.plan(to);
        let texts: Vec<String> = match plan.verdict() {
            Verdict::Deliver => plan.leaves().map(|(_, leaf)| leaf.to_string()).collect(),
            verdict => vec![verdict.to_string()],
        };
        let root = self.root.path().to_str().unwrap();
        texts.into_iter().map(|text| text.replace(root, "")).collect()
    }
}

#[test]
fn postmaster_without_a_domain_is_the_machines() {
    let site = Site::new("", "");
    let leaves = |machine: Machine| {
        let plan = plan_for_postmaster(&Directory::load(&site.root, Arc::new(machine), None), &site.maps, "s@x.org");
        plan.leaves().map(|(_, leaf)| leaf.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(leaves(Machine { host: Some("host.test".into()), ..Machine::default() }), ["forward to postmaster@host.test"]);
    site.domain("va.test", "", "postmaster: ann\n", "ann:x:1:1::/h:\n");
    assert_eq!(leaves(Machine { host: Some("va.test".into()), ..Machine::default() }), ["mailbox ann@va.test"]);
}

const NOBODY: &str = "refused: there is no such user here";

#[test]
fn an_alias_hides_a_user_and_ends_at_the_user_it_names_itself() {
    let site = Site::new("", "joe: joe, boss@x.org\nann: bob\n");
    assert_eq!(site.gets("joe@va.test"), ["mailbox joe@va.test", "forward to boss@x.org"]);
    assert_eq!(site.gets("Ann@VA.test"), ["mailbox bob@va.test"]);
    assert_eq!(site.gets("bob@va.test"), ["mailbox bob@va.test"]);
    assert_eq!(site.gets("eve@va.test"), [NOBODY]);
    assert_eq!(site.gets("joe@main.test"), ["refused: this domain is not served here"]);
}

#[test]
fn a_name_without_a_domain_is_of_the_same_domain_and_other_domains_have_their_own_rules() {
    let site = Site::new("", "sales: joe, \\ann, joe@vb.test, eve@vb.test, joe@x.org\n");
    site.domain("vb.test", "", "eve: joe, joe@va.test\n", "joe:x:1:1::/h:\n");
    assert_eq!(site.gets("sales@va.test"), ["mailbox joe@va.test", "mailbox ann@va.test", "mailbox joe@vb.test", "forward to joe@x.org"]);
    assert_eq!(site.gets("sales@vb.test"), [NOBODY]);
}

#[test]
fn a_backslash_ends_aliasing() {
    let site = Site::new("", "joe: ann\nann: \\joe, \\eve\n");
    assert_eq!(site.gets("joe@va.test"), ["mailbox joe@va.test"]);
}

#[test]
fn a_loop_ends_at_a_user_on_the_way_or_is_told() {
    let site = Site::new("", "a: b\nb: c, ann\nc: a\njoe: list\nlist: joe, ann\nx: y\ny: x\n");
    assert_eq!(site.gets("a@va.test"), ["mailbox ann@va.test"]);
    assert!(site.plan("a@va.test").steps.iter().any(|step| matches!(step.found, Found::Refused(Refusal::Loop))));
    assert_eq!(site.gets("joe@va.test"), ["mailbox joe@va.test", "mailbox ann@va.test"]);
    assert_eq!(site.gets("list@va.test"), ["mailbox joe@va.test", "mailbox ann@va.test"]);
    assert_eq!(site.gets("x@va.test"), ["refused: the address leads back to itself"]);
}

#[test]
fn alias_files_have_priorities_and_are_no_union() {
    let site = Site::new("delivery.alias_files = [\"one\", \"two\"]", "x: joe\n");
    site.file("one", "x: ann\ny: ann\n");
    assert!(site.gets("x@va.test")[0].starts_with("later: /etc/vmail/two: cannot be read"));
    site.file("two", "y: bob\nz: bob\n");
    assert_eq!(
        ["x@va.test", "y@va.test", "z@va.test"].map(|name| site.gets(name)[0].clone()),
        ["joe", "ann", "bob"].map(|user| format!("mailbox {user}@va.test"))
    );
    let plan = site.plan("y@va.test");
    let place = plan.steps[1].place.as_ref().unwrap();
    assert!(place.file.ends_with("one") && place.line == Some(2) && &*place.key == "y");
}

#[test]
fn the_domains_other_names_lead_to_the_same_users() {
    let site = Site::new("alias = [\"va.net\"]\ndelivery.fallback = \"|/bin/x %u %d %D %f\"", "sales: joe@va.net\n");
    assert_eq!(site.gets("sales@va.net"), ["mailbox joe@va.test"]);
    assert_eq!(site.gets("Eve@va.net"), ["program |[\"/bin/x\", \"Eve\", \"va.net\", \"va.test\", \"s@x.org\"] of va.test"]);
    assert_eq!(site.gets("\"a $(b)\"@va.test"), ["program |[\"/bin/x\", \"a $(b)\", \"va.test\", \"va.test\", \"s@x.org\"] of va.test"]);
    assert_eq!(site.gets("-f@va.test"), ["refused: this name or this sender is not accepted here"]);
}

#[test]
fn a_domain_that_rejects_mail_rejects_all_of_it() {
    let site = Site::new("delivery.reject = true", "sales: x@x.org\n");
    site.domain("vb.test", "", "eve: joe@va.test, ann@x.org\n", "");
    site.auto("sales");
    assert_eq!(site.gets("sales@va.test"), ["refused: this domain accepts no mail"]);
    assert_eq!(site.gets("postmaster@va.test"), ["refused: this domain accepts no mail"]);
    assert_eq!(site.gets("eve@vb.test"), ["forward to ann@x.org"]);
}

#[test]
fn a_record_that_does_not_parse_makes_mail_wait() {
    let site = Site::new("dlivery.reject = true", "");
    assert!(site.gets("joe@va.test")[0].starts_with("later: "));
    let site = Site::new("", "");
    fs::remove_file(site.root.passwd(&"va.test".parse().unwrap())).unwrap();
    assert!(site.gets("joe@va.test")[0].starts_with("later: "), "nobody knows who its users are");
}

#[test]
fn an_auto_responder_answers_beside_and_needs_no_account() {
    let site = Site::new("delivery.fallback = \"bob\"", "sales: joe, info, ann\nother: info\n");
    ["sales", "info", "joe"].iter().for_each(|name| site.auto(name));
    let reply = |name: &str| format!("automatic reply /var/spool/vmail/files/va.test/{name}.auto");
    assert_eq!(site.gets("info@va.test"), [reply("info")]);
    assert_eq!(site.gets("other@va.test"), [reply("info")]);
    assert_eq!(site.gets("joe+x@va.test"), ["mailbox joe@va.test".into(), reply("joe")]);
    let all = [reply("sales"), "mailbox joe@va.test".into(), reply("joe"), reply("info"), "mailbox ann@va.test".into()];
    assert_eq!(site.gets("sales@va.test"), all);
    assert_eq!(site.gets("\"../va.test/info\"@va.test"), ["mailbox bob@va.test"]);
}

#[test]
fn the_fallback_takes_what_is_nobodys() {
    for (fallback, gets) in [
        ("", NOBODY),
        ("Boss@x.org", "forward to Boss@x.org"),
        ("@x.org", "forward to Eve+1@x.org"),
        ("joe", "mailbox joe@va.test"),
        ("sales", "mailbox ann@va.test"),
        ("nobody", "refused: the address leads back to itself"),
        ("@va.test", "refused: the address leads back to itself"),
        ("@vb.test", "refused: the address leads back to itself"),
    ] {
        let site = Site::new(&format!("delivery.fallback = {fallback:?}"), "sales: ann\n");
        site.domain("vb.test", "delivery.fallback = \"@va.test\"", "", "");
        assert_eq!(site.gets("Eve+1@va.test"), [gets], "{fallback}");
    }
}

#[test]
fn what_stands_behind_a_plus_is_kept() {
    let site = Site::new("", "sales: joe, ann+y\nsales+big: bob\nsales+*: ann\nann+z: bob\njoe: joe, boss@x.org\n");
    site.domain("vb.test", "delivery.plus_addressing = false", "", "joe:x:1:1::/h:\n");
    let detail = |to: &str| -> Vec<String> {
        let plan = site.plan(to);
        let mailboxes = plan.leaves().filter_map(|(_, leaf)| match leaf {
            Leaf::Mailbox(mailbox) => Some(format!("{} {:?}", mailbox.user, mailbox.detail.as_deref())),
            _ => None,
        });
        mailboxes.collect()
    };
    assert_eq!(detail("bob+Some+Thing@va.test"), ["bob Some(\"Some+Thing\")"]);
    assert_eq!(detail("joe+x@va.test"), ["joe Some(\"x\")"]);
    assert_eq!(detail("sales+BIG@va.test"), ["bob None"]);
    assert_eq!(detail("sales+other@va.test"), ["ann None"]);
    assert_eq!(detail("sales@va.test"), ["joe None", "ann Some(\"y\")"]);
    assert_eq!(detail("ann+z@va.test"), ["bob None"]);
    assert_eq!(site.gets("joe+x@vb.test"), [NOBODY]);
    assert_eq!(site.gets("+x@va.test"), [NOBODY]);
}

#[test]
fn a_full_name_is_a_name_unless_two_have_it() {
    let site = Site::new("delivery.full_names = true", "joe: joe, boss@x.org\n");
    site.domain("vb.test", "", "", "joe:x:1:1:Joe Who:/h:\n");
    site.domain("vc.test", "delivery.full_names = true\ndelivery.fallback = \"joe\"", "", "joe:x:1:1:A B:/h:\nann:x:1:1:a  b,:/h:\n");
    assert_eq!(site.gets("Joe.Who@va.test"), ["mailbox joe@va.test", "forward to boss@x.org"]);
    assert_eq!(site.gets("joe.who+x@va.test"), ["mailbox joe@va.test", "forward to boss@x.org"]);
    assert_eq!(site.gets("ann@va.test"), ["mailbox ann@va.test"], "a login name is never ambiguous");
    assert_eq!(site.gets("joe.who@vb.test"), [NOBODY]);
    assert_eq!(site.gets("a.b@vc.test"), ["refused: several users here have that name"]);
}

#[test]
fn postmaster_and_abuse_always_have_a_destination() {
    let site = Site::new("", "webmaster: postmaster\n");
    for name in ["Postmaster@va.test", "abuse@va.test", "webmaster@va.test"] {
        assert_eq!(site.gets(name), ["forward to postmaster@host.test"], "{name}");
    }
    let site = Site::new("delivery.fallback = \"nobody\"", "abuse: joe\npostmaster: a\na: b\nb: a\n");
    assert_eq!(site.gets("abuse@va.test"), ["mailbox joe@va.test"]);
    assert_eq!(site.gets("postmaster@va.test"), ["forward to postmaster@host.test"]);
    site.domain("host.test", "", "", "");
    assert_eq!(site.gets("postmaster@va.test"), ["later: postmaster@host.test has no mailbox"]);
}

#[test]
fn bounces_of_a_list_go_to_its_owner() {
    let site = Site::new(
        "",
        "list: ann@x.org, inner, joe\ninner: bob@x.org\nowner-list: boss@x.org\nowner-inner: joe, ann\nplain: eve@x.org\nowner-owner-list: joe\n",
    );
    let plan = site.plan("list@va.test");
    let bounces: Vec<_> = plan.leaves().map(|(step, _)| step.bounces_to.as_deref().unwrap()).collect();
    assert_eq!(bounces, ["boss@x.org", "owner-inner@va.test", "boss@x.org"]);
    for plain in ["plain@va.test", "owner-list@va.test"] {
        assert!(site.plan(plain).leaves().all(|(step, _)| step.bounces_to.is_none()), "{plain}");
    }
}

#[test]
fn a_list_in_a_file_has_members_of_the_domain() {
    let site = Site::new("", "");
    let list = site.file("list", "# staff\njoe, a@x.org\n\"|/bin/cmd x\"\n");
    let other = site.file("other", &format!("ann\n:include:{}\n:include:{}\n", list.display(), site.root.etc().join("other").display()));
    let aliases = format!("list: :include:{}, :include:/nonexistent, bob\n", other.display());
    site.domain("va.test", "", &aliases, "joe:x:1:1::/h:\nann:x:1:1::/h:\nbob:x:1:1::/h:\n");
    let mut expected =
        vec!["mailbox ann@va.test", "mailbox joe@va.test", "forward to a@x.org", "program |/bin/cmd x of va.test", "mailbox bob@va.test"];
    assert_eq!(site.gets("list@va.test"), expected, "what cannot be read hides nobody");
    let plan = site.plan("list@va.test");
    assert!(plan.steps.iter().any(|step| matches!(&step.found, Found::Waits(what) if what.contains("/nonexistent"))));
    assert!(plan.steps.iter().any(|step| matches!(step.found, Found::Refused(Refusal::Loop))), "the list that names itself");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&list, fs::Permissions::from_mode(0o666)).unwrap();
    expected.remove(3);
    assert_eq!(site.gets("list@va.test"), expected, "anybody could have written the program there");
}

#[test]
fn what_nobody_understands_waits_unless_others_get_the_mail() {
    let site = Site::new("", "a: :include:rel\nb: :include:rel, joe\n");
    assert!(site.gets("a@va.test")[0].starts_with("later: "));
    assert_eq!(site.gets("b@va.test"), ["mailbox joe@va.test"]);
}

#[test]
fn plans_have_a_size_and_a_depth() {
    let chain: String = (0..100).map(|number| format!("n{number}: n{}\n", number + 1)).collect();
    let site = Site::new("", &format!("{chain}n100: joe\n"));
    assert!(site.gets("n0@va.test")[0].contains("do not lead to an end"));
    assert_eq!(site.gets("n60@va.test"), ["mailbox joe@va.test"]);
    let many = |from: &str| (0..9_000).map(|number| format!("{from}{number}@x.org,")).collect::<String>();
    let site = Site::new("", &format!("all: joe, a, b, c\na: {}\nb: {}\nc: {}\n", many("a"), many("b"), many("c")));
    assert_eq!(site.gets("all@va.test"), ["later: leads to too many addresses"]);
    assert!(site.plan("all@va.test").steps.len() <= planner::MOST_STEPS);
    assert_eq!(site.gets("a@va.test").len(), 9_000);
}

#[test]
fn a_plan_is_a_picture_and_json() {
    let site = Site::new("", "# staff\nsales: joe, ann@x.org\n");
    let (plan, etc) = (site.plan("sales@va.test"), site.root.etc());
    let at = format!("({}/aliases.va.test:2, sales)", etc.display());
    assert_eq!(
        plan.to_string(),
        format!("sales@va.test: alias\n  joe@va.test {at}: mailbox joe@va.test\n  ann@x.org {at}: forward to ann@x.org\n=> delivered")
    );
    let json = plan.to_json();
    assert_eq!((json["verdict"].as_str(), json["steps"][1]["line"].as_u64()), (Some("delivered"), Some(2)));
    assert_eq!((json["steps"][2]["found"].as_str(), json["steps"][2]["parent"].as_u64()), (Some("forward"), Some(0)));
}

/// A random graph of aliases over few names, some of which are users, in two domains.
fn graph() -> impl Strategy<Value = (Vec<Vec<usize>>, Vec<Vec<usize>>)> {
    let aliases = || proptest::collection::vec(proptest::collection::vec(0_usize..18, 0..5), 8);
    (aliases(), aliases())
}

/// Names n0 to n7 here, the same at the other domain, and two addresses that are not ours.
fn text(graph: &[Vec<usize>], other: &str) -> String {
    let target = |&number: &usize| match number {
        0..8 => format!("n{number}"),
        8..16 => format!("n{}@{other}", number - 8),
        _ => format!("r{number}@x.org"),
    };
    let lines = graph.iter().enumerate().filter(|(_, targets)| !targets.is_empty());
    lines.map(|(name, targets)| format!("n{name}: {}\n", targets.iter().map(target).collect::<Vec<_>>().join(", "))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn plans_end_and_nobody_is_in_one_twice((one, two) in graph(), fallback in prop::sample::select(vec!["", "n1", "@vb.test", "r@x.org", "gone"])) {
        let site = Site::new(&format!("delivery.fallback = {fallback:?}"), &text(&one, "vb.test"));
        site.domain("va.test", &format!("delivery.fallback = {fallback:?}"), &text(&one, "vb.test"), "n0:x:1:1::/h:\nn1:x:1:1::/h:\n");
        site.domain("vb.test", "delivery.fallback = \"@va.test\"", &text(&two, "va.test"), "n0:x:1:1::/h:\n");
        let directory = site.directory();
        for number in 0..9 {
            let plan = plan(&directory, &site.maps, &format!("n{number}@va.test").parse().unwrap(), "");
            let mut leaves: Vec<String> = plan.leaves().map(|(_, leaf)| leaf.to_string()).collect();
            let count = leaves.len();
            leaves.sort();
            leaves.dedup();
            prop_assert_eq!(leaves.len(), count);
            for (at, step) in plan.steps.iter().enumerate() {
                prop_assert!(step.parent.is_none_or(|parent| parent < at && plan.steps[parent].depth + 1 == step.depth));
                prop_assert_eq!(step.parent.is_none(), at == 0);
                let ends = !matches!(step.found, Found::Leads(_));
                prop_assert_eq!(ends, !plan.steps.iter().any(|other| other.parent == Some(at)), "{}", &plan);
            }
            let elsewhere: Vec<String> = leaves.into_iter().filter(|leaf| leaf.starts_with("forward")).collect();
            prop_assert_eq!(elsewhere, reached(number, &[&one, &two], fallback), "{}", &plan);
        }
    }
}

/// Who elsewhere gets the mail, by another way: what can be reached in the graph.
fn reached(from: usize, graphs: &[&Vec<Vec<usize>>; 2], fallback: &str) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut leaves = std::collections::BTreeSet::new();
    let mut todo = vec![(0, format!("n{from}"))];
    while let Some((domain, name)) = todo.pop() {
        if !seen.insert((domain, name.clone())) {
            continue;
        }
        let number: Option<usize> = name.strip_prefix('n').and_then(|number| number.parse().ok());
        let is_user = number.is_some_and(|number| number == 0 || number == 1 && domain == 0);
        let targets = number.and_then(|number| graphs[domain].get(number)).filter(|targets| !targets.is_empty());
        match targets {
            Some(targets) => todo.extend(targets.iter().filter_map(|&target| match target {
                0..8 => Some((domain, format!("n{target}"))),
                8..16 => Some((1 - domain, format!("n{}", target - 8))),
                _ => {
                    leaves.insert(format!("forward to r{target}@x.org"));
                    None
                }
            })),
            None if is_user => {}
            None if domain == 1 => todo.push((0, name.clone())),
            None => match fallback {
                "" => {}
                "@vb.test" => todo.push((1, name.clone())),
                "r@x.org" => _ = leaves.insert("forward to r@x.org".into()),
                account => todo.push((0, account.into())),
            },
        }
    }
    leaves.into_iter().collect()
}

/// `cargo test --release --lib -- --ignored --nocapture deliver`
#[test]
#[ignore = "a measurement: the goal is 20 µs in a release build"]
fn a_plan_in_a_domain_of_100_000_aliases() {
    let lines: String = (0..100_000).map(|number| format!("a{number}: joe, u{number}@x.org\n")).collect();
    let site = Site::new("", &lines);
    let (directory, to) = (site.directory(), "a77777@va.test".parse().unwrap());
    // A file that has just changed is read again each time, because a later change might leave no trace.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(plan(&directory, &site.maps, &to, "").leaves().count(), 2);
    let began = std::time::Instant::now();
    (0..10_000).for_each(|_| _ = plan(&directory, &site.maps, &to, ""));
    let each = began.elapsed() / 10_000;
    println!("{each:?}");
    assert!(cfg!(debug_assertions) || each.as_micros() <= 20);
}
