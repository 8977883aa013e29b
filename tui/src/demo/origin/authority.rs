//! A certificate authority that lives as long as one start of the demo.
//!
//! Its key is made here, never written and never shown; only the certificate leaves, as PEM. Refuses host names
//! that no certificate can carry. Called by the origin, and by tests that play a proxy.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate for {subject:?} can be made: {source}")]
pub struct AuthorityError {
    subject: String,
    source: rcgen::Error,
}

/// An authority with its key.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    certificate: CertificateDer<'static>,
}

/// What a TLS server needs.
#[derive(Debug)]
pub struct Leaf {
    /// The leaf, then the authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Makes an authority with a fresh key.
    ///
    /// # Errors
    /// [`AuthorityError`] when the machine yields no key.
    pub fn new(name: &str) -> Result<Self, AuthorityError> {
        let failed = |source| AuthorityError { subject: name.to_owned(), source };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let (pem, certificate) = (certificate.pem(), certificate.der().clone());
        Ok(Self { issuer: Issuer::new(params, key), pem, certificate })
    }

    /// The authority's certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a server certificate for `host`, a DNS name or an IP literal.
    ///
    /// # Errors
    /// [`AuthorityError`] when `host` is neither.
    pub fn leaf(&self, host: &str) -> Result<Leaf, AuthorityError> {
        let failed = |source| AuthorityError { subject: host.to_owned(), source };
        let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, host);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Leaf { chain: vec![leaf.der().clone(), self.certificate.clone()], key })
    }
}
