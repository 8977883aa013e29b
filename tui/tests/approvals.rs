//! An agent tries every way to approve its own proposal; none works, and a reviewer outside then approves it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{POLICY, World, proposal};
use rustix::process::geteuid;
use serde_json::Value;

/// Who the sandbox is when root starts it.
const NOBODY: &str = "65534:65534";

/// How each way ended.
fn ways(output: &Output) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.strip_prefix("@ ")?.split_once('\t'));
    lines.map(|(way, result)| (way.to_owned(), result.to_owned())).collect()
}

/// The same variables outside and inside.
fn variables(world: &World, [id, other]: [&str; 2], verb: &str) -> Vec<(&'static str, String)> {
    let at = |name: &str| world.path(name).display().to_string();
    vec![
        ("DOOR", world.door().display().to_string()),
        ("PROGRAM", at("work/openshell-inbox")),
        ("GATEWAY_PID", world.gateway_pid().to_string()),
        ("DATABASE", at("inbox.db")),
        ("POLICY_FILE", at("p.yaml")),
        ("HOME", at("home")),
        ("TERMINAL", "/dev/pts/0".to_owned()),
        ("PROPOSAL", proposal("/more.md", "more").to_string()),
        ("VERB", verb.to_owned()),
        ("ID", id.to_owned()),
        ("OTHER", other.to_owned()),
    ]
}

fn is_able() -> bool {
    let doctor = common::program().arg("doctor").output().unwrap();
    let is_able = doctor.status.success() && Path::new("/usr/bin/python3").exists();
    if !is_able {
        eprintln!("skipped: no /usr/bin/python3, or\n{}", String::from_utf8_lossy(&doctor.stdout));
    }
    is_able
}

/// A folder for the agent, with the program in it, and a home.
fn prepare(world: &World) {
    for name in ["work", "home/.config/openshell-inbox"] {
        fs::create_dir_all(world.path(name)).unwrap();
    }
    // By another process: an open file for writing that a thread's child inherits keeps a program from running.
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_openshell-inbox")).arg(world.path("work/openshell-inbox"));
    assert!(copy.status().unwrap().success());
    fs::write(world.path("work/ways.py"), include_str!("approvals/ways.py")).unwrap();
    fs::write(world.path("p.yaml"), POLICY).unwrap();
    fs::write(world.path("home/.config/openshell-inbox/config.toml"), "").unwrap();
    fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if rustix::process::geteuid().is_root() {
        let owned = [world.path("work"), world.path("home")];
        assert!(Command::new("chown").args(["-R", NOBODY]).args(owned).status().unwrap().success());
    }
}

#[test]
fn no_agent_approves_its_own_proposal() {
    if !is_able() {
        return;
    }
    let world = World::start();
    prepare(&world);
    let mut elsewhere = world.sandbox("other", &["--advisor"]);
    let other = elsewhere.submit("/b.md", "another sandbox's");
    let ids = || -> Vec<String> {
        let listed = world.inbox_json(&["list", "--sandbox", "inside"]);
        listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    // The agent's shell submits, and goes on when it is told the id.
    let mut run = world.supervisor("inside", &world.path("p.yaml"), &["--advisor", "--isolation", "netns"]);
    let script = "curl -s --data \"$PROPOSAL\" http://policy.local/v1/proposals; echo; read ID; export ID; exec /usr/bin/python3 ways.py";
    run.args(["--", "bash", "-c", script]).current_dir(world.path("work"));
    run.envs(variables(&world, ["", &other], "approve"));
    let mut child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = common::until("the proposal", || ids().pop());
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{id}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let tried = ways(&output);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(tried.get("at the end").map(String::as_str), Some("pending"), "{tried:#?} {complaint}");
    let through: Vec<_> = tried.iter().filter(|(_, result)| *result == "THROUGH").collect();
    println!("{} ways: {tried:#?}", tried.len());
    assert!(
        through.is_empty() && tried.len() > 250 && tried.contains_key("the door"),
        "{} ways, {through:?}",
        tried.len()
    );
    for made in ids() {
        assert_eq!(world.inbox_json(&["show", &made])["status"], "pending", "{made}");
    }
    let others = world.inbox_json(&["list", "--sandbox", "other"]);
    assert_eq!((others.as_array().map(Vec::len), &others[0]["status"]), (Some(1), &Value::from("pending")));
    let outside = the_controls(&world, [&id, &other]);
    let table =
        table(&tried, &outside, |way| way.replace(&id, "ID").replace(world.door().to_str().unwrap(), "DOOR"));
    println!("{table}");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/escape/approvals.txt");
    if std::env::var_os("OPENSHELL_BLESS").is_some() {
        fs::write(&fixture, &table).unwrap();
    }
    assert_eq!(fs::read_to_string(&fixture).unwrap(), table, "OPENSHELL_BLESS=1 writes the table");
}

/// The ways with what each gave; what only the sandbox has cannot be tried outside, where the way is the program.
fn table(
    inside: &BTreeMap<String, String>,
    outside: &BTreeMap<String, String>,
    plain: impl Fn(&str) -> String,
) -> String {
    let mut rows: Vec<String> = inside
        .iter()
        .filter(|(way, _)| !way.starts_with("a descriptor"))
        .map(|(way, result)| {
            let control = if outside.contains_key(way) { "succeeds" } else { "-" };
            let answer = match result.as_str() {
                "pending" => "pending".to_owned(),
                "202" => "pending (202)".to_owned(),
                code if code.parse::<u16>().is_ok() => format!("refused ({code})"),
                _ => "refused".to_owned(),
            };
            format!("{:<84} {control:<9} {answer}", plain(way))
        })
        .collect();
    rows.sort();
    format!("{:<84} {:<9} inside\n{}\n", "way", "outside", rows.join("\n"))
}

/// Outside, every wall is gone; but the sandbox door cannot decide even there.
fn the_controls(world: &World, [id, other]: [&str; 2]) -> BTreeMap<String, String> {
    let mut control = Command::new("/usr/bin/python3");
    control.arg(world.path("work/ways.py")).env("CONTROL", "1").current_dir(world.path("work"));
    let control = control.envs(variables(world, [id, other], "show")).output().unwrap();
    let tried = ways(&control);
    // The gateway is not dumpable: root alone looks into it.
    let is_closed = |way: &str| way.contains("the gateway's") && !geteuid().is_root();
    let failed: Vec<_> =
        tried.iter().filter(|(way, result)| (*result == "THROUGH") == is_closed(way)).collect();
    assert!(failed.is_empty() && tried.len() >= 14, "the controls: {tried:#?}");
    let all = world.inbox_json(&["list", "--sandbox", "inside"]);
    let with_keys =
        all.as_array().unwrap().iter().find(|one| one["rationale"].as_str().unwrap().starts_with("keys "));
    let with_keys = with_keys.map_or(id, |one| one["id"].as_str().unwrap());
    for words in [&["list"][..], &["show", with_keys]] {
        let shown = String::from_utf8(world.inbox(words).stdout).unwrap();
        let is_key = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.is_empty() && !shown.contains(is_key), "{shown:?}");
    }
    let mut sandbox_door = common::program();
    sandbox_door.arg("--gateway").arg(format!("{}.sandbox", world.door().display())).args(["approve", id]);
    assert!(!sandbox_door.output().unwrap().status.success());
    assert_eq!(world.inbox_json(&["show", id])["status"], "pending");
    // The run is over by now: a grant for it would be for nobody.
    let for_nobody = world.inbox(&["approve", id]);
    assert_eq!(for_nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&for_nobody.stderr).contains("has no run now"), "{for_nobody:?}");
    assert!(world.inbox(&["approve", id, "--for", "always"]).status.success());
    assert_eq!(world.inbox_json(&["show", id])["status"], "approved");
    tried
}
