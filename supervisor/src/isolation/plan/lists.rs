//! The names that a plan goes by: what every sandbox has, what none may see, what none may write.

/// Seen by default, besides `/etc`.
pub(super) const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"];
/// Devices.
pub(super) const DEVICES: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
/// Links in `/dev`.
pub(super) const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];
/// Private folders and their modes.
pub(super) const PRIVATE: [(&str, u32); 4] =
    [("/tmp", 0o1777), ("/var/tmp", 0o1777), ("/dev/shm", 0o1777), ("/run", 0o755)];
/// Made by the tree itself, whatever a policy says of them or of what is below.
pub(super) const OWN: [&str; 2] = ["/proc", "/dev/pts"];
/// Shared with everybody on the host: never mounted whole.
pub(super) const SHARED: [&str; 5] = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/dev"];
/// Bundles of the host that the sandbox's covers: Debian's and Red Hat's.
pub(super) const HOST_BUNDLES: [&str; 2] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"];
/// In the home: keys, and what runs outside when its owner comes back.
pub(super) const HOME_MASKED: [&str; 3] = [".ssh", ".gnupg", ".config/systemd"];
/// In the home: folders that many programs share, which no socket in them may take away.
pub(super) const HOME_SHARED: [&str; 6] = ["", ".config", ".cache", ".local", ".local/share", ".local/state"];
/// In the home: what a shell, a desktop or git runs.
pub(super) const HOME_START_FILES: [&str; 22] = [
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".kshrc",
    ".xprofile",
    ".xsession",
    ".pam_environment",
    ".config/fish",
    ".config/autostart",
    ".config/environment.d",
    ".gitconfig",
    ".config/git",
];
