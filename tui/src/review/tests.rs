//! The words for a difference, and that nothing raw leaves the module.

use openshell_domain::id::Digest;
use openshell_domain::policy::risk::Seen;
use openshell_domain::proposal::Proposal;
use openshell_domain::untrusted::is_hidden;

use super::*;
use crate::screen::tests::world::{World, id, put, rule};

fn proposal(yaml: &str) -> Proposal {
    let mut world = World::new();
    world.live();
    world.submit(1, "wanted", rule(yaml), "");
    world.model.proposal(id(1)).unwrap().clone()
}

/// What an endpoint for curl would newly allow.
fn gains(endpoint: &str) -> Vec<String> {
    let asked = proposal(&format!("endpoints: [{endpoint}]\nbinaries: [{{path: /usr/bin/curl}}]"));
    newly(&asked).entries.into_iter().map(|entry| entry.text).collect()
}

#[test]
fn an_ask_that_is_new_as_a_whole_is_told_in_a_line() {
    let rest = "host: new.example.net, port: 443, protocol: rest, enforcement: enforce";
    for (endpoint, told) in [
        ("{host: new.example.net, port: 443}".to_owned(), "all of it: any bytes, the stream is not read"),
        (format!("{{{rest}, access: full}}"), "all of it: any method, any path, any query, any body"),
        (format!("{{{rest}, access: read-only}}"), "all of it: GET, OPTIONS, any path, any query, any body"),
        (
            format!(
                "{{{rest}, rules: [{{allow: {{method: PUT, path: /a}}}}, {{allow: {{method: PUT, path: /b}}}}]}}"
            ),
            "all of it: PUT, 2 paths, any query, any body",
        ),
        (
            format!("{{{rest}, rules: [{{allow: {{method: GET, path: /a/*, query: {{q: x}}}}}}]}}"),
            "all of it: GET, every path that matches, queries as asked, any body; may open a WebSocket: two-way, contents not seen",
        ),
    ] {
        assert_eq!(gains(&endpoint), [told]);
    }
}

#[test]
fn an_ask_of_which_some_is_known_is_told_part_by_part() {
    let endpoint = "{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /a}}, {allow: {method: PUT, path: /a}}]}";
    // Reading was allowed before, by a preset, which lets no WebSocket be opened.
    let websocket = "api.github.com:443 WebSocket /a (two-way, contents not seen)";
    assert_eq!(gains(endpoint), ["api.github.com:443 PUT /a", websocket]);
    let covered = "{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: HEAD, path: /a}}]}";
    assert_eq!(gains(covered), ["changes nothing: already allowed by github"]);
}

/// Kills: a hash of another program; one of several; silence about one that is missing.
#[test]
fn a_program_is_shown_with_the_hash_of_its_file() {
    let asked = proposal("endpoints: [{host: a.example, port: 443}]\nbinaries: [{path: /usr/bin/curl}]");
    let with = |hashes: &[(&str, Option<u8>)]| {
        let seen = |(binary, hash): &(&str, Option<u8>)| Seen {
            binary: (*binary).to_owned(),
            host: "a.example".to_owned(),
            port: 443,
            method: None,
            path: None,
            count: 1,
            sha256: hash.map(|n| Digest([n; 32])),
        };
        programs(&Proposal { evidence: hashes.iter().map(seen).collect(), ..asked.clone() }).join(", ")
    };
    let (curl, other) = ("/usr/bin/curl", "/usr/bin/wget");
    assert_eq!(with(&[]), "/usr/bin/curl");
    assert_eq!(with(&[(other, Some(1))]), "/usr/bin/curl");
    assert_eq!(with(&[(curl, None)]), "/usr/bin/curl (sha256 unknown)");
    assert_eq!(
        with(&[(curl, None), (curl, Some(0x7c)), (curl, Some(0x7c))]),
        "/usr/bin/curl (sha256 7c7c7c7c7c7c)"
    );
    let both = with(&[(curl, Some(1)), (other, Some(3)), (curl, Some(2))]);
    assert_eq!(both, "/usr/bin/curl (sha256 010101010101, 020202020202)");
}

#[test]
fn notes_weigh_nothing() {
    let l4 = "endpoints: [{host: new.example.net, port: 443}]\nbinaries: [{path: /usr/bin/curl}]";
    assert_eq!(weight(&proposal(l4)), (Tone::Warn, "!2".to_owned()));
    let l7 = "endpoints: [{host: new.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /a}}]}]\nbinaries: [{path: /usr/bin/curl}]";
    assert_eq!(weight(&proposal(l7)), (Tone::Note, String::new()));
    assert!(codes(&proposal(l7)).iter().all(|(tone, text)| *tone == Tone::Note && text.starts_with("- ")));
}

#[test]
fn nothing_raw_leaves() {
    let mut world = World::new();
    world.live();
    let mut asked = put("/x");
    let mut unmatched = asked.endpoints[0].rules[0].clone();
    unmatched.allow.path = "/a\u{1b}c\r/**".to_owned();
    asked.endpoints[0].rules.push(unmatched);
    asked.binaries[0].path = "/bin/\u{200b}x\u{7}".to_owned();
    world.submit(1, "hostile", asked, "");
    let told = sections(world.model.proposal(id(1)).unwrap());
    let entries = || told.iter().flat_map(|section| section.entries.iter().chain(&section.short));
    let text = format!("{told:?}");
    assert!(text.contains("/x by /bin/\\\\u{200b}x") && text.contains("/a\\\\u{1b}c"), "{text}");
    for text in entries().flat_map(|entry| std::iter::once(&entry.text).chain(&entry.more)) {
        assert!(!text.chars().any(is_hidden), "{text:?}");
    }
}

/// Kills: an agent that is named where none has asked, and words of the mapper that are given to an agent.
#[test]
fn what_the_mapper_drafts_is_not_an_agents() {
    let mut drafted = proposal("endpoints: [{host: a.example.net, port: 443}]\nbinaries: [{path: /bin/a}]");
    assert_eq!(teller(&drafted), "Agent says");
    drafted.submitted_by = "/bin/\u{1b}a".to_owned();
    assert_eq!(asker(&drafted), "/bin/\\u{1b}a");
    drafted.submitted_by.clear();
    assert_eq!(asker(&drafted), "unknown");
    drafted.origin = Origin::Mechanistic;
    assert_eq!(
        (asker(&drafted).as_str(), teller(&drafted)),
        ("nobody: drafted from denials", "Drafted from denials")
    );
}
