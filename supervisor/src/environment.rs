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

/// Variables that name sockets, services and temporary folders of the host, which do not exist inside.
const LEADS_OUT: [&str; 21] = [
    "OPENSHELL_INBOX_GATEWAY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "SSH_CONNECTION",
    "SSH_CLIENT",
    "SSH_TTY",
    "GPG_AGENT_INFO",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "TMUX",
    "TMUX_PANE",
    "NOTIFY_SOCKET",
    "TMPDIR",
    "TMP",
    "TEMP",
];

/// The files of one run without isolation.
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
        let files = Self { folder };
        write_read_only(&files.bundle(), &bundle(roots, authority_pem))?;
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
}

/// The trust bundle: system roots and the sandbox's authority, in PEM form.
#[must_use]
pub fn bundle(roots: &[CertificateDer<'_>], authority_pem: &str) -> String {
    let mut bundle = String::new();
    for root in roots {
        bundle.push_str(&pem::encode(&pem::Pem::new("CERTIFICATE", root.to_vec())));
    }
    bundle.push_str(authority_pem);
    bundle
}

/// What the command is told.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The sandbox's name.
    pub sandbox: &'a SandboxName,
    /// Where the proxy listens, as the command sees it.
    pub proxy: SocketAddr,
    /// The trust bundle, as the command sees it.
    pub bundle: &'a Path,
    /// The skill, as the command sees it; none where its agents may not propose.
    pub skill: Option<&'a Path>,
}

impl Told<'_> {
    /// The variables that the command gets on top of its own.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let url = OsString::from(format!("http://{}", self.proxy));
        let loopback = OsString::from("127.0.0.1,localhost,::1");
        let mut variables: Vec<(&str, OsString)> = PROXY.iter().map(|name| (*name, url.clone())).collect();
        variables.extend(TRUST.iter().map(|name| (*name, self.bundle.into())));
        variables.push(("NO_PROXY", loopback.clone()));
        variables.push(("no_proxy", loopback));
        variables.push(("NODE_USE_ENV_PROXY", "1".into()));
        variables.push(("OPENSHELL_SANDBOX", self.sandbox.as_str().into()));
        if let Some(skill) = self.skill {
            variables.push(("OPENSHELL_SKILL", skill.into()));
        }
        variables
    }
}

/// The whole environment of an isolated command: this process's own, without what leads to somebody outside, and what
/// it is told.
#[must_use]
pub fn isolated(
    own: impl Iterator<Item = (OsString, OsString)>,
    told: &Told<'_>,
) -> Vec<(OsString, OsString)> {
    let told = told.variables();
    let is_told = |name: &OsString| told.iter().any(|(known, _)| name == known);
    let leads_out = |name: &OsString| LEADS_OUT.iter().any(|known| name == known);
    let mut variables: Vec<_> = own.filter(|(name, _)| !leads_out(name) && !is_told(name)).collect();
    variables.extend(told.into_iter().map(|(name, value)| (name.into(), value)));
    variables
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
        let sandbox = "demo".parse().unwrap();
        let (bundle, skill) = (files.bundle(), files.skill());
        let proxy = "127.0.0.1:3128".parse().unwrap();
        let told = Told { sandbox: &sandbox, proxy, bundle: &bundle, skill: Some(&skill) };
        let variables = told.variables();
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).unwrap().1.clone();
        assert_eq!(get("https_proxy"), "http://127.0.0.1:3128");
        assert!(Path::new(&get("SSL_CERT_FILE")).is_file());
        assert!(fs::read_to_string(get("OPENSHELL_SKILL")).unwrap().contains("policy.local"));
        let folder = files.folder.path().to_owned();
        drop(files);
        assert!(!folder.exists());
        let off = Told { skill: None, ..told }.variables();
        assert!(!off.iter().any(|(key, _)| *key == "OPENSHELL_SKILL"));
    }

    #[test]
    fn what_leads_out_of_the_sandbox_is_not_inherited() {
        let sandbox = "demo".parse().unwrap();
        let proxy = "127.0.0.1:3128".parse().unwrap();
        let told = Told { sandbox: &sandbox, proxy, bundle: "/b".as_ref(), skill: None };
        let own = ["PATH", "SSH_AUTH_SOCK", "https_proxy", "TMUX", "TMPDIR"]
            .map(|name| (name.into(), "old".into()));
        let variables = isolated(own.into_iter(), &told);
        let get = |name: &str| {
            variables.iter().filter(|(key, _)| key == name).map(|(_, v)| v.clone()).collect::<Vec<_>>()
        };
        assert_eq!(get("PATH"), ["old"]);
        assert_eq!(get("https_proxy"), ["http://127.0.0.1:3128"]);
        assert!(["SSH_AUTH_SOCK", "TMUX", "TMPDIR"].iter().all(|name| get(name).is_empty()));
    }
}
