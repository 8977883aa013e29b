//! Node inside: one that knows proxies (22.21 or newer) asks through the proxy, an older one reaches nothing.
//!
//! `OPENSHELL_NODE` names a new one, else every `node` on the path is looked at; where there is none of a kind, its test
//! says so and ends.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

mod world;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Output};

use world::{World, finish, text, users};

/// The first one that reads `NODE_USE_ENV_PROXY` in its line of long support.
const FIRST: (u32, u32) = (22, 21);

/// Prints what became of two requests, one that the policy grants and one that it does not: `fetch` and `http`.
const SCRIPT: &str = r#"
const http = require("node:http");
const why = (e) => e ? `${e.message}, ${why(e.cause)}` : "";
const by_fetch = (url) => fetch(url).then((r) => r.text().then((t) => `${r.status} ${t.trim()}`), (e) => `failed: ${why(e)}`);
const by_http = (url) => new Promise((done) => http.get(url, (r) => {
  let text = ""; r.on("data", (d) => text += d).on("end", () => done(`${r.statusCode} ${text.trim()}`));
}).on("error", (e) => done(`failed: ${e.message}`)));
(async () => {
  for (const [name, ask] of [["fetch", by_fetch], ["http", by_http]])
    for (const host of ["up.example", "other.example"]) console.log(`@ ${name} ${host} ${await ask(`http://${host}/`)}`);
})();
"#;

/// Every Node there is, with its version.
fn nodes() -> Vec<((u32, u32), PathBuf)> {
    let named = std::env::var_os("OPENSHELL_NODE").map(PathBuf::from);
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("node"));
    let all = named.into_iter().chain(on_path).filter_map(|node| std::fs::canonicalize(node).ok());
    all.filter_map(|node| Some((version(&node)?, node))).collect()
}

fn version(node: &PathBuf) -> Option<(u32, u32)> {
    let output = Command::new(node).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The first Node that is new enough, or the first that is not; says so where there is none.
fn find(is_new: bool) -> Option<PathBuf> {
    if !world::is_able() {
        return None;
    }
    let found = nodes().into_iter().find(|(version, _)| (*version >= FIRST) == is_new);
    if found.is_none() {
        let which = if is_new { "22.21 or newer (OPENSHELL_NODE names one)" } else { "older than 22.21" };
        eprintln!("skipped: there is no node {which}");
    }
    found.map(|(_, node)| node)
}

/// Runs a Node inside, granted to every program, from the working directory where it can be seen.
fn ask(world: &World, node: &PathBuf, granted: bool) -> Output {
    let copied = Command::new("cp").arg(node).arg(world.at("work/node")).status();
    assert!(copied.unwrap().success());
    let policy = include_str!("world/policy.yaml");
    let binary = world.at("work/node").display().to_string();
    let policy = if granted { format!("{policy}      - path: {binary}\n") } else { policy.to_owned() };
    std::fs::write(world.at("policy.yaml"), policy).unwrap();
    world.give_away();
    finish(world.run(&["--resolve", &world::origin()], &[&binary, "-e", SCRIPT]), 60)
}

/// `fetch` asks for a tunnel, whose refusal is an error; `http` asks as it is.
fn is_denied(said: &str, host: &str) {
    let line =
        |name: &str| said.lines().find(|line| line.starts_with(&format!("@ {name} {host} "))).unwrap_or("");
    assert!(line("fetch").contains(" failed: ") && line("fetch").contains("403"), "{said}");
    assert!(line("http").contains(" 403 {"), "{said}");
}

#[test]
fn a_node_that_knows_proxies_reaches_what_is_granted_and_nothing_else() {
    let Some(node) = find(true) else { return };
    for user in users() {
        let world = World::new(user);
        let said = text(&ask(&world, &node, true));
        assert!(said.contains("@ fetch up.example 200 UPSTREAM"), "{said}");
        assert!(said.contains("@ http up.example 200 UPSTREAM"), "{said}");
        is_denied(&said, "other.example");
        let said = text(&ask(&world, &node, false));
        is_denied(&said, "up.example");
        assert!(!said.contains("UPSTREAM"), "{said}");
    }
}

#[test]
fn a_node_that_ignores_proxies_reaches_nothing() {
    let Some(node) = find(false) else { return };
    for user in users() {
        let world = World::new(user);
        let said = text(&ask(&world, &node, true));
        assert_eq!(said.matches(".example failed: ").count(), 4, "{said}");
    }
}
