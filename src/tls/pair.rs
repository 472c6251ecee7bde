//! One certificate chain and its key: read, checked, and told what is wrong with them in an administrator's words.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use chrono::DateTime;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};
use zeroize::Zeroizing;

use super::{Flaw, PROVIDER};
use crate::config::{Fault, Pair};

/// A pair that can be used.
pub(super) struct Loaded {
    pub(super) key: CertifiedKey,
    /// The DNS names of the certificate, in lower case.
    pub(super) names: Vec<Box<str>>,
}

/// Reads and checks a pair; `None` where it cannot be used.
pub(super) fn load(pair: &Pair, flaws: &mut Vec<Flaw>) -> Option<Loaded> {
    let loaded = try_load(pair);
    match loaded {
        Ok(loaded) => {
            let warnings = [validity(&pair.certificate, &loaded), privacy(&pair.key)];
            flaws.extend(warnings.into_iter().flatten().map(|fault| Flaw { fault, is_fatal: false }));
            Some(loaded)
        }
        Err(fault) => {
            flaws.push(Flaw { fault, is_fatal: true });
            None
        }
    }
}

fn try_load(pair: &Pair) -> Result<Loaded, Fault> {
    let chain = chain(&pair.certificate)?;
    let names = names(&pair.certificate, &chain[0])?;
    let key = CertifiedKey::from_der(chain, key(&pair.key)?, &PROVIDER).map_err(|error| mismatch(pair, &error))?;
    Ok(Loaded { key, names })
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let text = read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(Fault::of_file(file, "has no certificate: write the PEM chain, the server's own first")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(Fault::of_file(file, format!("is no PEM file ({error}): write the chain as PEM, the server's own first"))),
    }
}

fn names(file: &Path, certificate: &CertificateDer<'_>) -> Result<Vec<Box<str>>, Fault> {
    let parsed = EndEntityCert::try_from(certificate)
        .map_err(|error| Fault::of_file(file, format!("its first certificate is damaged or too old ({error}): have it issued again")))?;
    Ok(parsed.valid_dns_names().map(|name| name.to_ascii_lowercase().into()).collect())
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if memchr::memmem::find(&text, b"BEGIN ENCRYPTED PRIVATE KEY").is_some() => Fault::of_file(
            file,
            "is encrypted, and nobody is there to type its passphrase: write it in the clear with `openssl pkey`, mode 0600",
        ),
        pem::Error::NoItemsFound => {
            Fault::of_file(file, "has no private key: write a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY")
        }
        error => Fault::of_file(file, format!("is no PEM file ({error}): write the private key as PEM")),
    })
}

fn mismatch(pair: &Pair, error: &rustls::Error) -> Fault {
    match error {
        rustls::Error::InconsistentKeys(_) => Fault::of_file(
            &pair.key,
            format!("is not the key of {}: write the key that its request was made with", pair.certificate.display()),
        ),
        error => Fault::of_file(&pair.key, format!("cannot be used ({error}): make an ECDSA P-256 or an RSA key of 2048 bits or more")),
    }
}

/// A pair is used whatever its dates are: clients complain, and they do not fall back to plain text unasked.
fn validity(file: &Path, loaded: &Loaded) -> Option<Fault> {
    let now = UnixTime::now();
    let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + EXPIRY_WARNING));
    let told = |what: &str, time: UnixTime| {
        let date = i64::try_from(time.as_secs()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0))?;
        Some(Fault::of_file(file, format!("{what} {}: have it renewed, and reload", date.format("%Y-%m-%d"))))
    };
    match (judge(loaded, now), judge(loaded, soon)) {
        (Err(webpki::Error::CertExpired { not_after, .. }), _) => told("the certificate has expired on", not_after),
        (Err(webpki::Error::CertNotValidYet { not_before, .. }), _) => told("the certificate is not valid before", not_before),
        (_, Err(webpki::Error::CertExpired { not_after, .. })) => told("the certificate expires on", not_after),
        _ => None,
    }
}

/// What webpki says of the certificate at that time. It looks at the dates before it looks for an issuer, of which we give none.
fn judge(loaded: &Loaded, time: UnixTime) -> Result<(), webpki::Error> {
    let certificate = EndEntityCert::try_from(loaded.key.end_entity_cert().map_err(|_| webpki::Error::BadDer)?)?;
    let algorithms = PROVIDER.signature_verification_algorithms.all;
    certificate.verify_for_usage(algorithms, &[], &[], time, KeyUsage::server_auth(), None, None).map(drop)
}

fn privacy(file: &Path) -> Option<Fault> {
    let mode = fs::metadata(file).ok()?.permissions().mode() & 0o777;
    (mode & 0o007 != 0).then(|| {
        Fault::of_file(
            file,
            format!("everybody on this machine may read this private key (mode {mode:04o}): chmod 0600, or 0640 with a group"),
        )
    })
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut text = Zeroizing::new(Vec::new());
    let read = File::open(file).and_then(|opened| opened.take(MAX_OCTETS + 1).read_to_end(&mut text));
    match read {
        Ok(_) if text.len() as u64 > MAX_OCTETS => {
            Err(Fault::of_file(file, "is larger than 1 MiB: write the server's own chain, not a list of authorities"))
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Fault::of_file(file, "does not exist: write it, or mend the [tls] section"))
        }
        Err(error) => Err(Fault::unreadable(file, &error)),
    }
}

const MAX_OCTETS: u64 = 1 << 20;
/// Seconds: two weeks, well after the time when automatic renewal should have happened.
const EXPIRY_WARNING: u64 = 14 * 24 * 3600;
