//! IMAP as its users meet it, from a real server: whose mail they see, whose they don't, and what slow clients cost the others.

mod domains;
mod isolation;
mod log;
mod slow;

use std::net::SocketAddr;

use crate::daemon::{Daemon, free_address};
use crate::harness::imap::{Imap, letter};
use crate::house::House;

/// A server for va.test and vb.test, each at an address of its own; both have a joe, va.test has an ann, too.
struct World {
    house: House,
    daemon: Daemon,
    authority: String,
    va: Address,
    vb: Address,
}

/// Where a domain is served.
struct Address {
    starttls: SocketAddr,
    implicit: SocketAddr,
}

impl World {
    fn new() -> World {
        World::with("")
    }

    /// With more in vmail.toml.
    fn with(settings: &str) -> World {
        let [va, vb] = [(), ()].map(|()| Address::free());
        let listeners: String = [&va, &vb].map(Address::listeners).concat();
        let tls = "[tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n[reverse]\nlookup = \"off\"\n";
        let house = House::new(&format!("{listeners}{tls}{settings}"));
        let authority = house.certificate(&["mail.va.test", "mail.vb.test"]);
        for (name, address) in [("va.test", &va), ("vb.test", &vb)] {
            house.domain(name, &format!("ip = [\"{}\"]\n", address.starttls.ip()));
        }
        for (owner, password) in [("joe@va.test", "one"), ("joe@vb.test", "two"), ("ann@va.test", "three")] {
            house.user(owner, password);
            house.deliver(owner, letter(&format!("of {owner}")).as_bytes());
        }
        let daemon = Daemon::start(&house);
        World { house, daemon, authority, va, vb }
    }

    fn joe(&self) -> Imap {
        Imap::login(self.va.starttls, "joe", "one")
    }

    fn ann(&self) -> Imap {
        Imap::login(self.va.starttls, "ann", "three")
    }

    fn other_joe(&self) -> Imap {
        Imap::login(self.vb.starttls, "joe", "two")
    }
}

impl Address {
    fn free() -> Address {
        let starttls = free_address();
        let implicit = std::net::TcpListener::bind((starttls.ip(), 0)).unwrap().local_addr().unwrap();
        Address { starttls, implicit }
    }

    fn listeners(&self) -> String {
        let listen = |address: &SocketAddr, tls: &str| {
            let (ip, port) = (address.ip(), address.port());
            format!("[[listen]]\nproto = \"imap\"\naddress = \"{ip}\"\nport = {port}\ntls = \"{tls}\"\n")
        };
        listen(&self.starttls, "starttls") + &listen(&self.implicit, "implicit")
    }
}

/// The subjects of what is in INBOX.
fn subjects(imap: &mut Imap) -> Vec<String> {
    imap.sight("INBOX").messages.into_values().map(|shown| shown.subject).collect()
}
