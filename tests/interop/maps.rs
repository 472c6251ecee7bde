//! virtmaps in the hands of Postfix, Exim and makemap.

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
