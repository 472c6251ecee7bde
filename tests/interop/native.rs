//! The main domain's connections under `vmail serve`: given to the native daemon as inetd would give them.

use crate::harness::imap::Imap;
use crate::harness::machine::Machine;
use crate::harness::need;
use crate::harness::pop::Pop;
use crate::harness::program::Program;
use crate::harness::site::{Site, letter};

#[test]
fn serve_hands_the_main_domain_to_mailutils() {
    need!(root, "mailutils-pop3d");
    Machine::run(|machine| {
        machine.install("mailutils-pop3d");
        let _server = furnish(machine, r#"pop3 = ["/usr/sbin/pop3d", "--inetd", "--no-config"]"#);
        main_domain_is_native("+OK POP3 Ready <");
    });
}

#[test]
fn serve_hands_the_main_domain_to_popa3d() {
    need!(root, "popa3d");
    Machine::run(|machine| {
        machine.install("popa3d").line("/etc/passwd", "popa3d:x:4200:4200::/var/lib/popa3d:/bin/false");
        machine.line("/etc/group", "popa3d:x:4200:").sh("mkdir -p /var/lib/popa3d");
        let _server = furnish(machine, r#"pop3 = ["/usr/sbin/popa3d"]"#);
        main_domain_is_native("+OK");
    });
}

#[test]
fn serve_hands_imap_of_the_main_domain_to_mailutils() {
    need!(root, "mailutils-imap4d");
    Machine::run(|machine| {
        machine.install("mailutils-imap4d");
        machine.sh("printf 'auth required pam_unix.so\naccount required pam_unix.so\n' > /etc/pam.d/mailutils-imap4d");
        let _server = furnish(machine, r#"imap = ["/usr/sbin/imap4d", "--inetd", "--no-config"]"#);
        let (mut imap, greeting) = Imap::dial("192.0.2.1:143");
        assert!(greeting.starts_with("* OK IMAP4rev1") && !greeting.contains("vmail"), "{greeting}");
        imap.ask("LOGIN joe native");
        assert!(imap.sight("INBOX").uid("of the machine") > 0);
        imap.ask("LOGOUT");
        assert!(Imap::login("192.0.2.7:143", "joe", "one").sight("INBOX").uid("of va") > 0);
        // POP3 has no native daemon here, and is refused as before.
        assert!(Pop::dial("192.0.2.1:110").1.starts_with("-ERR "));
    });
}

// Only then do wait(2), read(2) and SIGPIPE work in a program that expects them to.
#[test]
fn the_native_daemon_finds_its_socket_blocking_and_its_signals_as_inetd_leaves_them() {
    need!(root);
    Machine::run(|machine| {
        machine.file(
            "/usr/sbin/witness",
            "#!/bin/sh\ngrep -E '^Sig(Blk|Ign):' /proc/self/status\nls -l /proc/self/fd\nsed -n s/^flags:.//p /proc/self/fdinfo/0\n",
        );
        machine.sh("chmod 755 /usr/sbin/witness");
        let _server = furnish(machine, r#"pop3 = ["/usr/sbin/witness", "argument"]"#);
        let said = Pop::connect("192.0.2.1:110").rest();
        // What who started the tests ignores, like SIGQUIT in a background job, is ignored all the way down; Rust adds SIGPIPE.
        let inherited = signals("Ign", &std::fs::read_to_string("/proc/thread-self/status").unwrap()) & !(1 << 12);
        assert_eq!(signals("Ign", &said) & !inherited, 0, "none is ignored:\n{said}");
        assert_eq!(signals("Blk", &said), 0, "none is blocked:\n{said}");
        let flags = said.lines().last().and_then(|line| u32::from_str_radix(line.trim(), 8).ok()).expect(&said);
        assert_eq!(flags & 0o4000, 0, "O_NONBLOCK is off:\n{said}");
        let sockets = said.lines().filter(|line| line.contains("socket:[")).count();
        assert_eq!(sockets, 3, "0, 1 and 2 are the client, and nothing else of the server's is open:\n{said}");
    });
}

#[test]
fn without_a_native_daemon_the_main_domain_is_refused_clearly() {
    need!(root);
    Machine::run(|machine| {
        let _server = furnish(machine, "");
        let (mut pop, greeting) = Pop::dial("192.0.2.1:110");
        assert!(greeting.starts_with("-ERR "), "{greeting}");
        assert_eq!(pop.rest(), "");
        let (mut imap, greeting) = Imap::dial("192.0.2.1:143");
        assert!(greeting.starts_with("* BYE [UNAVAILABLE] "), "{greeting}");
        assert_eq!(imap.rest(), "");
    });
}

fn furnish(machine: &Machine, native: &str) -> Program {
    machine.install_vmail().addresses(&["192.0.2.1", "192.0.2.7"]).user("joe", 4001, "native");
    machine.file("/var/mail/joe", letter("of the machine")).sh("chown joe:mail /var/mail/joe; chmod 660 /var/mail/joe");
    machine.sh("printf 'auth required pam_unix.so\naccount required pam_unix.so\n' > /etc/pam.d/popa3d");
    machine.sh("cp /etc/pam.d/popa3d /etc/pam.d/pop3d; cp /etc/pam.d/popa3d /etc/pam.d/mailutils-pop3d");
    let site = Site;
    site.configure(&format!("[native]\n{native}\n[address]\n\"192.0.2.1\" = \"main\"\n"));
    site.domain("va.test", &["192.0.2.7"]).user("joe@va.test", "one").mail("joe@va.test", letter("of va"));
    site.serve()
}

fn main_domain_is_native(greets: &str) {
    let mut virtual_joe = Pop::login("192.0.2.7:110", "joe", "one");
    assert!(String::from_utf8_lossy(&virtual_joe.ask("RETR 1")).contains("of va"));
    for _ in 0..2 {
        let (mut pop, greeting) = Pop::dial("192.0.2.1:110");
        assert!(greeting.starts_with(greets) && !greeting.contains("Virtual"), "{greeting}");
        assert!(pop.say("USER joe").starts_with("+OK"));
        assert!(pop.say("PASS native").starts_with("+OK"));
        assert!(String::from_utf8_lossy(&pop.ask("RETR 1")).contains("of the machine"));
        assert!(pop.say("QUIT").starts_with("+OK"));
    }
    assert!(virtual_joe.say("NOOP").starts_with("+OK"), "the virtual session goes on");
}

/// A mask of signals in the text of `/proc/PID/status`.
fn signals(mask: &str, status: &str) -> u64 {
    let digits = status.lines().find_map(|line| line.strip_prefix("Sig")?.strip_prefix(mask)?.strip_prefix(":\t"));
    // Those below 32; the C library keeps the others to itself.
    u64::from_str_radix(digits.expect(status), 16).unwrap() & 0x7fff_ffff
}
