//! The cases: each is a script that ends with 0 when it got where it must not get.

/// Where the positive control runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// The same script, outside, as the same user.
    Outside,
    /// In plain user, network and mount namespaces as their root: what a sandbox without walls would allow.
    Namespaces,
    /// Outside as root, for the ordinary user's table too: an ordinary user may not do it there either.
    Root,
    /// In plain namespaces made by root.
    RootNamespaces,
}

impl Control {
    /// Whether an ordinary user who starts the suite can run it.
    pub(crate) fn is_for_all(self) -> bool {
        matches!(self, Self::Outside | Self::Namespaces)
    }
}

/// How a script outside says that this kernel has no such thing at all.
pub(crate) const NONE: i32 = 77;

/// One way out.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) control: Control,
    pub(crate) script: &'static str,
}

const fn case(name: &'static str, control: Control, script: &'static str) -> Case {
    Case { name, control, script }
}

/// Python's beginning: `call` is `syscall(2)`.
pub(crate) const PYTHON: &str = r#"
import ctypes, os, socket, struct, sys, fcntl
libc = ctypes.CDLL(None, use_errno=True)
def call(*a):
    r = libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
    if r < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return r
def hello(family, address):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(2); s.connect(address)
    assert s.recv(5) == b"hello"
def ask(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(1); s.sendto(b"?", address)
    assert s.recvfrom(100)[0].startswith(b"hello")
def dns(kind, address):
    s = socket.socket(socket.AF_INET, kind); s.settimeout(2); s.connect(address)
    query = struct.pack("!6H", 0x5a5a, 0x100, 1, 0, 0, 0) + b"\4host\7example\0\0\1\0\1"
    tcp = kind == socket.SOCK_STREAM
    s.sendall((struct.pack("!H", len(query)) if tcp else b"") + query)
    answer = s.recv(512)[2 if tcp else 0:]
    assert answer[:2] == query[:2] and answer[2] & 0x80
def none(*numbers):
    """Runs what follows; outside, these errors mean that the kernel has no such thing."""
    def hook(kind, error, trace):
        os._exit(77 if getattr(error, "errno", None) in numbers and "INSIDE" not in E else 1)
    sys.excepthook = hook
E = os.environ
"#;

use Control::{Namespaces, Outside, Root, RootNamespaces};

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    // The network.
    case("TCP v4 to the host's loopback", Outside, r#"py 'hello(socket.AF_INET, ("127.0.0.1", int(E["TCP4"])))'"#),
    case("TCP v6 to the host's loopback", Outside, r#"py 'hello(socket.AF_INET6, ("::1", int(E["TCP6"])))'"#),
    case("TCP v4 through bash's /dev/tcp", Outside, r#"exec 3<>/dev/tcp/127.0.0.1/$TCP4 && read -r -t 2 x <&3 && [ "$x" = hello ]"#),
    case("TCP v4 to the host's own address", Outside, r#"py 'hello(socket.AF_INET, (E["HOST4"], int(E["TCP4"])))'"#),
    case("TCP v6 to the host's own address", Outside, r#"py 'hello(socket.AF_INET6, (E["HOST6"], int(E["TCP6"])))'"#),
    case("TCP with the proxy's variables unset", Outside, r#"env -u http_proxy -u HTTP_PROXY -u ALL_PROXY -u all_proxy curl -sf -m 2 --http0.9 http://127.0.0.1:$TCP4/ | grep -q hello"#),
    case("UDP v4", Outside, r#"py 'ask(socket.AF_INET, ("127.0.0.1", int(E["UDP4"])))'"#),
    case("UDP v6", Outside, r#"py 'ask(socket.AF_INET6, ("::1", int(E["UDP6"])))'"#),
    case("UDP v4 to the host's own address", Outside, r#"py 'ask(socket.AF_INET, (E["HOST4"], int(E["UDP4"])))'"#),
    case("DNS over UDP to a resolver of the host", Outside, r#"py 'dns(socket.SOCK_DGRAM, ("127.0.0.1", int(E["DNS"])))'"#),
    case("DNS over TCP to a resolver of the host", Outside, r#"py 'dns(socket.SOCK_STREAM, ("127.0.0.1", int(E["DNS_TCP"])))'"#),
    case("DNS by the system's library", Namespaces, r#"[ -n "$INSIDE" ] || resolver; getent ahosts host.example"#),
    case("DNS by multicast (mDNS)", Outside, r#"py 's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"?", ("224.0.0.251", 5353))'"#),
    case("TCP with data in the first segment (fast open)", Outside, r#"py 's = socket.socket(); s.sendto(b"?", 0x20000000, ("127.0.0.1", int(E["TCP4"]))); assert s.recv(5) == b"hello"'"#),
    case("TCP over many paths (MPTCP)", Outside, r#"py 'none(93, 92); s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); s.settimeout(2); s.connect(("127.0.0.1", int(E["TCP4"]))); assert s.recv(5) == b"hello"'"#),
    case("a route out", Outside, r#"py 's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((E["HOST4"], 9)); assert s.getsockname()[0] not in ("127.0.0.1", "0.0.0.0")'"#),
    case("another interface than lo", Outside, r#"py 'assert [n for _, n in socket.if_nameindex() if n != "lo"]'"#),
    case("raw socket v4", Namespaces, r#"py 'socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'"#),
    case("raw socket v6", Namespaces, r#"py 'socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)'"#),
    case("packet socket", Namespaces, r#"py 'socket.socket(17, socket.SOCK_RAW, 0x300)'"#),
    case("packet socket, old SOCK_PACKET", Namespaces, r#"py 'socket.socket(socket.AF_INET, 10, 0x300)'"#),
    case("vsock socket", Outside, r#"py 'socket.socket(40, socket.SOCK_STREAM)'"#),
    case("XDP socket", Namespaces, r#"py 'socket.socket(44, socket.SOCK_RAW)'"#),
    case("crypto (AF_ALG) socket", Outside, r#"py 'none(97); socket.socket(38, socket.SOCK_SEQPACKET)'"#),
    case("a socket of any other family", Namespaces, r#"py '
def makes(family, kind):
    try: socket.socket(family, kind); return True
    except OSError: return False
assert any(makes(f, k) for f in range(1, 64) if f not in (1, 2, 10, 16) for k in (1, 2, 3, 5))'"#),
    case("netlink of any other kind", Namespaces, r#"py '
def makes(kind):
    try: socket.socket(16, socket.SOCK_RAW, kind); return True
    except OSError: return False
assert any(makes(kind) for kind in range(1, 32))'"#),
    case("netlink: netfilter", Namespaces, r#"py 'socket.socket(16, socket.SOCK_RAW, 12)'"#),
    case("netlink: sock_diag", Outside, r#"py 'socket.socket(16, socket.SOCK_RAW, 4)'"#),
    case("netlink: uevents", Outside, r#"py 'socket.socket(16, socket.SOCK_RAW, 15)'"#),
    case("TUN device", RootNamespaces, r#"py 'f = os.open("/dev/net/tun", os.O_RDWR); fcntl.ioctl(f, 0x400454ca, struct.pack("16sH22x", b"t0", 2))'"#),
    // Unix sockets.
    case("abstract socket of the host", Outside, r#"py 'hello(socket.AF_UNIX, "\0" + E["ABSTRACT"])'"#),
    case("path socket in /tmp (tmux, ssh-agent)", Outside, r#"py 'hello(socket.AF_UNIX, E["AT"] + "/tmux-default")'"#),
    case("path socket in the home (docker)", Outside, r#"py 'hello(socket.AF_UNIX, E["AT"] + "/home/.docker/run/docker.sock")'"#),
    case("path socket in ~/.ssh (agent)", Outside, r#"py 'hello(socket.AF_UNIX, E["AT"] + "/home/.ssh/agent.sock")'"#),
    case("path socket in the runtime folder (D-Bus, systemd)", Outside, r#"py 'hello(socket.AF_UNIX, E["AT"] + "/runtime/bus")'"#),
    case("path socket in the working directory", Outside, r#"py 'hello(socket.AF_UNIX, "there.sock")'"#),
    case("path socket in /run (nscd, dbus, docker)", Outside, r#"py 'hello(socket.AF_UNIX, E["RUN_SOCKET"])'"#),
    case("path socket through /proc/self/root", Outside, r#"py 'hello(socket.AF_UNIX, "/proc/self/root" + E["AT"] + "/tmux-default")'"#),
    case("path socket through /proc/PID/root", Outside, r#"py 'hello(socket.AF_UNIX, "/proc/" + E["VICTIM"] + "/root" + E["AT"] + "/tmux-default")'"#),
    case("the reviewers' door by an abstract name", Outside, r#"py 'hello(socket.AF_UNIX, "\0" + E["ABSTRACT"] + "-door")'"#),
    case("the reviewers' door through /proc/PID/cwd", Outside, r#"py 'hello(socket.AF_UNIX, "/proc/" + E["VICTIM"] + "/cwd/../doors/g")'"#),
    case("the reviewers' door", Outside, r#"py 'hello(socket.AF_UNIX, E["AT"] + "/doors/g")'"#),
    case("the sandbox door", Outside, r#"py 's = socket.socket(socket.AF_UNIX); s.connect(E["AT"] + "/doors/g.sandbox")'"#),
    // Processes.
    case("see a process of the host", Outside, r#"py '
def words(p):
    try: return open(f"/proc/{p}/cmdline", "rb").read()
    except OSError: return b""
assert any(E["MARK"].encode() in words(p) for p in os.listdir("/proc") if p.isdigit())'"#),
    case("/proc/PID/root of a process outside", Outside, r#"ls /proc/$VICTIM/root/ >/dev/null"#),
    case("/proc/PID/fd of a process outside", Outside, r#"ls /proc/$VICTIM/fd/ >/dev/null"#),
    case("/proc/PID/environ of a process outside", Outside, r#"cat /proc/$VICTIM/environ >/dev/null"#),
    case("signal a process outside", Outside, r#"kill -0 $VICTIM"#),
    case("stop a process outside", Outside, r#"kill -STOP $VICTIM && kill -CONT $VICTIM"#),
    case("ptrace a process outside", Outside, r#"py 'r = libc.ptrace(16, int(E["VICTIM"]), None, None); assert r == 0; os.waitpid(int(E["VICTIM"]), 0x40000000); libc.ptrace(17, int(E["VICTIM"]), None, None)'"#),
    case("pidfd of a process outside", Outside, r#"py 'os.pidfd_open(int(E["VICTIM"]))'"#),
    case("limits of a process outside (prlimit)", Outside, r#"py 'import resource; resource.prlimit(int(E["VICTIM"]), resource.RLIMIT_NOFILE)'"#),
    case("priority of a process outside", Outside, r#"py 'os.setpriority(os.PRIO_PROCESS, int(E["VICTIM"]), 5)'"#),
    case("kill a supervisor", Outside, r#"kill -0 $SUPERVISOR"#),
    case("stop a supervisor", Outside, r#"kill -STOP $SUPERVISOR && kill -CONT $SUPERVISOR"#),
    case("read the first process (ours, inside)", Outside, r#"[ -n "$INSIDE" ] && victim=1 || victim=$VICTIM; ls -l /proc/$victim/fd >/dev/null && cat /proc/$victim/mem >/dev/null 2>&1; ls -l /proc/$victim/fd >/dev/null"#),
    // Namespaces and the kernel.
    case("new user namespace (unshare)", Outside, r#"unshare -U true"#),
    case("new user namespace (clone)", Outside, r#"py 'p = call(56, 0x10000011, 0, 0, 0, 0)
if p == 0: os._exit(0)'"#),
    case("new user namespace (clone3)", Outside, r#"py 'b = struct.pack("11Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0); p = call(435, ctypes.c_char_p(b), len(b))
if p == 0: os._exit(0)'"#),
    case("new mount namespace", Namespaces, r#"unshare -m true"#),
    case("new network namespace", Namespaces, r#"unshare -n true"#),
    case("new ipc namespace", Namespaces, r#"unshare -i true"#),
    case("new uts namespace", Namespaces, r#"unshare -u true"#),
    case("new pid namespace", Namespaces, r#"unshare -pf true"#),
    case("new cgroup namespace", Namespaces, r#"unshare -C true"#),
    case("new time namespace", Namespaces, r#"unshare -T true"#),
    case("setns to an own namespace", Namespaces, r#"py 'f = os.open("/proc/self/ns/net", 0); call(308, f, 0)'"#),
    case("mount a tmpfs", Namespaces, r#"mount -t tmpfs x /mnt 2>/dev/null || mount -t tmpfs x /tmp"#),
    case("fsopen", Namespaces, r#"py 'call(430, ctypes.c_char_p(b"tmpfs"), 0)'"#),
    case("open_tree with a copy", Namespaces, r#"py 'call(428, -100, ctypes.c_char_p(b"/"), 0x8001)'"#),
    case("unmount what masks", Namespaces, r#"[ -n "$INSIDE" ] || mount --bind /mnt /mnt; [ -n "$INSIDE" ] && at=/etc/passwd || at=/mnt; W=$at py 'call(166, ctypes.c_char_p(E["W"].encode()), 2)'"#),
    case("chroot", Namespaces, r#"py 'os.chroot("/")'"#),
    case("io_uring", Outside, r#"py 'b = ctypes.create_string_buffer(256); call(425, 1, b)'"#),
    case("bpf", Root, r#"py 'b = ctypes.create_string_buffer(struct.pack("5I", 2, 4, 4, 1, 0), 128); call(321, 0, b, 128)'"#),
    case("userfaultfd", Outside, r#"py 'call(323, 1)'"#),
    case("perf_event_open", Outside, r#"py 'b = ctypes.create_string_buffer(struct.pack("2I4QQ", 1, 128, 0, 0, 0, 0, 0x61), 128); call(298, b, 0, -1, -1, 0)'"#),
    case("process_vm_readv", Outside, r#"py 'b = ctypes.create_string_buffer(8); i = struct.pack("PN", ctypes.addressof(b), 8); call(310, os.getpid(), ctypes.c_char_p(i), 1, ctypes.c_char_p(i), 1, 0)'"#),
    case("process_vm_writev", Outside, r#"py 'b = ctypes.create_string_buffer(8); i = struct.pack("PN", ctypes.addressof(b), 8); call(311, os.getpid(), ctypes.c_char_p(i), 1, ctypes.c_char_p(i), 1, 0)'"#),
    case("pidfd_getfd", Outside, r#"py 'call(438, os.pidfd_open(os.getpid()), 0, 0)'"#),
    case("open_by_handle_at", Root, r#"py 'at = b"/usr"; h = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 256); m = ctypes.c_int(); call(303, -100, ctypes.c_char_p(at), h, ctypes.byref(m), 0); call(304, os.open(at, 0), h, 0)'"#),
    case("kernel keyring", Outside, r#"py 'call(250, 0, -3, 1)'"#),
    case("add_key", Outside, r#"py 'call(248, ctypes.c_char_p(b"user"), ctypes.c_char_p(b"k"), ctypes.c_char_p(b"v"), 1, -3)'"#),
    case("i386 system call", Outside, r#"py 'import mmap
m = mmap.mmap(-1, 4096, prot=7); m.write(bytes.fromhex("b814000000cd80c3")); a = ctypes.addressof(ctypes.c_char.from_buffer(m)); assert ctypes.CFUNCTYPE(ctypes.c_int)(a)() > 0'"#),
    case("x32 system call", Outside, r#"py 'none(38); call(0x40000000 + 39)'"#),
    case("a program of root's keeps its user (su)", Outside, r#"py 'import subprocess
p = subprocess.Popen(["su", "-c", "true", "nobody"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
def user():
    try: return [l.split()[2] for l in open(f"/proc/{p.pid}/status") if l.startswith("Uid:")][0], os.readlink(f"/proc/{p.pid}/exe")
    except OSError: return "0", "/usr/bin/su"
while p.poll() is None and not user()[1].endswith("/su"): pass
u = user()[0]; p.kill(); assert u == "0", u'"#),
    case("kernel log", Root, r#"py 'call(103, 10, 0, 0)'"#),
    case("write core_pattern", Root, r#"py 'os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)'"#),
    case("write sysrq-trigger", Root, r#"py 'none(2); os.open("/proc/sysrq-trigger", os.O_WRONLY)'"#),
    case("write a network sysctl", Namespaces, r#"py 'os.open("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY)'"#),
    case("write a limit of user namespaces", Namespaces, r#"py 'os.open("/proc/sys/user/max_user_namespaces", os.O_WRONLY)'"#),
    case("a disk", Outside, r#"py 'import glob
assert glob.glob("/dev/vd*") + glob.glob("/dev/sd*") + glob.glob("/dev/nvme*") + glob.glob("/dev/loop*") + glob.glob("/dev/kvm")'"#),
    case("another device of the host", Outside, r#"[ -e /dev/kmsg ] || [ -e /dev/fuse ] || [ -e /dev/net ] || [ -e /dev/mem ]"#),
    case("/sys", Outside, r#"ls /sys/class/net >/dev/null"#),
    case("a capability", Namespaces, r#"! grep -q '^CapEff:.*0000000000000000' /proc/self/status"#),
    // Descriptors and terminals.
    case("an inherited descriptor", Outside, r#"read -r x <&9 && [ -n "$x" ]"#),
    case("type into a terminal (TIOCSTI)", Outside, r#"[ -n "$INSIDE" ] || [ "$(cat /proc/sys/dev/tty/legacy_tiocsti)" != 0 ] || exit 77; py '
m, s = os.openpty()
if os.fork() == 0:
    os.setsid(); fcntl.ioctl(s, 0x540e, 0); fcntl.ioctl(s, 0x5412, b"x"); os._exit(0)
sys.exit(os.wait()[1] != 0)'"#),
    case("write to a terminal of the host", Outside, r#"echo x > $PTS"#),
    // Files of ours and of the user.
    case("read a private key", Outside, r#"grep -q private "$AT/home/.ssh/id""#),
    case("read a private key by a link in the working directory", Outside, r#"ln -s "$AT/home/.ssh" keys; cat keys/id; was=$?; rm keys; exit $was"#),
    case("read a private key by a second name", Outside, r#"ln "$AT/home/.ssh/id" id && cat id; was=$?; rm -f id; exit $was"#),
    case("write ~/.ssh/authorized_keys", Outside, r#"echo evil > "$AT/home/.ssh/authorized_keys" && rm "$AT/home/.ssh/authorized_keys""#),
    case("write ~/.bashrc", Outside, r#"echo '# more' >> "$AT/home/.bashrc""#),
    case("write ~/.bashrc through /proc/self/root", Outside, r#"echo '# more' >> "/proc/self/root$AT/home/.bashrc""#),
    case("write ~/.bashrc through /proc/self/cwd", Outside, r#"echo '# more' >> /proc/self/cwd/../home/.bashrc"#),
    case("make ~/.gitconfig", Outside, r#"echo evil > "$AT/home/.gitconfig" && rm "$AT/home/.gitconfig""#),
    case("write the policy file", Outside, r#"grep -q version "$AT/policy.yaml" && echo '# more' >> "$AT/policy.yaml""#),
    case("make ~/.profile", Outside, r#"echo evil > "$AT/home/.profile" && rm "$AT/home/.profile""#),
    case("make a systemd unit", Outside, r#"mkdir "$AT/home/.config/systemd" && rmdir "$AT/home/.config/systemd""#),
    case("write our configuration", Outside, r#"mkdir -p "$AT/home/.config/openshell-inbox" && rmdir "$AT/home/.config/openshell-inbox""#),
    case("write our state and log", Outside, r#"mkdir "$AT/home/.local/state/openshell-inbox/x" && rmdir "$AT/home/.local/state/openshell-inbox/x""#),
    case("make a file beside the doors", Outside, r#"touch "$AT/doors/evil" && rm "$AT/doors/evil""#),
    case("replace the gateway's door", Outside, r#"mv "$AT/doors/g" "$AT/doors/h" && mv "$AT/doors/h" "$AT/doors/g""#),
    case("write a program of ours in the working directory", Outside, r#"echo evil > bin/openshell-gateway"#),
    case("put a program of ours aside", Outside, r#"mv bin/openshell-supervisor bin/x && mv bin/x bin/openshell-supervisor"#),
    case("put the folder of our programs aside", Outside, r#"mv bin bin2 && mv bin2 bin"#),
    case("write a git hook", Outside, r#"echo evil > .git/hooks/post-commit && rm .git/hooks/post-commit"#),
    case("write git's configuration", Outside, r#"echo '# more' >> .git/config"#),
    case("put .git aside", Outside, r#"mv .git git2 && mv git2 .git"#),
    case("put the hooks aside", Outside, r#"mv .git/hooks .git/h2 && mv .git/h2 .git/hooks"#),
    case("write a system program", Root, r#"[ -w /usr/bin/env ] && touch /usr/bin/env"#),
    case("write the trust bundle", Root, r#"[ -w /etc/ssl/certs/ca-certificates.crt ]"#),
    case("make a file in the root", Root, r#"touch /evil && rm /evil"#),
];

/// What the scripts share. `resolver`, in fresh namespaces: a server of names that the system asks.
pub(crate) const SHARED: &str = r#"
py() { /usr/bin/python3 -c "$PYTHON_HEAD
$1"; }
resolver() {
  mount -t tmpfs x /mnt && echo 'nameserver 127.0.0.1' > /mnt/resolv.conf && echo 'hosts: dns' > /mnt/nsswitch.conf
  mount --bind /mnt/resolv.conf "$(realpath /etc/resolv.conf)"; mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf
  py '
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x49)); s.bind(("127.0.0.1", 53))
if os.fork() == 0:
    s.settimeout(10)
    while True:
        query, asker = s.recvfrom(512); kind = query[-3]
        record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + bytes((192, 0, 2, 1))
        s.sendto(query[:2] + b"\x81\x80\0\1" + (b"\0\1" if kind == 1 else b"\0\0") + bytes(4) + query[12:] + (record if kind == 1 else b""), asker)'
}
"#;
