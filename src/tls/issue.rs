//! Certificates of our own making: a self-signed one for a start, and a small authority for the demo and the tests.

use std::io;
use std::net::IpAddr;

use chrono::{Datelike, Days, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use zeroize::Zeroizing;

/// A certificate and its key, both as PEM. The key is P-256, which every mail client knows.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS #8; to be written with mode 0600.
    pub key: Zeroizing<String>,
}

/// A certificate for these names and addresses that nobody vouches for, valid for a year.
///
/// # Errors
/// `InvalidInput` for no name at all, or for one that a certificate cannot hold.
pub fn self_signed(names: &[String], addresses: &[IpAddr]) -> io::Result<Issued> {
    let key = new_key()?;
    let certificate = leaf(names, addresses)?.self_signed(&key).map_err(io::Error::other)?;
    Ok(Issued { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

/// A certificate authority that lives as long as this value, and vouches for a year.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority that calls itself `name`.
    ///
    /// # Errors
    /// What the random number generator may say.
    pub fn new(name: &str) -> io::Result<Authority> {
        let mut params = CertificateParams::default();
        params.distinguished_name = called(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params);
        let issuer = CertifiedIssuer::self_signed(params, new_key()?).map_err(io::Error::other)?;
        Ok(Authority { issuer })
    }

    /// Its own certificate as PEM, for clients to trust.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these names and addresses.
    ///
    /// # Errors
    /// As [`self_signed`].
    pub fn issue(&self, names: &[String], addresses: &[IpAddr]) -> io::Result<Issued> {
        let key = new_key()?;
        let mut params = leaf(names, addresses)?;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        Ok(Issued { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
    }
}

fn leaf(names: &[String], addresses: &[IpAddr]) -> io::Result<CertificateParams> {
    let refuse = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let mut params = CertificateParams::new(names).map_err(|error| refuse(error.to_string()))?;
    params.subject_alt_names.extend(addresses.iter().map(|&address| SanType::IpAddress(address)));
    match (names.first(), addresses.first()) {
        (Some(name), _) => params.distinguished_name = called(name),
        (None, Some(address)) => params.distinguished_name = called(&address.to_string()),
        (None, None) => return Err(refuse("a certificate needs a name or an address".into())),
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_validity(&mut params);
    Ok(params)
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    // RFC 5280 Appendix A.1: a common name has 64 letters at most; what counts are the alternative names.
    called.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    called
}

/// From yesterday, for clients whose clocks are late, for a year.
fn set_validity(params: &mut CertificateParams) {
    let today = Utc::now().date_naive();
    let time = |date: chrono::NaiveDate| {
        let small = |number: u32| u8::try_from(number).expect("months and days are small");
        date_time_ymd(date.year(), small(date.month()), small(date.day()))
    };
    params.not_before = time(today - Days::new(1));
    params.not_after = time(today + Days::new(365));
}

fn new_key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(io::Error::other)
}
