//! What is asked: streams that are not read, methods that change something, paths that are open early.
//!
//! `opaque_upgrade`: where an explicit rule (not a preset) allows GET, a WebSocket may be opened that nobody reads.
//! Every explicit GET would be one, and a finding on every ask is a finding on none. It is said where the *asker* can
//! choose what is upgraded (the method is `*`, the path holds a wildcard, or the path names a socket), and where
//! the upgrade stands alone in the difference. GET of one ordinary resource opens a WebSocket only where the server makes that
//! resource one, and that server is sent any query and any header as it is.

use super::marks::{Mark, Marks};
use super::{Code, Scene};
use crate::policy::authority::{Item, What};
use crate::policy::pattern::is_glob;

/// Methods that read (RFC 9110 §9.2.1, without TRACE).
const READING: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// How many segments of a path must be literal before a wildcard is not early: `/repos/o/**` names an owner,
/// `/repos/**` does not.
const LITERAL_SEGMENTS: usize = 2;

/// Words in paths of WebSockets.
const SOCKET_WORDS: [&str; 12] = [
    "ws",
    "wss",
    "websocket",
    "websockets",
    "socket",
    "sockets",
    "socket.io",
    "sockjs",
    "cable",
    "realtime",
    "subscriptions",
    "graphql-ws",
];

pub(super) fn find(scene: &Scene<'_>, marks: &mut Marks) {
    for item in scene.items() {
        match &item.what {
            What::Stream => stream(item, marks),
            What::OtherRequests => requests(item, &["*".to_owned()], "**", marks),
            What::Requests { methods, path, scope, may_upgrade, .. } => {
                requests(item, methods, narrowest(path, scope), marks);
                let is_any = methods.iter().any(|method| method == "*");
                if *may_upgrade && (is_any || is_glob(path) || names_socket(path)) {
                    upgrade(item, if is_any { "*" } else { "GET" }, path, marks);
                }
            }
            What::WebSockets { path, scope, .. } => {
                requests(item, &["GET".to_owned()], narrowest(path, scope), marks);
                upgrade(item, "GET", path, marks);
            }
        }
    }
}

fn narrowest<'a>(path: &'a str, scope: &'a str) -> &'a str {
    if is_early(path) && !scope.is_empty() { scope } else { path }
}

fn upgrade(item: &Item, method: &str, path: &str, marks: &mut Marks) {
    marks.add(Code::OpaqueUpgrade, Mark::request(&item.host, item.port, method, path));
}

fn stream(item: &Item, marks: &mut Marks) {
    for binary in &item.binaries {
        let place = Mark::place(&item.host, item.port, binary);
        marks.add(Code::L4Only, place.clone());
        marks.add(Code::OpaqueStream, place);
    }
}

fn requests(item: &Item, methods: &[String], path: &str, marks: &mut Marks) {
    for method in methods {
        if !READING.contains(&method.as_str()) {
            marks.add(Code::MutatingMethod, Mark::request(&item.host, item.port, method, path));
        }
    }
    if is_early(path) {
        marks.add(Code::BroadPath, Mark::request(&item.host, item.port, &methods.join(", "), path));
    }
}

/// Whether a path is open before it has named anything.
fn is_early(path: &str) -> bool {
    path.trim_start_matches('/').split('/').take(LITERAL_SEGMENTS).any(is_glob)
}

fn names_socket(path: &str) -> bool {
    path.split('/').any(|segment| SOCKET_WORDS.iter().any(|word| segment.eq_ignore_ascii_case(word)))
}
