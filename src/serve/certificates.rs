//! The certificates of all domains, behind the door through which sessions begin TLS.

use std::net::IpAddr;
use std::path::Path;
use std::sync::OnceLock;

use crate::config::{Machine, Pair, Root};
use crate::tls::{self, Certificates, Holder, Source};
use crate::vdomain::VirtualDomain;
use crate::wire::{Accepting, Plain, TlsDoor};

/// Who makes TLS of connections.
pub struct Door {
    sources: Vec<Source>,
    /// Read when first needed: a child of inetd whose client wants no TLS has no use for them.
    certificates: OnceLock<Certificates>,
}

impl Door {
    /// The machine's certificate and those of `domains`, not read yet.
    pub fn of<'a>(root: &Root, machine: &Machine, domains: impl Iterator<Item = &'a VirtualDomain>) -> Door {
        let of_machine = machine.tls.iter().map(|pair| Source { pair: named(root, pair), holder: Holder::Machine });
        let of_domains = domains.filter_map(|domain| {
            let names = std::iter::once(&domain.name).chain(&domain.record.alias).cloned().collect();
            let holder = Holder::Domain { names, addresses: domain.record.ip.clone() };
            Some(Source { pair: named(root, domain.record.tls.as_ref()?), holder })
        });
        Door { sources: of_machine.chain(of_domains).collect(), certificates: OnceLock::new() }
    }

    /// Reads the certificates, once. What is wrong with one is logged, and the others hold.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.get_or_init(|| {
            let (certificates, flaws) = Certificates::load(self.sources.iter().cloned());
            for flaw in flaws {
                match flaw.is_fatal {
                    true => tracing::error!(event = "certificate", error = %flaw),
                    false => tracing::warn!(event = "certificate", error = %flaw),
                }
            }
            certificates
        })
    }

    /// Whether anybody anywhere can be served with TLS.
    pub fn has_any(&self) -> bool {
        !self.sources.is_empty()
    }

    /// The files of the private keys.
    pub fn key_files(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(|source| source.pair.key.as_path())
    }
}

fn named(root: &Root, pair: &Pair) -> Pair {
    Pair { certificate: root.named(&pair.certificate), key: root.named(&pair.key) }
}

impl TlsDoor for Door {
    fn is_open(&self, local: IpAddr) -> bool {
        !self.sources.is_empty() && self.certificates().any_for(local)
    }

    fn accept(&self, io: Plain, local: IpAddr) -> Accepting<'_> {
        Box::pin(tls::accept(io, self.certificates(), local))
    }
}
