//! What a run says of its sandbox before the first proposal: credentials in scope, writable paths. Within bounds.
//!
//! The supervisor reads both from its command line, the gateway from a supervisor that stands next to the agent: the
//! same rules, here. Refuses what seems to be the value of a credential, because what is told is stored.

use super::{Credential, secrets};
use crate::policy::host::parse_pattern;
use crate::policy::pattern::{Pattern, Separator};

/// The most credentials of a run.
pub const MAX_CREDENTIALS: usize = 32;
/// The most hosts of a credential.
const MAX_CREDENTIAL_HOSTS: usize = 32;
/// The longest name of a credential, in bytes.
const MAX_CREDENTIAL_NAME: usize = 64;
/// The most writable paths of a run.
const MAX_WRITABLE: usize = 256;
/// The longest of them, in bytes: Linux's `PATH_MAX`.
const MAX_PATH: usize = 4096;

/// What a run says of its sandbox and cannot mean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A name is none.
    #[error("{0:?} is not the name of a credential: 1 to 64 letters, digits, `.`, `_` or `-`")]
    Name(String),
    /// A name stands there twice.
    #[error("{0} stands there twice: name all of its hosts at once")]
    Twice(String),
    /// No hosts, or too many.
    #[error("{0}: {1} hosts, from 1 to {MAX_CREDENTIAL_HOSTS} are allowed")]
    Hosts(String, usize),
    /// A host is none.
    #[error("{0}: hosts are wanted, such as api.example.com or *.example.com: {1}")]
    Host(String, String),
    /// A host looks like the value of a credential. It is not repeated.
    #[error("{0}: what should be a host looks like a secret: only names and hosts are told, never values")]
    Value(String),
    /// Too many credentials.
    #[error("more than {MAX_CREDENTIALS} credentials")]
    Credentials,
    /// Too many writable paths.
    #[error("{0} writable paths, at most {MAX_WRITABLE} are allowed")]
    Paths(usize),
    /// A writable path is relative, too long or holds a NUL.
    #[error("writable path {0}: an absolute path of at most {MAX_PATH} bytes is wanted")]
    Path(usize),
}

impl Credential {
    /// Reads a name and its hosts; the hosts as those of endpoints are, in one spelling.
    ///
    /// # Errors
    /// [`ScopeError`]
    pub fn new<'h>(name: &str, hosts: impl ExactSizeIterator<Item = &'h str>) -> Result<Self, ScopeError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !(1..=MAX_CREDENTIAL_NAME).contains(&name.len()) || !name.bytes().all(fits) {
            let start: String = name.chars().take(MAX_CREDENTIAL_NAME).collect();
            return Err(ScopeError::Name(start));
        }
        if !(1..=MAX_CREDENTIAL_HOSTS).contains(&hosts.len()) {
            return Err(ScopeError::Hosts(name.to_owned(), hosts.len()));
        }
        let hosts = hosts.map(|text| host(name, text)).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), hosts })
    }
}

fn host(name: &str, text: &str) -> Result<String, ScopeError> {
    if secrets::masked(text) != text {
        return Err(ScopeError::Value(name.to_owned()));
    }
    let host = parse_pattern(text).map_err(|why| ScopeError::Host(name.to_owned(), why))?;
    match Pattern::compile(&host, Separator::Dot) {
        Ok(_) => Ok(host),
        Err(why) => Err(ScopeError::Host(name.to_owned(), why.to_string())),
    }
}

/// Checks the credentials of a run together.
///
/// # Errors
/// [`ScopeError`]
pub fn check_credentials(credentials: &[Credential]) -> Result<(), ScopeError> {
    if credentials.len() > MAX_CREDENTIALS {
        return Err(ScopeError::Credentials);
    }
    let mut names: Vec<&str> = credentials.iter().map(|credential| credential.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[&str]>::first) {
        Some(name) => Err(ScopeError::Twice((*name).to_owned())),
        None => Ok(()),
    }
}

/// Checks the writable paths of a run.
///
/// # Errors
/// [`ScopeError`]
pub fn check_writable(paths: &[String]) -> Result<(), ScopeError> {
    if paths.len() > MAX_WRITABLE {
        return Err(ScopeError::Paths(paths.len()));
    }
    let fits = |path: &str| path.starts_with('/') && path.len() <= MAX_PATH && !path.contains('\0');
    match paths.iter().position(|path| !fits(path)) {
        Some(index) => Err(ScopeError::Path(index)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, hosts: &[&str]) -> Result<Credential, ScopeError> {
        Credential::new(name, hosts.iter().copied())
    }

    #[test]
    fn hosts_are_read_as_those_of_endpoints() {
        let read = read("GITHUB.token-1_a", &["API.GitHub.com", "*.example.com", "[::1]"]).unwrap();
        assert_eq!(read.hosts, ["api.github.com", "*.example.com", "::1"]);
    }

    #[test]
    fn what_is_no_name_and_no_host_is_refused() {
        let many = ["a.example"; 33];
        for (name, hosts, wanted) in [
            ("", &["a.b"][..], "is not the name"),
            ("a b", &["a.b"], "is not the name"),
            (&"n".repeat(65), &["a.b"], "is not the name"),
            ("n", &[], "0 hosts"),
            ("n", &many, "33 hosts"),
            ("n", &["https://a.b"], "hosts are wanted"),
            ("n", &["a b"], "hosts are wanted"),
            ("n", &["*.com"], "two literal labels"),
            ("n", &[""], "hosts are wanted"),
        ] {
            let error = read(name, hosts).unwrap_err().to_string();
            assert!(error.contains(wanted), "{name:?} {hosts:?}: {error}");
        }
    }

    #[test]
    fn a_value_is_refused_and_not_repeated() {
        let value = "ghp_16c7e42f292c6912e7710c838347ae178b4a";
        let error = read("GITHUB_TOKEN", &[value]).unwrap_err();
        assert_eq!(error, ScopeError::Value("GITHUB_TOKEN".into()));
        assert!(!error.to_string().contains(value));
    }

    #[test]
    fn a_run_has_few_credentials_each_once_and_absolute_paths() {
        let named = |n: usize| read(&format!("n{n}"), &["a.example"]).unwrap();
        let full: Vec<Credential> = (0..MAX_CREDENTIALS).map(named).collect();
        assert_eq!(check_credentials(&full), Ok(()));
        let over: Vec<Credential> = (0..=MAX_CREDENTIALS).map(named).collect();
        assert_eq!(check_credentials(&over), Err(ScopeError::Credentials));
        assert_eq!(check_credentials(&[named(1), named(2), named(1)]), Err(ScopeError::Twice("n1".into())));
        assert_eq!(check_writable(&vec!["/a".to_owned(); MAX_WRITABLE]), Ok(()));
        assert_eq!(check_writable(&vec!["/a".to_owned(); 257]), Err(ScopeError::Paths(257)));
        for bad in ["work", "", "/a\0b", &format!("/{}", "x".repeat(MAX_PATH))] {
            assert_eq!(
                check_writable(&["/".to_owned(), bad.to_owned()]),
                Err(ScopeError::Path(1)),
                "{bad:?}"
            );
        }
    }
}
