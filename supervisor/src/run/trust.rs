//! Whom the supervisor believes: the system's roots and `--extra-ca`. There is no way to believe everybody.

use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::RunError;
use crate::authority::AuthorityError;
use crate::upstream::Upstream;

/// Whom the supervisor trusts to speak for an origin.
pub(super) struct Trust {
    pub(super) system: Vec<CertificateDer<'static>>,
    extra: Vec<CertificateDer<'static>>,
}

impl Trust {
    pub(super) fn load(extra: &[PathBuf]) -> Result<Self, RunError> {
        let mut trust = Self { system: rustls_native_certs::load_native_certs().certs, extra: Vec::new() };
        for path in extra {
            let file =
                std::fs::File::open(path).map_err(|error| RunError::File { path: path.clone(), error })?;
            let wrong = |error: String| RunError::ExtraCa { path: path.clone(), error };
            let before = trust.extra.len();
            for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
                trust.extra.push(certificate.map_err(|error| wrong(format!("{error:?}")))?);
            }
            if trust.extra.len() == before {
                return Err(wrong("holds no certificate in PEM form".to_owned()));
            }
        }
        Ok(trust)
    }

    /// Verifies origins against the system's roots (those that come with this program where there are none) and the
    /// extra ones. There is no way to turn that off.
    pub(super) fn upstream(
        &self,
        provider: Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Upstream, AuthorityError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.system.iter().cloned());
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for certificate in &self.extra {
            roots.add(certificate.clone())?;
        }
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Upstream::new(&config))
    }
}
