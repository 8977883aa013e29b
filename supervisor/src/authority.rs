//! The sandbox's certificate authority: what lets the proxy read the requests that it must judge.
//!
//! The key is made anew for each run, lives in this process's memory and is never written. One leaf key serves
//! all hosts; certificates are made when a host is first needed and kept, in bounded number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Datelike as _, Duration, Utc};
use openshell_domain::policy::host::Host;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::upstream::Offer;

/// The most certificates that are kept.
const KEPT_LEAVES: usize = 512;

/// A certificate that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate library's reason.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library's reason.
    #[error("making a TLS configuration: {0}")]
    Tls(#[from] rustls::Error),
}

/// The authority of one run.
pub struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    leaf_key: KeyPair,
    from: DateTime<Utc>,
    provider: Arc<CryptoProvider>,
    leaves: Mutex<BTreeMap<(Host, Offer), Arc<ServerConfig>>>,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CertificateAuthority(key hidden)")
    }
}

impl CertificateAuthority {
    /// A new authority, valid from a day before `now` for a year.
    ///
    /// # Errors
    /// [`AuthorityError`] when keys cannot be made.
    pub fn new(now: DateTime<Utc>, provider: Arc<CryptoProvider>) -> Result<Self, AuthorityError> {
        let from = now - Duration::days(1);
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "openshell-inbox sandbox CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, from);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer, leaf_key: KeyPair::generate()?, from, provider, leaves: Mutex::default() })
    }

    /// The authority's certificate, to be trusted inside the sandbox.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The TLS configuration with which the proxy answers for `host`, and what it offers there.
    ///
    /// # Errors
    /// [`AuthorityError`] when the certificate cannot be made.
    pub fn server_config(&self, host: &Host, offer: Offer) -> Result<Arc<ServerConfig>, AuthorityError> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.clone(), offer);
        if let Some(known) = leaves.get(&key) {
            return Ok(Arc::clone(known));
        }
        let config = Arc::new(self.make(host, offer)?);
        if leaves.len() >= KEPT_LEAVES {
            leaves.clear();
        }
        leaves.insert(key, Arc::clone(&config));
        Ok(config)
    }

    fn make(&self, host: &Host, offer: Offer) -> Result<ServerConfig, AuthorityError> {
        let mut params = CertificateParams::new(vec![host.to_string()])?;
        params.distinguished_name.push(DnType::CommonName, "openshell-inbox sandbox");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        set_validity(&mut params, self.from);
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone(), self.issuer.der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = offer.protocols();
        Ok(config)
    }
}

fn set_validity(params: &mut CertificateParams, from: DateTime<Utc>) {
    let date = |at: DateTime<Utc>| {
        let part = |n: u32| u8::try_from(n).unwrap_or(1);
        rcgen::date_time_ymd(at.year(), part(at.month()), part(at.day()))
    };
    params.not_before = date(from);
    params.not_after = date(from + Duration::days(366));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_made_once_for_a_host_and_the_number_kept_is_bounded() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let authority = CertificateAuthority::new(crate::clock::now(), provider).unwrap();
        let host = Host::parse("api.github.com").unwrap();
        let first = authority.server_config(&host, Offer::Both).unwrap();
        assert!(Arc::ptr_eq(&first, &authority.server_config(&host, Offer::Both).unwrap()));
        let other = authority.server_config(&host, Offer::Http1).unwrap();
        assert_eq!((first.alpn_protocols.len(), other.alpn_protocols.len()), (2, 1));
        assert!(authority.server_config(&Host::parse("[2606:4700::1]").unwrap(), Offer::Both).is_ok());
        for n in 0..KEPT_LEAVES + 2 {
            let host = Host::parse(&format!("h{n}.example")).unwrap();
            authority.server_config(&host, Offer::Http1).unwrap();
        }
        assert!(authority.leaves.lock().unwrap().len() <= KEPT_LEAVES);
        assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!format!("{authority:?}").contains("PRIVATE"));
    }
}
