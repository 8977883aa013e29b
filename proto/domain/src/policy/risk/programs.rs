//! Who asks: programs that anybody may be, that the sandbox can replace, or that speak what is not read.
//!
//! Judged from paths alone: what a path stands for in the sandbox is not known here.

use super::marks::{Mark, Marks};
use super::{Code, Scene};
use crate::policy::pattern::{Pattern, Separator, is_glob};

/// Programs that speak protocols of their own besides HTTP or instead of it. Remote shells and copies; git, which
/// falls back to ssh; raw sockets; transfers; database clients; tunnels.
const UNREAD: [&str; 38] = [
    "ssh",
    "scp",
    "sftp",
    "autossh",
    "mosh",
    "mosh-client",
    "dbclient",
    "rsync",
    "git",
    "hg",
    "svn",
    "nc",
    "nc.openbsd",
    "nc.traditional",
    "ncat",
    "netcat",
    "socat",
    "telnet",
    "openssl",
    "gnutls-cli",
    "ftp",
    "lftp",
    "tftp",
    "rclone",
    "psql",
    "mysql",
    "mariadb",
    "redis-cli",
    "mongosh",
    "mongo",
    "sqlcmd",
    "kafkacat",
    "kcat",
    "websocat",
    "chisel",
    "cloudflared",
    "ngrok",
    "tor",
];

/// How the names of git's own programs begin: `git-remote-https`, `git-upload-pack`.
const GIT: &str = "git-";

/// Programs that are there to start others. A rule for one covers everything below it.
const STARTERS: [&str; 19] = [
    "sh",
    "bash",
    "dash",
    "ash",
    "zsh",
    "fish",
    "ksh",
    "busybox",
    "env",
    "sudo",
    "su",
    "doas",
    "xargs",
    "nohup",
    "timeout",
    "setsid",
    "nice",
    "tini",
    "dumb-init",
];

/// Where programs of the system lie.
const SYSTEM: [&str; 8] = [
    "/usr/bin",
    "/bin",
    "/usr/local/bin",
    "/usr/sbin",
    "/sbin",
    "/usr/lib/git-core",
    "/usr/libexec/git-core",
    "/opt/homebrew/bin",
];

/// Two names without a character in common: what matches both matches any name.
const ANY_NAMES: [&str; 2] = ["qzx3", "0-w7_"];

pub(super) fn find(scene: &Scene<'_>, marks: &mut Marks) {
    let writable: Vec<(&str, Vec<Pattern>)> =
        scene.writable.iter().map(|path| (path.as_str(), at_or_below(path))).collect();
    let mut binaries: Vec<&str> =
        scene.items().flat_map(|item| item.binaries.iter().map(String::as_str)).collect();
    binaries.sort_unstable();
    binaries.dedup();
    for binary in binaries {
        if is_anybody(binary) {
            marks.add(Code::AnyBinary, Mark::text(binary.to_owned()));
        } else if STARTERS.contains(&name_of(binary)) {
            marks.add(Code::AnyBinary, Mark::text(format!("{binary} and whatever it starts")));
        }
        let compiled = Pattern::compile(binary, Separator::Slash);
        for (path, below) in &writable {
            if compiled.as_ref().map_or(true, |binary| below.iter().any(|pattern| binary.meets(pattern))) {
                marks.add(Code::WritableBinary, Mark::text(format!("{binary} under {path}")));
            }
        }
    }
}

/// The path and everything below it, as patterns. A relative path is none: it has no place in the sandbox.
fn at_or_below(path: &str) -> Vec<Pattern> {
    if !path.starts_with('/') {
        return Vec::new();
    }
    let own = path.trim_end_matches('/');
    let literal: String = own
        .chars()
        .flat_map(|c| is_glob(c.encode_utf8(&mut [0; 4])).then_some('\\').into_iter().chain(Some(c)))
        .collect();
    let compile = |text: String| Pattern::compile(&text, Separator::Slash).ok();
    compile(literal.clone()).into_iter().chain(compile(format!("{literal}/**"))).collect()
}

/// The last part of a path, or of a pattern.
fn name_of(binary: &str) -> &str {
    binary.rsplit('/').next().unwrap_or(binary)
}

/// Whether the pattern matches any program of a system directory.
fn is_anybody(binary: &str) -> bool {
    is_glob(binary)
        && Pattern::compile(binary, Separator::Slash).map_or(true, |pattern| {
            SYSTEM
                .iter()
                .any(|place| ANY_NAMES.iter().all(|name| pattern.matches(&format!("{place}/{name}"))))
        })
}

/// Whether the program, or one that the pattern matches in its usual place, speaks what is not read.
pub(super) fn speaks_unread_protocol(binary: &str) -> bool {
    let name = name_of(binary);
    if UNREAD.contains(&name) || name.starts_with(GIT) {
        return true;
    }
    is_glob(binary)
        && Pattern::compile(binary, Separator::Slash).map_or(true, |pattern| {
            let usual = |place: &str| {
                let names = UNREAD.iter().chain(&["git-remote-https"]);
                names.into_iter().any(|name| pattern.matches(&format!("{place}/{name}")))
            };
            SYSTEM.iter().any(|place| usual(place))
        })
}
