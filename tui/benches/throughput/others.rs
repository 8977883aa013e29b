//! The other proxies, as `.ci/proxies` installs them; one that is not there is left out, and the table says so.
//!
//! Each opens TLS where it can, verifies the origin and keeps connections; squid and tinyproxy write their access logs
//! as the supervisor does.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

use super::process::Running;

/// How long one may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(20);
const CERTGEN: &str = "/usr/lib/squid/security_file_certgen";

/// One that listens.
pub(crate) struct Proxy {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
    /// The file with the authority of what it opens.
    pub(crate) roots: PathBuf,
}

/// Why there is none.
pub(crate) type Missing = String;

pub(crate) fn tinyproxy(folder: &Path, origin: &Path) -> Result<Proxy, Missing> {
    let (address, config) = (free(), folder.join("tinyproxy.conf"));
    let lines = format!(
        "Port {}\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\nLogLevel Connect\nLogFile \"{}\"\n",
        address.port(),
        folder.join("tinyproxy.log").display()
    );
    std::fs::write(&config, lines).unwrap();
    let mut command = Command::new(find("tinyproxy")?);
    command.arg("-d").arg("-c").arg(config);
    started(command, address, origin.to_owned())
}

pub(crate) fn mitmdump(folder: &Path, origin: &Path) -> Result<Proxy, Missing> {
    let (address, own) = (free(), folder.join("mitmdump"));
    let mut command = Command::new(find("mitmdump")?);
    command.args(["--quiet", "--listen-host", "127.0.0.1", "--listen-port"]).arg(address.port().to_string());
    command.arg("--set").arg(format!("confdir={}", own.display()));
    command.arg("--set").arg(format!("ssl_verify_upstream_trusted_ca={}", origin.display()));
    started(command, address, own.join("mitmproxy-ca-cert.pem"))
}

pub(crate) fn squid(folder: &Path, origin: &Path) -> Result<Proxy, Missing> {
    let program = find("squid")?;
    if !Path::new(CERTGEN).exists() {
        return Err("this squid does not open TLS".to_owned());
    }
    let (address, own) = (free(), folder.join("squid"));
    std::fs::create_dir(&own).unwrap();
    let roots = authority(&own);
    let made = Command::new(CERTGEN).arg("-c").arg("-s").arg(own.join("db")).args(["-M", "4MB"]).output();
    if !made.is_ok_and(|output| output.status.success()) {
        return Err("its certificates cannot be kept".to_owned());
    }
    std::fs::write(own.join("squid.conf"), squid_config(&own, origin, address)).unwrap();
    if rustix::process::getuid().is_root() {
        // It gives root up, and writes in its folder after that.
        let changed = Command::new("chown").args(["-R", "proxy"]).arg(&own).status();
        if !changed.is_ok_and(|status| status.success()) {
            return Err("there is no user `proxy`".to_owned());
        }
    }
    let mut command = Command::new(program);
    command.args(["--foreground", "-N", "-f"]).arg(own.join("squid.conf"));
    started(command, address, roots)
}

fn squid_config(own: &Path, origin: &Path, address: SocketAddr) -> String {
    let (own, origin) = (own.display(), origin.display());
    format!(
        "http_port {address} ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=4MB \
         tls-cert={own}/ca.pem tls-key={own}/ca.key\n\
         sslcrtd_program {CERTGEN} -s {own}/db -M 4MB\nsslcrtd_children 1\n\
         acl step1 at_step SslBump1\nssl_bump peek step1\nssl_bump bump all\n\
         tls_outgoing_options cafile={origin}\nhttp_access allow all\ncache deny all\n\
         access_log stdio:{own}/access.log\ncache_log {own}/cache.log\npid_filename {own}/pid\n\
         coredump_dir {own}\nshutdown_lifetime 0 seconds\nvisible_hostname bench\nhosts_file /etc/hosts\n\
         max_filedescriptors 4096\npinger_enable off\nhost_verify_strict off\n"
    )
}

/// What squid signs with.
fn authority(folder: &Path) -> PathBuf {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "bench");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let (certificate, private) = (folder.join("ca.pem"), folder.join("ca.key"));
    std::fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(private, key.serialize_pem()).unwrap();
    certificate
}

/// In `proxies/bin` of the target folder, else where the system has programs.
fn find(program: &str) -> Result<PathBuf, Missing> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut places = vec![target.join("proxies/bin")];
    places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    places.push(PathBuf::from("/usr/sbin"));
    let found = places.into_iter().map(|place| place.join(program)).find(|path| path.exists());
    found.ok_or_else(|| "not installed: run .ci/proxies".to_owned())
}

fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn started(mut command: Command, address: SocketAddr, roots: PathBuf) -> Result<Proxy, Missing> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let running = Running::new(child.map_err(|error| error.to_string())?, true);
    let end = Instant::now() + START_DEADLINE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > end {
            return Err("it does not listen".to_owned());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(Proxy { running, address, roots })
}
