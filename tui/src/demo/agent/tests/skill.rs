//! The skill says what is true: its example is accepted, and it names no route that is not there.

use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::proposal::body;

const SKILL: &str = include_str!("../../../../../skills/policy_advisor.md");
const POINTER: &str = include_str!("../../../../../skills/policy-advisor/SKILL.md");

const ROUTES: [&str; 6] = [
    "/v1/policy/current",
    "/v1/denials?last=5",
    "/v1/prove",
    "/v1/proposals",
    "/v1/proposals/{id}",
    "/v1/proposals/{id}/wait?timeout=300",
];

#[test]
fn every_route_that_is_named_exists() {
    for text in [SKILL, POINTER] {
        let ends = |c: char| c.is_whitespace() || "'\"`),".contains(c);
        let named: Vec<String> = text
            .split("/v1/")
            .skip(1)
            .map(|rest| format!("/v1/{}", rest.split(ends).next().unwrap()).replace("$ID", "{id}"))
            .collect();
        assert!(!named.is_empty());
        for route in named {
            assert!(ROUTES.contains(&route.as_str()), "{route}");
        }
    }
}

#[test]
fn the_example_is_a_body_that_is_accepted() {
    let example = SKILL.split("<<'JSON'\n").nth(1).unwrap().split("\nJSON\n").next().unwrap();
    let read = body::read(example.as_bytes()).unwrap();
    let add = read.operations[0].as_ref().unwrap();
    let wanted = "api.github.com:443 [L7 rest, allow PUT /repos/acme/site/contents/notes.md]";
    assert_eq!(endpoint_lines(&add.rule), [wanted]);
    let with_query = example.replace(r#""method": "PUT","#, r#""method": "GET", "query": {"ref": "main"},"#);
    assert!(body::read(with_query.as_bytes()).unwrap().operations[0].is_ok());
    let l4 = r#"{"operations":[{"addRule":{"ruleName":"db","rule":{"endpoints":[{ "host": "db.example.net", "port": 5432 }],"binaries":[{"path":"/usr/bin/psql"}]}}}]}"#;
    assert!(SKILL.contains(r#"{ "host": "db.example.net", "port": 5432 }"#));
    assert!(body::read(l4.as_bytes()).unwrap().operations[0].is_ok());
}

#[test]
fn what_is_never_to_be_asked_for_is_refused() {
    let example = SKILL.split("<<'JSON'\n").nth(1).unwrap().split("\nJSON\n").next().unwrap();
    for (from, to) in [
        (r#""enforcement": "enforce""#, r#""enforcement": "audit""#),
        (r#""port": 443"#, r#""port": 443, "tls": "skip""#),
        (r#""port": 443"#, r#""port": 443, "deny_rules": [{"method": "PUT", "path": "/a"}]"#),
        (r#""host": "api.github.com""#, r#""host": "169.254.169.254""#),
        (r#""host": "api.github.com""#, r#""host": "127.0.0.1""#),
        (r#""host": "api.github.com""#, r#""host": "localhost""#),
        (r#""host": "api.github.com""#, r#""host": "*""#),
        ("notes.md\" }", "notes.md?ref=main\" }"),
        (r#""port": 443"#, r#""port": 443, "hosts": []"#),
        (r#""ruleName": "put-site-notes""#, r#""ruleName": "_provider_x""#),
    ] {
        let text = example.replace(from, to);
        assert_ne!(text, example, "{from}");
        assert!(body::read(text.as_bytes()).unwrap().operations[0].is_err(), "{to}");
    }
}
