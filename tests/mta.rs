//! The real `vmail serve` answering what the machine's own mail server asks, on its sockets.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;

use crate::daemon::{Daemon, free_address, poll};
use crate::house::House;

/// Two domains in which `joe` is somebody else each time, and what a domain may have beside users.
fn house(rest: &str) -> House {
    let address = free_address();
    let listen = format!("[[listen]]\nproto = \"pop3\"\naddress = \"{}\"\nport = {}\n", address.ip(), address.port());
    let house = House::new(&format!("reverse.lookup = \"off\"\n{rest}\n{listen}"));
    house.domain("va.test", "alias = [\"va.example\"]\nip = [\"127.0.0.2\"]\nquota.inbox = \"10\"\ndelivery.over_quota = \"wait\"\n");
    house.domain("vb.test", "ip = [\"127.0.0.3\"]\nquota.inbox = \"10\"\ndelivery.fallback = \"@other.example\"\n");
    house.domain("broken.test", "no record");
    for (owner, password) in [("joe@va.test", "one"), ("ann@va.test", "two"), ("joe@vb.test", "three")] {
        house.user(owner, password);
    }
    let aliases = "sales: joe, ann\nboss: eve@x.org\nboth: boss, max@y.org\nmixed: joe, eve@x.org\nteam: eve@x.org\nowner-team: ann\n\
                   dead: nobody\nloop: loop2\nloop2: loop\n";
    fs::write(house.root().aliases(&"va.test".parse().unwrap()), aliases).unwrap();
    house
}

/// A connection to one of the sockets.
pub struct Client(BufReader<UnixStream>);

impl Client {
    fn of(house: &House, socket: &str) -> Client {
        Client::at(&house.root().run().join(socket))
    }

    /// Connects to this socket.
    pub fn at(socket: &Path) -> Client {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client(BufReader::new(stream))
    }

    fn say(&mut self, octets: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(octets.as_ref()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    fn netstring(&mut self) -> String {
        let (mut length, mut rest) = (Vec::new(), Vec::new());
        self.0.read_until(b':', &mut length).unwrap();
        let length: usize = String::from_utf8(length).unwrap().trim_end_matches(':').parse().unwrap();
        rest.resize(length + 1, 0);
        self.0.read_exact(&mut rest).unwrap();
        assert_eq!(rest.pop(), Some(b','));
        String::from_utf8(rest).unwrap()
    }

    /// Asks the socketmap.
    pub fn map(&mut self, request: &str) -> String {
        self.say(framed(request));
        self.netstring()
    }

    /// Asks the policy service about mail from `eve@x.org`, of so many octets.
    pub fn policy(&mut self, recipient: &str, size: u64) -> String {
        let request = format!("request=smtpd_access_policy\nprotocol_state=RCPT\nsender=eve@x.org\nrecipient={recipient}\nsize={size}\n\n");
        self.say(request);
        let action = self.line();
        assert_eq!(self.line(), "");
        action
    }

    fn ended(&mut self) -> bool {
        self.0.read(&mut [0]).map_or(true, |count| count == 0)
    }
}

fn framed(request: &str) -> String {
    format!("{}:{request},", request.len())
}

#[test]
fn maps_are_answered_from_the_plan() {
    let house = house("");
    let _daemon = Daemon::start(&house);
    let mut client = Client::of(&house, "socketmap");
    for (request, expected) in [
        ("virtual_mailbox_domains va.test", "OK va.test"),
        ("virtual_mailbox_domains VA.example", "OK va.test"),
        ("virtual_mailbox_domains x.org", "NOTFOUND "),
        ("virtual_mailbox_domains joe@va.test", "NOTFOUND "),
        ("virtual_mailbox_domains broken.test", "TEMP the domain's record is being mended"),
        ("virtual_mailbox_maps joe@va.test", "OK joe@va.test"),
        ("virtual_mailbox_maps joe@va.example", "OK joe@va.example"),
        ("virtual_mailbox_maps sales@va.test", "OK sales@va.test"),
        ("virtual_mailbox_maps nobody@va.test", "NOTFOUND "),
        ("virtual_mailbox_maps dead@va.test", "NOTFOUND "),
        ("virtual_mailbox_maps @va.test", "NOTFOUND "),
        ("virtual_mailbox_maps joe", "NOTFOUND "),
        ("virtual_mailbox_maps joe@x.org", "NOTFOUND "),
        ("virtual_mailbox_maps any@vb.test", "OK any@vb.test"),
        ("virtual_mailbox_maps joe@broken.test", "TEMP this address is being mended, try again later"),
        ("virtual_alias_maps joe@va.test", "NOTFOUND "),
        ("virtual_alias_maps boss@va.test", "OK eve@x.org"),
        ("virtual_alias_maps both@va.example", "OK eve@x.org, max@y.org"),
        ("virtual_alias_maps any@vb.test", "OK any@other.example"),
        ("virtual_alias_maps joe@vb.test", "NOTFOUND "),
        // A copy stays here, bounces are the owner's: the message has to come to us.
        ("virtual_alias_maps mixed@va.test", "NOTFOUND "),
        ("virtual_alias_maps team@va.test", "NOTFOUND "),
        ("virtual_alias_maps loop@va.test", "NOTFOUND "),
        ("sender_login joe@va.test", "OK joe@va.test"),
        ("sender_login joe@va.example", "OK joe@va.test"),
        ("sender_login sales@va.test", "OK joe@va.test, ann@va.test"),
        ("sender_login boss@va.test", "NOTFOUND "),
        ("nosuch joe@va.test", "PERM there is no such map"),
        ("", "PERM there is no such map"),
    ] {
        assert_eq!(client.map(request), expected, "{request}");
    }
}

#[test]
fn look_ups_may_come_together_and_in_pieces_but_not_too_long() {
    let house = house("");
    let _daemon = Daemon::start(&house);
    let mut client = Client::of(&house, "socketmap");
    let request = framed("virtual_mailbox_maps joe@va.test");
    client.say(request.repeat(1000));
    (0..1000).for_each(|_| assert_eq!(client.netstring(), "OK joe@va.test"));
    for octet in request.as_bytes() {
        client.say([*octet]);
    }
    assert_eq!(client.netstring(), "OK joe@va.test");
    assert_eq!(client.map(&format!("virtual_mailbox_maps {}@va.test", "x".repeat(4000))), "NOTFOUND ");
    client.say("1000000:");
    assert!(client.ended(), "what is announced is not waited for");
}

#[test]
fn policy_knows_who_is_unknown_and_who_has_no_room() {
    let house = house("");
    let _daemon = Daemon::start(&house);
    let mut client = Client::of(&house, "policy");
    for (recipient, size, expected) in [
        ("joe@va.test", 0, "action=DUNNO"),
        ("joe@va.test", 9_000, "action=DUNNO"),
        ("joe@va.test", 90_000, "action=452 4.2.2 the mailbox is full"),
        ("joe@va.example", 90_000, "action=452 4.2.2 the mailbox is full"),
        ("joe@vb.test", 90_000, "action=552 5.2.2 the mailbox is full"),
        ("nobody@va.test", 0, "action=550 5.1.1 there is no such user here"),
        ("loop@va.test", 0, "action=554 5.4.6 the address leads back to itself"),
        ("joe@broken.test", 0, "action=451 4.3.5 this address is being mended, try again later"),
        ("joe@x.org", 0, "action=DUNNO"),
        ("", 0, "action=DUNNO"),
    ] {
        assert_eq!(client.policy(recipient, size), expected, "{recipient} {size}");
    }
    client.say("EHLO x\r\n");
    assert!(client.ended());
}

/// A client behind the server's greeting.
fn sasl(house: &House) -> Client {
    let mut client = Client::of(house, "auth");
    let greeting: Vec<String> = std::iter::repeat_with(|| client.line()).take_while(|line| line != "DONE").collect();
    assert_eq!(greeting[..3], ["VERSION\t1\t2", "MECH\tPLAIN\tplaintext", "MECH\tLOGIN\tplaintext"]);
    let names: Vec<&str> = greeting[3..].iter().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(names, ["SPID", "CUID", "COOKIE"]);
    client.say("VERSION\t1\t1\nCPID\t4711\n");
    client
}

fn plain(client: &mut Client, known: &str, name: &str, password: &str) -> String {
    let response = STANDARD.encode(format!("\0{name}\0{password}"));
    client.say(format!("AUTH\t1\tPLAIN\tservice=smtp\t{known}\tresp={response}\n"));
    client.line()
}

#[test]
fn passwords_are_those_of_the_domain_that_was_dialled_or_named() {
    let house = house("");
    let _daemon = Daemon::start(&house);
    let mut client = sasl(&house);
    let (va, vb) = ("lip=127.0.0.2\trip=127.0.0.9", "lip=127.0.0.3\trip=127.0.0.9");
    let (ours, theirs) = ("OK\t1\tuser=joe@va.test", "OK\t1\tuser=joe@vb.test");
    let refused = "FAIL\t1\treason=wrong name or password";
    for (known, name, password, expected) in [
        (va, "joe", "one", ours),
        (vb, "joe", "three", theirs),
        (vb, "joe", "one", refused),
        (vb, "joe@va.test", "one", ours),
        (va, "joe@va.example", "one", ours),
        ("nologin", "joe@vb.test", "three", theirs),
        ("lip=127.0.0.9\tlocal_name=vb.test", "joe", "three", theirs),
        (va, "ann@vb.test", "two", refused),
        (va, "nobody", "one", refused),
        (va, "joe@broken.test", "one", "FAIL\t1\ttemp\treason=try again later"),
    ] {
        assert_eq!(plain(&mut client, known, name, password), expected, "{known} {name}");
    }
    // As Postfix and as Exim say that there is no initial response.
    client.say(format!("AUTH\t7\tPLAIN\t{va}\nAUTH\t8\tLOGIN\t{va}\tresp=\n"));
    assert_eq!((client.line(), client.line()), ("CONT\t7\t".into(), format!("CONT\t8\t{}", STANDARD.encode("Username:"))));
    client.say(format!("CONT\t8\t{}\nCONT\t7\t{}\n", STANDARD.encode("ann"), STANDARD.encode("\0joe\0one")));
    assert_eq!((client.line(), client.line()), (format!("CONT\t8\t{}", STANDARD.encode("Password:")), "OK\t7\tuser=joe@va.test".into()));
    client.say(format!("CONT\t8\t{}\n", STANDARD.encode("two")));
    assert_eq!(client.line(), "OK\t8\tuser=ann@va.test");
    client.say("CONT\t8\tAAAA\nAUTH\t9\tCRAM-MD5\nAUTH\t10\tPLAIN\tresp=***\n");
    let replies = [client.line(), client.line(), client.line()];
    assert_eq!(replies, ["FAIL\t8\treason=no such login", "FAIL\t9\treason=no such mechanism", "FAIL\t10\treason=malformed response"]);
    client.say("GET / HTTP/1.0\n");
    assert!(client.ended());
}

#[test]
fn strangers_log_in_with_tls_only_where_that_is_asked_and_no_password_is_logged() {
    let house = house("plaintext = \"tls-first\"");
    let daemon = Daemon::start(&house);
    let mut client = sasl(&house);
    let stranger = "lip=127.0.0.2\trip=198.51.100.9";
    assert_eq!(plain(&mut client, stranger, "joe", "one"), "FAIL\t1\treason=TLS has to be started first");
    assert_eq!(plain(&mut client, &format!("{stranger}\tsecured"), "joe", "one"), "OK\t1\tuser=joe@va.test");
    assert_eq!(plain(&mut client, &format!("{stranger}\tsecured"), "joe", "my-secret"), "FAIL\t1\treason=wrong name or password");
    let log = daemon.log();
    assert!(log.contains("login-failed") && log.contains("198.51.100.9") && log.contains("wrong password"), "{log}");
    assert!(!log.contains("my-secret") && !log.contains(&STANDARD.encode("\0joe\0my-secret")), "{log}");
}

#[test]
fn sockets_come_and_go_with_the_configuration() {
    let house = house("[mta]\npolicy = \"\"\nmode = \"0600\"\n");
    let daemon = Daemon::start(&house);
    let run = house.root().run();
    assert!(!run.join("policy").exists() && run.join("auth").exists());
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().0.success());
    assert!(["auth", "socketmap", "lmtp"].iter().all(|name| !run.join(name).exists()));
}

#[test]
fn only_so_many_ask_at_once_and_whoever_leaves_makes_room() {
    let house = house("mta.connections = 2");
    let daemon = Daemon::start(&house);
    let (mut first, mut second) = (Client::of(&house, "socketmap"), Client::of(&house, "policy"));
    assert_eq!(first.map("virtual_mailbox_domains va.test"), "OK va.test");
    assert_eq!(second.policy("joe@va.test", 0), "action=DUNNO");
    assert!(Client::of(&house, "auth").ended(), "the limit is that of all three sockets");
    assert_eq!(first.map("virtual_mailbox_domains vb.test"), "OK vb.test", "those who are there are served");
    let log = daemon.log();
    assert!(log.contains("crowded proto=auth limit=2"), "{log}");
    drop(second);
    poll(|| Client::of(&house, "auth").line().starts_with("VERSION\t").then_some(()));
}

#[test]
fn a_reload_moves_sockets_exchanges_them_and_leaves_the_others() {
    let house = house("");
    let daemon = Daemon::start(&house);
    let run = house.root().run();
    let (mut session, inode) = (Client::of(&house, "socketmap"), fs::metadata(run.join("lmtp")).unwrap().ino());
    for (settings, policy, socketmap, gone) in [
        ("policy = \"socketmap\"\nsocketmap = \"policy\"\nauth = \"\"\n", "socketmap", "policy", vec!["auth"]),
        ("policy = \"new/policy\"\nmode = \"0600\"\n", "new/policy", "socketmap", vec!["policy"]),
        ("policy = \"policy\"\nsocketmap = \"no folder/\"\n", "policy", "auth", vec!["socketmap", "new/policy"]),
        ("connections = 5\n", "policy", "socketmap", vec!["new/policy"]),
    ] {
        let mut machine: toml::Table = fs::read_to_string(house.root().machine()).unwrap().parse().unwrap();
        machine.insert("mta".into(), toml::Value::Table(settings.parse().unwrap()));
        fs::write(house.root().machine(), toml::to_string(&machine).unwrap()).unwrap();
        daemon.signal(Signal::HUP);
        poll(|| gone.iter().all(|name| !run.join(name).exists()).then_some(()));
        poll(|| UnixStream::connect(run.join(policy)).ok());
        poll(|| UnixStream::connect(run.join(socketmap)).ok());
        poll(|| (Client::of(&house, policy).policy("nobody@va.test", 0) == "action=550 5.1.1 there is no such user here").then_some(()));
        if socketmap != "auth" {
            assert_eq!(Client::of(&house, socketmap).map("virtual_mailbox_domains va.test"), "OK va.test");
        }
        assert_eq!(fs::metadata(run.join(policy)).unwrap().mode() & 0o777, if settings.contains("0600") { 0o600 } else { 0o660 });
    }
    assert_eq!(session.map("virtual_mailbox_domains va.test"), "OK va.test", "a session outlives its socket");
    assert_eq!(fs::metadata(run.join("lmtp")).unwrap().ino(), inode, "what has not changed is not made anew");
    let log = daemon.log();
    assert!(log.contains("no folder"), "{log}");
}
