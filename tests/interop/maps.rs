//! Tables of ours in the hands of real mail servers, and theirs in ours.

use crate::harness::machine::Machine;
use crate::harness::need;

/// The sample of seed 001, and what no other server may take for an argument.
const VIRTMAPS: &str = "#abc.com mappings\nbob@abc.com            bob@aol.com\nWebmaster@abc.com      carol\nabc.com                carol\n\n\
                        #xyz.com mappings\nbob@xyz.com            bob\nhalf@xyz.com           half%1price\nxyz.com                bob\n";
/// Each address, and its recipient.
const ANSWERS: [(&str, &str); 6] = [
    ("bob@abc.com", "bob@aol.com"),
    ("webmaster@abc.com", "carol"),
    ("eve@abc.com", "carol"),
    ("bob@xyz.com", "bob"),
    ("half@xyz.com", "half%1price"),
    ("eve@xyz.com", "bob"),
];

#[test]
fn postfix_reads_the_compiled_virtmaps_and_its_own_export() {
    need!(root, "postfix", "postfix-cdb", "libcdb1");
    Machine::run(|machine| {
        machine.install("postfix").install("postfix-cdb").install("libcdb1").install_vmail().file("/etc/vmail/virtmaps", VIRTMAPS);
        machine.file("/etc/postfix/main.cf", "compatibility_level = 3.6\ndefault_database_type = hash\n");
        machine.user("postfix", 4101, "x").line("/etc/group", "postdrop:x:4102:");
        machine.file("/etc/postfix/dynamicmaps.cf", "cdb /usr/lib/postfix/postfix-cdb.so dict_cdb_open mkmap_cdb_open\n");
        machine.sh("vnewvirtmaps; vnewvirtmaps --export postfix --to /etc/postfix/virtual --compile");
        for table in ["cdb:/etc/vmail/virtmaps", "hash:/etc/postfix/virtual"] {
            for (address, recipient) in ANSWERS {
                // As virtual(5) looks up: the address, then @domain.
                let domain = &address[address.find('@').unwrap()..];
                let asked = machine.asks(&format!("postmap -q {address} {table} || postmap -q {domain} {table}"));
                assert_eq!(asked.trim(), recipient, "{address} in {table}");
            }
        }
    });
}

#[test]
fn exim_reads_its_export() {
    need!(root, "exim4-base", "exim4-daemon-light");
    Machine::run(|machine| {
        machine.install("exim4-base").install("exim4-daemon-light").install_vmail().file("/etc/vmail/virtmaps", VIRTMAPS);
        machine
            .user("Debian-exim", 4101, "x")
            .file("/etc/exim4/exim4.conf", "")
            .sh("vnewvirtmaps --export exim --to /etc/exim4/virtmaps --compile");
        for table in ["dbm*@{/etc/exim4/virtmaps.db}", "lsearch*@{/etc/exim4/virtmaps}"] {
            for (address, recipient) in ANSWERS {
                let asked = machine.asks(&format!("exim4 -C /etc/exim4/exim4.conf -be '${{lookup{{{address}}}{table}}}'"));
                assert_eq!(asked.trim(), recipient, "{address} in {table}");
            }
        }
    });
}

#[test]
fn makemap_reads_its_export() {
    need!(root, "sendmail-bin");
    Machine::run(|machine| {
        machine.install("sendmail-bin").install_vmail().file("/etc/vmail/virtmaps", VIRTMAPS);
        machine.file("/etc/mail/sendmail.cf", "V10/Berkeley\n");
        machine.sh("vnewvirtmaps --export sendmail --to /etc/mail/virtusertable --compile");
        let listed = machine.asks("makemap -u hash /etc/mail/virtusertable | sort");
        let written = "@abc.com\tcarol\n@xyz.com\tbob\nbob@abc.com\tbob@aol.com\nbob@xyz.com\tbob\nhalf@xyz.com\thalf%%1price\n\
                       webmaster@abc.com\tcarol\n";
        assert_eq!(listed, written);
    });
}

#[test]
fn seed_004_recipe_and_a_corpus_answer_as_sendmail_does() {
    need!(root, "sendmail-bin", "sendmail-cf", "m4");
    Machine::run(|machine| {
        let sendmail = Sendmail::install(machine);
        for (name, text) in TABLES {
            machine.file(&format!("/etc/mail/{name}"), text);
        }
        machine.sh("cd /etc/mail; for table in virtusertable genericstable; do makemap hash $table < $table; done");
        for question in ["$=w", "$j"] {
            let members = |text: &str| text.lines().map(str::to_lowercase).collect::<std::collections::BTreeSet<_>>();
            assert_eq!(members(&ours(&[question])[0]), members(&sendmail.answers(&[question])[0]), "{question}");
        }
        let lookups: Vec<String> = LOOKUPS.iter().map(|key| format!("/map virtuser {key}")).collect();
        let wrong = ["/map", "/map virtuser", "/map nosuch x", "3,0"].map(str::to_owned);
        let questions: Vec<&str> = lookups.iter().chain(&wrong).map(String::as_str).collect();
        assert_eq!(ours(&questions), sendmail.answers(&questions));
        let questions: Vec<String> = corpus().iter().map(|address| format!("3,0 {address}")).collect();
        let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
        let ends = |answers: Vec<String>| -> Vec<String> {
            let end =
                |text: &String| text.lines().filter(|line| line.starts_with("parse            returns:")).next_back().map(str::to_owned);
            answers.iter().map(|answer| end(answer).unwrap_or_else(|| answer.clone())).collect()
        };
        let (mine, theirs) = (ends(ours(&questions)), ends(sendmail.answers(&questions)));
        for (question, (mine, theirs)) in questions.iter().zip(mine.iter().zip(&theirs)) {
            assert_eq!(mine, theirs, "{question}");
        }
        senders(&sendmail);
    });
}

/// What senders in headers become.
fn senders(sendmail: &Sendmail) {
    let asked = ["jschmoe", "ann@generic.org", "bob@generic.org", "rel", "plus+x", "plus", "old+x@generic.org", "old@generic.org", "zed"];
    for address in asked {
        let question = format!("/try esmtp {address}");
        let end = |answers: Vec<String>| answers.last().unwrap().lines().last().unwrap_or_default().to_owned();
        assert_eq!(end(ours(&[&question])), end(sendmail.answers(&["/tryflags HS", &question])), "{address}");
    }
}

/// Debian's sendmail, configured as seed 004 says.
struct Sendmail;

impl Sendmail {
    fn install(machine: &Machine) -> Sendmail {
        ["sendmail-bin", "sendmail-cf", "m4"].iter().for_each(|package| _ = machine.install(package));
        machine.install_vmail().file("/etc/mail/sendmail.mc", SENDMAIL_MC);
        machine.sh("cd /etc/mail; m4 /usr/share/sendmail/cf/m4/cf.m4 sendmail.mc > sendmail.cf");
        // Every host exists, and none needs a name service.
        machine.file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
        HOSTS.iter().for_each(|host| _ = machine.line("/etc/hosts", &format!("192.0.2.9 {host}")));
        Sendmail
    }

    fn answers(&self, questions: &[&str]) -> Vec<String> {
        answers(std::process::Command::new("/usr/libexec/sendmail/sendmail").args(["-C", "/etc/mail/sendmail.cf", "-bt"]), questions)
    }
}

fn ours(questions: &[&str]) -> Vec<String> {
    answers(std::process::Command::new("vmail").args(["maps", "test"]), questions)
}

/// What stands after each prompt. A sign that no answer has tells where one ends.
fn answers(command: &mut std::process::Command, questions: &[&str]) -> Vec<String> {
    let asked: String = questions.iter().map(|question| format!("{question}\n/map nosuch end-of-answer\n")).collect();
    let said = crate::harness::program::succeed_with(command, asked.as_bytes());
    let said = said.split_once("Enter <ruleset> <address>\n").expect(&said).1;
    let mark = "> Map named \"nosuch\" not found\n";
    said.split(mark).take(questions.len()).map(|answer| answer.trim_start_matches("> ").to_owned()).collect()
}

/// Each key of the table, and what has no key.
fn corpus() -> Vec<&'static str> {
    let keys = TABLES[0].1.lines().filter_map(|line| line.split_whitespace().next()).filter(|key| key.contains('@'));
    keys.chain(ADDRESSES).collect()
}

const SENDMAIL_MC: &str = "divert(0)dnl\nOSTYPE(`linux')dnl\ndefine(`confDONT_PROBE_INTERFACES',`True')dnl\nFEATURE(`use_cw_file')dnl\n\
                           FEATURE(`virtusertable', `hash /etc/mail/virtusertable')dnl\n\
                           FEATURE(`genericstable', `hash /etc/mail/genericstable')dnl\n\
                           GENERICS_DOMAIN_FILE(`/etc/mail/generics-domains')dnl\nMAILER(`local')dnl\nMAILER(`smtp')dnl\n";

const TABLES: [(&str, &str); 4] = [
    (
        "virtusertable",
        "joe@yourdomain.com\tjschmoe\nbogus@yourdomain.com\terror:nouser No such user here\nlist@yourdomain.com\tyourdomain-list\n\
         @yourdomain.com\t\t%1@othercompany.com\n# more\nold+*@b.org\tnew+%2@there.example.com\nold@b.org\tOldUser\nplus@b.org\tlocal+%2\n\
         ++@b.org\tpp%3@x.example.com\n+*@b.org\tstar\nfive@b.org\terror:5.7.0:550 Address invalid\ntemp@b.org\terror:tempfail 450 try later\n\
         t4@b.org\terror:4.2.2:452 mailbox full\nun@b.org\terror:unavailable gone\nnh@b.org\terror:nohost nope\nga@b.org\terror:Go away\n\
         nt@b.org\terror:nouser\nerrc@b.org\terror:\nsp@b.org\terror: nouser lead\nup@b.org\tERROR:nouser up\nnc@b.org\terror:5.1.1 text no colon\n\
         ds@b.org\terror:D.S.N:550 x\nn550@b.org\terror:nouser 550 No such user\nerrs@b.org\terror:nouser  two  spaces\n\
         errm@b.org\terror:5.1.1:\"550 quoted text\"\nnum@b.org\terror:67 x y\nerr@b.org\terror\nprog@b.org\t|/bin/cat\nfile@b.org\t/tmp/x\n\
         inc@b.org\t:include:/tmp/inc\ntwo@b.org\ta@x.org, b@y.org\nchain@b.org\tjoe@yourdomain.com\nchain2@b.org\tany@yourdomain.com\n\
         dot@b.org\tFirst.Last@there.example.com.\npct@b.org\ta%%b@there.example.com\nCase@b.org\tMixedCase\nsub@b.org\tx@deep.sub.example.com\n\
         quoted@b.org\t\"a b\"@x.example.com\nat2@b.org\ta@b@c.example.com\nip@b.org\ta@[192.0.2.1]\nem@b.org\t<z@z.example.com>\n\
         fn@b.org\tFull Name <z@z.example.com>\nlp@b.org\tx+y\ncatch@sub.yourdomain.com\t%1+%2@a.example.com\n@sub.yourdomain.com\t%1%3\n\
         trail@b.org\tfoo   \nroute@b.org\t<@a.org:x@b.example.com>\nund@b.org\ta_b-c=d\nmt@b.org\t%1\nquar@b.org\terror:quarantine held here\n",
    ),
    (
        "genericstable",
        "jschmoe\tjoe@yourdomain.com\nann@generic.org\tann.smith@b.org\n@generic.org\t%1@b.org\nrel\tlocalname\nplus+*\tpl+%1@b.org\n\
         old+*@generic.org\tnew+%1@b.org\nold@generic.org\tolder@b.org\n",
    ),
    ("local-host-names", "yourdomain.com\nsub.yourdomain.com\nB.org\n# c\nc.org # x\n"),
    ("generics-domains", "generic.org\n"),
];

const LOOKUPS: [&str; 9] = [
    "joe@yourdomain.com",
    "JOE@yourdomain.com",
    "jane@yourdomain.com",
    "@yourdomain.com",
    "nobody@x.org",
    "pct@b.org",
    "old+*@b.org",
    "bogus@yourdomain.com",
    "trail@b.org",
];

const ADDRESSES: [&str; 45] = [
    "some@yourdomain.com",
    "JOE@YOURDOMAIN.COM",
    "x+y@yourdomain.com",
    "joe+y@yourdomain.com",
    "old+x@b.org",
    "old+@b.org",
    "old++@b.org",
    "new+x@b.org",
    "new+@b.org",
    "sam@b.org",
    "sam@c.org",
    "sam",
    "sam+det",
    "joe@mail.example.net",
    "sam@localhost",
    "x@elsewhere.example.org",
    "x+y@elsewhere.example.org",
    "X@Elsewhere.Example.ORG",
    "plus+a+b@b.org",
    "five+x@b.org",
    "mt+a@b.org",
    "q@sub.yourdomain.com",
    "q+r@sub.yourdomain.com",
    "q@deep.sub.yourdomain.com",
    "<joe@yourdomain.com>",
    "Joe Schmoe <joe@yourdomain.com>",
    "\"joe\"@yourdomain.com",
    "\"a b\"@yourdomain.com",
    "a.b@yourdomain.com",
    "a.b@b.org",
    "a@b@b.org",
    "joe@",
    "a@[192.0.2.1]",
    "joe@yourdomain.com.",
    "+x@b.org",
    "+@b.org",
    "a..b@b.org",
    ".a@b.org",
    "a/b@b.org",
    "a=b_c-d@b.org",
    "a&b#c@b.org",
    "user%host.example.com@b.org",
    "user%host.example.com",
    "root@b.org",
    "MAILER-DAEMON@b.org",
];

const HOSTS: [&str; 20] = [
    "othercompany.com",
    "there.example.com",
    "x.example.com",
    "x.org",
    "y.org",
    "deep.sub.example.com",
    "c.example.com",
    "z.example.com",
    "a.example.com",
    "elsewhere.example.org",
    "a.org",
    "b.example.com",
    "host.example.com",
    "deep.sub.yourdomain.com",
    "yourdomain.com",
    "sub.yourdomain.com",
    "b.org",
    "c.org",
    "generic.org",
    "mail.example.net",
];
