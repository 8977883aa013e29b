//! The rows: who asks whom how, a few rounds of all of them, and what came of it.

use std::path::Path;
use std::time::Duration;

use super::client::{Ask, Kind, Told};
use super::common::{client, start_gateway};
use super::origin::{self, Origin};
use super::others::{self, Missing, Proxy};
use super::process::Running;
use super::sandbox::{Client, Rules, Sandbox};
use super::table::{Measured, report};
use super::{HOST, LOCAL};

const ROUNDS: usize = 3;
/// What a client and an origin as programs are send each other: those of the other rows are written by hand, and cost a
/// fraction of any library.
pub(crate) const HYPER: &str = "TLS, hyper at both ends";
/// How long a row has in each round.
const MILLIS: u64 = 1500;
const WARM_UP: u64 = 150;
const AT_ONCE: usize = 16;
/// How many connections each may open in a round: a sandbox has a budget of handshakes.
const MOST_FRESH: usize = 12;
/// How long nothing is asked before connections are opened, so that the budget is whole.
const PAUSE: Duration = Duration::from_millis(1100);

/// One row. Its name is the proxy, and what is asked of it.
pub(crate) struct Row {
    pub(crate) proxy: &'static str,
    pub(crate) what: &'static str,
    ask: Ask,
    rounds: Vec<Measured>,
}

impl Row {
    /// The round in the middle.
    pub(crate) fn median(&self) -> &Measured {
        let mut rounds: Vec<&Measured> = self.rounds.iter().collect();
        rounds.sort_by(|one, other| one.rate.total_cmp(&other.rate));
        rounds[rounds.len() / 2]
    }
}

/// Who asks, and whose cost is counted.
struct Group {
    client: Option<usize>,
    running: Option<Running>,
    rows: Vec<Row>,
}

/// Runs all of it.
pub(crate) fn measure() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let origin = origin::start();
    let gateway = Running::new(start_gateway(folder.path()), false);
    // It answers before a sandbox is started.
    tokio::runtime::Runtime::new().unwrap().block_on(client(folder.path()));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let (mut clients, mut groups) = (Vec::new(), Vec::new());
    let (client, alone) = Client::start();
    clients.push(client);
    groups.push(direct(folder.path(), &origin));
    for rules in [Rules::One, Rules::Hosts, Rules::Paths] {
        let sandbox = Sandbox::start(folder.path(), &origin, rules);
        let asks = ours(&sandbox, &origin, rules);
        clients.push(sandbox.client);
        groups.push(Group { client: Some(clients.len() - 1), running: Some(sandbox.running), rows: asks });
    }
    let missing = add_others(folder.path(), &origin, &mut groups);
    for _ in 0..ROUNDS {
        for group in &mut groups {
            round(group, &mut clients);
        }
    }
    let rows: Vec<Row> = groups.into_iter().flat_map(|group| group.rows).collect();
    report(&rows, &missing, load.trim());
    drop((clients, alone, gateway));
}

fn round(group: &mut Group, clients: &mut [Client]) {
    let client = &mut clients[group.client.unwrap_or_default()];
    for row in &mut group.rows {
        if matches!(row.ask.kind, Kind::TlsFresh) {
            std::thread::park_timeout(PAUSE);
        } else {
            client.ask(&Ask { millis: WARM_UP, ..row.ask.clone() });
        }
        let spent = || group.running.as_ref().map(Running::processor_time);
        let before = spent();
        let Told { seconds, micros, failure } = client.ask(&row.ask);
        let spent = spent().zip(before).map(|(after, before)| after - before);
        let memory = group.running.as_ref().map(Running::memory);
        row.rounds.push(Measured::new(seconds, &micros, (spent, memory), failure));
    }
}

fn direct(folder: &Path, origin: &Origin) -> Group {
    let roots = folder.join("origin.pem");
    std::fs::write(&roots, &origin.pem).unwrap();
    let base = Ask { roots: roots.display().to_string(), ..ask(origin) };
    let rows = vec![
        row("direct", "plain", Ask { kind: Kind::Plain, origin: origin.clear, ..base.clone() }),
        row("direct", "TLS", base.clone()),
        row("direct", "TLS, 1 connection", Ask { at_once: 1, ..base.clone() }),
        row("direct", "HTTP/2", Ask { kind: Kind::Http2, origin: origin.http2, ..base.clone() }),
        row("direct", HYPER, Ask { kind: Kind::Hyper, origin: origin.hyper, ..base.clone() }),
        row("direct", "fresh TLS", fresh(base)),
    ];
    Group { client: None, running: None, rows }
}

fn ours(sandbox: &Sandbox, origin: &Origin, rules: Rules) -> Vec<Row> {
    let base = Ask { proxy: Some(sandbox.proxy), roots: sandbox.roots.clone(), ..ask(origin) };
    match rules {
        Rules::One => vec![
            row("ours", "plain", Ask { kind: Kind::Plain, port: 80, ..base.clone() }),
            row("ours", "TLS", base.clone()),
            row("ours", "TLS, 1 connection", Ask { at_once: 1, ..base.clone() }),
            row("ours", "HTTP/2", Ask { kind: Kind::Http2, port: 8443, ..base.clone() }),
            row("ours", HYPER, Ask { kind: Kind::Hyper, port: 9443, ..base.clone() }),
            row("ours", "fresh TLS", fresh(base)),
        ],
        Rules::Hosts => vec![row("ours", "TLS, 1,000 hosts", base)],
        Rules::Paths => vec![row("ours", "TLS, 1,000 paths", base)],
    }
}

fn add_others(folder: &Path, origin: &Origin, groups: &mut Vec<Group>) -> Vec<(&'static str, Missing)> {
    let pem = folder.join("origin.pem");
    type Start = fn(&Path, &Path) -> Result<Proxy, Missing>;
    let all: [(&str, Start); 3] =
        [("mitmdump", others::mitmdump), ("squid", others::squid), ("tinyproxy", others::tinyproxy)];
    let wanted = wanted();
    let mut missing = Vec::new();
    for (name, start) in all {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            missing.push((name, "not asked for".to_owned()));
            continue;
        }
        match start(folder, &pem) {
            Ok(Proxy { running, address, roots }) => {
                let base = Ask {
                    proxy: Some(address),
                    roots: roots.display().to_string(),
                    host: LOCAL.to_owned(),
                    ..ask(origin)
                };
                let rows = of_other(name, &base, origin);
                groups.push(Group { client: None, running: Some(running), rows });
            }
            Err(why) => missing.push((name, why)),
        }
    }
    missing
}

/// The other proxies that were named (`-- squid`); all of them where none was.
fn wanted() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect()
}

fn of_other(name: &'static str, base: &Ask, origin: &Origin) -> Vec<Row> {
    let tls = Ask { port: origin.tls.port(), ..base.clone() };
    let plain = |kind| Ask { kind, port: origin.clear.port(), ..base.clone() };
    if name == "tinyproxy" {
        return vec![
            row(name, "plain, fresh (it keeps none)", plain(Kind::PlainFresh)),
            row(name, "TLS, not opened", tls),
        ];
    }
    vec![
        row(name, "plain", plain(Kind::Plain)),
        row(name, "TLS", tls.clone()),
        row(name, "TLS, 1 connection", Ask { at_once: 1, ..tls.clone() }),
        row(name, HYPER, Ask { kind: Kind::Hyper, port: origin.hyper.port(), ..base.clone() }),
        row(name, "fresh TLS", fresh(tls)),
    ]
}

fn row(proxy: &'static str, what: &'static str, ask: Ask) -> Row {
    Row { proxy, what, ask, rounds: Vec::new() }
}

fn ask(origin: &Origin) -> Ask {
    Ask {
        kind: Kind::Tls,
        proxy: None,
        origin: origin.tls,
        host: HOST.to_owned(),
        port: 443,
        roots: String::new(),
        at_once: AT_ONCE,
        millis: MILLIS,
        most: usize::MAX,
    }
}

fn fresh(base: Ask) -> Ask {
    Ask { kind: Kind::TlsFresh, most: MOST_FRESH, ..base }
}
