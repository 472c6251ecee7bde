//! TLS: which certificate a client is shown, by the name it asks for and the address it dialled.

mod issue;
mod pair;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::server::{Acceptor, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, ResolvesServerCertUsingSni, ServerConfig};
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::address::Domain;
use crate::config::{Fault, Pair};

pub use issue::{Authority, Issued, self_signed};

/// A certificate that an administrator named, and whom it is for.
#[derive(Debug, Clone)]
pub struct Source {
    /// The files.
    pub pair: Pair,
    /// Whom it is for.
    pub holder: Holder,
}

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The machine: shown where no domain's certificate fits.
    Machine,
    /// A domain.
    Domain {
        /// Its name and its aliases.
        names: Vec<Domain>,
        /// Its dialled addresses.
        addresses: Vec<IpAddr>,
    },
}

/// What is wrong with a certificate or its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The file, what is wrong in it, and how to mend it.
    pub fault: Fault,
    /// Whether the pair cannot be used. Otherwise it is, because clients that complain are better than clients that send their
    /// password in the clear.
    pub is_fatal: bool,
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(out)
    }
}

/// All certificates at one moment; never changed, at a reload replaced whole.
#[derive(Default)]
pub struct Certificates {
    /// By the names in the certificates, wildcards as `*.example.org`.
    by_name: HashMap<Box<str>, Arc<ServerConfig>>,
    by_domain: HashMap<Domain, Arc<ServerConfig>>,
    by_address: HashMap<IpAddr, Arc<ServerConfig>>,
    default: Option<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads all pairs. One that is broken is told and left out; the others hold. Of two for the same name, domain or address the first
    /// holds, but a domain's before the machine's. Blocks on files.
    pub fn load(sources: impl IntoIterator<Item = Source>) -> (Certificates, Vec<Flaw>) {
        let (mut certificates, mut flaws) = (Certificates::default(), Vec::new());
        let (machine, domains): (Vec<Source>, Vec<Source>) = sources.into_iter().partition(|source| source.holder == Holder::Machine);
        for source in domains.into_iter().chain(machine) {
            if let Some(loaded) = pair::load(&source.pair, &mut flaws) {
                certificates.add(source.holder, &config(Arc::new(SingleCertAndKey::from(loaded.key))), loaded.names);
            }
        }
        (certificates, flaws)
    }

    fn add(&mut self, holder: Holder, config: &Arc<ServerConfig>, names: Vec<Box<str>>) {
        for name in names.into_iter().filter(|name| holder.may_claim(name)) {
            self.by_name.entry(name).or_insert_with(|| config.clone());
        }
        match holder {
            Holder::Machine => _ = self.default.get_or_insert_with(|| config.clone()),
            Holder::Domain { names, addresses } => {
                for name in names {
                    self.by_domain.entry(name).or_insert_with(|| config.clone());
                }
                for address in addresses {
                    self.by_address.entry(address.to_canonical()).or_insert_with(|| config.clone());
                }
            }
        }
    }

    /// The certificate for a client that dialled `local` and asks for `sni`, a stranger's text. The first that there is: one that has
    /// this name; one of the domain with this name or of which it is a host; one of the dialled address's domain; the machine's.
    pub fn choose(&self, local: IpAddr, sni: Option<&str>) -> Option<Arc<ServerConfig>> {
        sni.and_then(|sni| self.by_sni(&sni.parse().ok()?))
            .or_else(|| self.by_address.get(&local.to_canonical()))
            .or(self.default.as_ref())
            .cloned()
    }

    fn by_sni(&self, name: &Domain) -> Option<&Arc<ServerConfig>> {
        let parent = name.parent();
        let wildcard = || self.by_name.get(format!("*.{}", parent.as_ref()?).as_str());
        self.by_name
            .get(name.as_str())
            .or_else(wildcard)
            .or_else(|| self.by_domain.get(name))
            .or_else(|| self.by_domain.get(parent.as_ref()?))
    }

    /// Whether every client that dials `local` can be served with TLS, so that STLS may be offered: there is a certificate for the
    /// address also when the client names nobody.
    pub fn any_for(&self, local: IpAddr) -> bool {
        self.choose(local, None).is_some()
    }
}

impl Holder {
    /// A domain's certificate speaks for the domain and its hosts only, whatever names it has: nobody may take another domain's
    /// clients by a certificate that he signed himself.
    fn may_claim(&self, name: &str) -> bool {
        let Holder::Domain { names, .. } = self else { return true };
        let host = name.strip_prefix("*.").unwrap_or(name);
        names.iter().any(|own| host.strip_suffix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }
}

/// Greets a TLS client: waits for its ClientHello, chooses the certificate, shakes hands. The caller sets the deadline.
///
/// Returns the stream and the server name that the client asked for (SNI, RFC 6066 §3), a stranger's text in lower case. A client for
/// whom there is no certificate gets an alert.
///
/// # Errors
/// `InvalidData` where the handshake failed (the alert has been sent), else those of the connection.
pub async fn accept<IO>(io: IO, certificates: &Certificates, local: IpAddr) -> io::Result<(TlsStream<IO>, Option<String>)>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    // On the heap: the handshake's state must not lie in each session for all its life. An idle session then takes 8 kB.
    Box::pin(async move {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
        let sni = hello.client_hello().server_name().map(str::to_ascii_lowercase);
        let config = certificates.choose(local, sni.as_deref()).unwrap_or_else(|| NOBODY.clone());
        let stream = hello.into_stream(config).await?;
        Ok((stream, sni))
    })
    .await
}

fn config(certificate: Arc<dyn ResolvesServerCert>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    // Sessions resume by tickets that the client keeps (RFC 8446 §2.2): nothing to store here, and valid after a reload.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if let Some(tickets) = TICKETS.as_ref() {
        config.ticketer = tickets.clone();
    }
    config.send_tls13_tickets = 1;
    Arc::new(config)
}

/// AWS-LC, with its hybrid of X25519 and ML-KEM-768 preferred. Never rustls' process-wide default: other crates may set that.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// One for the process, its keys changing every six hours; without random numbers there is no resumption.
static TICKETS: LazyLock<Option<Arc<dyn ProducesTickets>>> = LazyLock::new(|| aws_lc_rs::Ticketer::new().ok());

/// Has no certificate, and so answers every ClientHello with an alert.
static NOBODY: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| config(Arc::new(ResolvesServerCertUsingSni::new())));

#[cfg(test)]
mod tests;
