//! The certificates of all domains, behind the door through which sessions begin TLS.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::config::{Machine, Pair, Root};
use crate::tls::{self, Certificates, Holder, Source};
use crate::vdomain::VirtualDomain;
use crate::wire::{Accepting, Plain, TlsDoor};

/// Who makes TLS of connections.
pub struct Door {
    certificates: Certificates,
    key_files: Vec<PathBuf>,
}

impl Door {
    /// Reads the machine's certificate and those of `domains`. What is wrong with one is logged, and the others hold.
    pub fn load<'a>(root: &Root, machine: &Machine, domains: impl Iterator<Item = &'a VirtualDomain>) -> Door {
        let of_machine = machine.tls.iter().map(|pair| Source { pair: named(root, pair), holder: Holder::Machine });
        let of_domains = domains.filter_map(|domain| {
            let names = std::iter::once(&domain.name).chain(&domain.record.alias).cloned().collect();
            let holder = Holder::Domain { names, addresses: domain.record.ip.clone() };
            Some(Source { pair: named(root, domain.record.tls.as_ref()?), holder })
        });
        let sources: Vec<Source> = of_machine.chain(of_domains).collect();
        let key_files = sources.iter().map(|source| source.pair.key.clone()).collect();
        let (certificates, flaws) = Certificates::load(sources);
        for flaw in flaws {
            match flaw.is_fatal {
                true => tracing::error!(event = "certificate", error = %flaw),
                false => tracing::warn!(event = "certificate", error = %flaw),
            }
        }
        Door { certificates, key_files }
    }

    /// Whether anybody anywhere can be served with TLS.
    pub fn has_any(&self) -> bool {
        !self.key_files.is_empty()
    }

    /// The files of the private keys.
    pub fn key_files(&self) -> &[PathBuf] {
        &self.key_files
    }
}

fn named(root: &Root, pair: &Pair) -> Pair {
    Pair { certificate: root.named(&pair.certificate), key: root.named(&pair.key) }
}

impl TlsDoor for Door {
    fn is_open(&self, local: IpAddr) -> bool {
        self.certificates.any_for(local)
    }

    fn accept(&self, io: Plain, local: IpAddr) -> Accepting<'_> {
        Box::pin(tls::accept(io, &self.certificates, local))
    }
}
