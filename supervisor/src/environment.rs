//! What the command finds around it: the proxy variables, the trust bundle and the skill.
//!
//! The files live in a folder of their own that goes away with the run. The authority's key is not among them.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use openshell_domain::id::SandboxName;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

/// The skill, as it is installed.
pub const SKILL: &str = include_str!("../../skills/policy_advisor.md");

/// Variables that name a proxy.
const PROXY: [&str; 7] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "grpc_proxy"];
/// Variables that name a trust bundle.
const TRUST: [&str; 13] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "PIP_CERT",
    "AWS_CA_BUNDLE",
    "DENO_CERT",
    "HTTPLIB2_CA_CERTS",
    "NIX_SSL_CERT_FILE",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
];

/// The files of one run.
#[derive(Debug)]
pub struct RunFiles {
    folder: TempDir,
}

impl RunFiles {
    /// Writes the trust bundle (system roots and the sandbox's authority) and the skill.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(roots: &[CertificateDer<'_>], authority_pem: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("openshell-run-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let mut bundle = String::new();
        for root in roots {
            bundle.push_str(&pem::encode(&pem::Pem::new("CERTIFICATE", root.to_vec())));
        }
        bundle.push_str(authority_pem);
        let files = Self { folder };
        write_read_only(&files.bundle(), &bundle)?;
        write_read_only(&files.skill(), SKILL)?;
        Ok(files)
    }

    /// The trust bundle.
    #[must_use]
    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join("ca-certificates.crt")
    }

    /// The skill.
    #[must_use]
    pub fn skill(&self) -> PathBuf {
        self.folder.path().join("policy_advisor.md")
    }

    /// The variables that the command gets on top of its own.
    #[must_use]
    pub fn variables(
        &self,
        sandbox: &SandboxName,
        proxy: SocketAddr,
        is_advisor_on: bool,
    ) -> Vec<(&'static str, OsString)> {
        let url = OsString::from(format!("http://{proxy}"));
        let loopback = OsString::from("127.0.0.1,localhost,::1");
        let mut variables: Vec<(&str, OsString)> = PROXY.iter().map(|name| (*name, url.clone())).collect();
        variables.extend(TRUST.iter().map(|name| (*name, self.bundle().into_os_string())));
        variables.push(("NO_PROXY", loopback.clone()));
        variables.push(("no_proxy", loopback));
        variables.push(("NODE_USE_ENV_PROXY", "1".into()));
        variables.push(("OPENSHELL_SANDBOX", sandbox.as_str().into()));
        if is_advisor_on {
            variables.push(("OPENSHELL_SKILL", self.skill().into_os_string()));
        }
        variables
    }
}

fn write_read_only(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o444))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_holds_every_root_and_the_authority() {
        let key = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let files = RunFiles::write(&[key.cert.der().clone()], "AUTHORITY").unwrap();
        let text = fs::read_to_string(files.bundle()).unwrap().replace("\r\n", "\n");
        assert_eq!(text, format!("{}AUTHORITY", key.cert.pem().replace("\r\n", "\n")));
    }

    #[test]
    fn every_variable_leads_to_the_proxy_or_to_a_file_that_exists() {
        let files = RunFiles::write(&[], "-----BEGIN CERTIFICATE-----\n").unwrap();
        let variables = files.variables(&"demo".parse().unwrap(), "127.0.0.1:3128".parse().unwrap(), true);
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).unwrap().1.clone();
        assert_eq!(get("https_proxy"), "http://127.0.0.1:3128");
        assert!(Path::new(&get("SSL_CERT_FILE")).is_file());
        assert!(fs::read_to_string(get("OPENSHELL_SKILL")).unwrap().contains("policy.local"));
        let folder = files.folder.path().to_owned();
        drop(files);
        assert!(!folder.exists());
        let files = RunFiles::write(&[], "").unwrap();
        let off = files.variables(&"demo".parse().unwrap(), "127.0.0.1:1".parse().unwrap(), false);
        assert!(!off.iter().any(|(key, _)| *key == "OPENSHELL_SKILL"));
    }
}
