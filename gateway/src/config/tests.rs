use std::path::Path;

use clap::{Args as _, FromArgMatches as _};

use super::*;

fn args(flags: &[&str]) -> ServeArgs {
    let command = ServeArgs::augment_args(Command::new("x"));
    let matches = command.try_get_matches_from([&["x"], flags].concat()).unwrap();
    ServeArgs::from_arg_matches(&matches).unwrap()
}

fn env(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect()
}

fn shown(effective: &Effective) -> serde_json::Value {
    let mut out = Vec::new();
    effective.show(ShowFormat::Json, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// A value for each key that is not the default, as the file writes it.
const OTHER: &[(&str, &str)] = &[
    ("db", "\"/other/inbox.db\""),
    ("socket", "\"/other/gw.sock\""),
    ("idle_exit", "\"90s\""),
    ("metrics_listen", "\"127.0.0.1:9464\""),
    ("log_level", "\"debug,tonic=warn\""),
    ("log_format", "\"json\""),
    ("ceiling", "\"/other/ceiling.yaml\""),
    ("auto_approve", "\"/other/auto.yaml\""),
    ("snapshot_events", "500"),
    ("limit_submissions_burst", "11"),
    ("limit_submissions_per_minute", "31"),
    ("limit_pending", "33"),
    ("run_grace", "\"90s\""),
];

#[test]
fn every_key_is_a_flag_a_variable_and_in_the_file_and_each_beats_the_next() {
    assert!(
        OTHER.iter().map(|(name, _)| *name).eq(KEYS.iter().map(|key| key.name)),
        "a key is not tried here"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let base = [("HOME", "/h"), ("OPENSHELL_GATEWAY_CONFIG", file.to_str().unwrap())];
    for (name, toml) in OTHER {
        let plain = toml.trim_matches('"');
        let variable = format!("OPENSHELL_GATEWAY_{}", name.to_uppercase());
        let flag = format!("--{}={plain}", name.replace('_', "-"));
        let say = |toml: &str, more: &[(&str, &str)], flags: &[&str]| {
            std::fs::write(&file, toml).unwrap();
            let effective = args(flags).settle(&env(&[&base, more].concat())).unwrap();
            let entry = shown(&effective)[name].clone();
            let value = entry["value"].as_str().map_or_else(|| entry["value"].to_string(), str::to_owned);
            (value, entry["origin"].as_str().unwrap().to_owned(), effective.settings)
        };
        let (default, origin, nothing) = say("", &[], &[]);
        assert_eq!(origin, "default", "{name}");
        assert_ne!(default, plain, "{name}");
        let in_file = format!("# a comment\n{name} = {toml}\n");
        let (value, origin, from_file) = say(&in_file, &[], &[]);
        assert_eq!((value.as_str(), origin.as_str()), (plain, "file"), "{name}");
        let (value, origin, from_env) = say("", &[(&variable, plain)], &[]);
        assert_eq!((value.as_str(), origin.as_str()), (plain, "environment"), "{name}");
        let (value, origin, from_flag) = say("", &[], &[&flag]);
        assert_eq!((value.as_str(), origin.as_str()), (plain, "flag"), "{name}");
        assert!(from_file == from_env && from_env == from_flag && from_flag != nothing, "{name}");
        // Whoever is stronger wins, with the default's text, which is a value like any other.
        let (value, origin, _) = say(&in_file, &[(&variable, &default)], &[]);
        assert_eq!((value, origin.as_str()), (default.clone(), "environment"), "{name}");
        let (value, origin, _) = say("", &[(&variable, &default)], &[&flag]);
        assert_eq!((value.as_str(), origin.as_str()), (plain, "flag"), "{name}");
    }
}

#[test]
fn what_show_prints_is_a_file_that_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let toml: String = OTHER.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    std::fs::write(&file, toml).unwrap();
    let told = args(&["--config", file.to_str().unwrap(), "--db", "/with \"quotes\" \\ and\ttabs"]);
    let effective = told.settle(&env(&[("HOME", "/h")])).unwrap();
    let mut out = Vec::new();
    effective.show(ShowFormat::Toml, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains(&format!("# file {}:3", file.display())) && text.contains("# flag --db"), "{text}");
    let again = folder.path().join("again.toml");
    std::fs::write(&again, &text).unwrap();
    let again = args(&["--config", again.to_str().unwrap()]).settle(&env(&[])).unwrap();
    assert_eq!(again.settings, effective.settings, "{text}");
}

#[test]
fn each_mistake_in_a_file_is_told_with_its_place_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let problems = |toml: &str| {
        std::fs::write(&file, toml).unwrap();
        let told = args(&["--config", file.to_str().unwrap()]).settle(&env(&[("HOME", "/h")]));
        told.unwrap_err().to_string().replace(&format!("{}:", file.display()), "FILE:")
    };
    let text = problems(
        "limit_pendng = 1\nlimit_pending = \"32\"\n  db = 5\nidle_exit = \"soon\"\n[x]\nmetrics_listen = \"off\"\n",
    );
    for wanted in [
        "FILE:1:1: \"limit_pendng\" is no key: there are db, socket, idle_exit,",
        "FILE:2:17: limit_pending: found a string, allowed is a whole number such as 32",
        "FILE:3:8: db: found an integer, allowed is a string such as",
        "FILE:4:13: idle_exit: \"soon\" is no time",
        "FILE:5:",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert_eq!(text.lines().count(), 5, "{text}");
    for (toml, wanted) in [
        (
            "limit_pending = 4294967296\n",
            "FILE:1:17: limit_pending: \"4294967296\" is not a whole number from 0 to",
        ),
        ("limit_pending = -1\n", "FILE:1:17: limit_pending: \"-1\" is not a whole number"),
        ("limit_pending = 0x20\n", "found an integer that is not decimal"),
        ("metrics_listen = \"0.0.0.0:9464\"\n", "without any authentication: choose"),
        ("metrics_listen = \"localhost:9464\"\n", "no address and port, such as 127.0.0.1:9464"),
        ("log_level = \"inof\"\n", "is no level: off, error, warn"),
        ("db = \"\"\n", "an empty path"),
        ("db = \"a\"\ndb = \"b\"\n", "FILE:2:1: duplicate key"),
        ("ü = 1\nlog_format = 'x\n", "FILE:2:"),
    ] {
        assert!(problems(toml).contains(wanted), "{wanted}: {}", problems(toml));
    }
}

#[test]
fn a_path_in_a_file_begins_in_that_files_folder_and_the_usual_file_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let nothing = args(&[]).settle(&env(&[("HOME", home)])).unwrap();
    assert_eq!(
        nothing.settings.db.as_deref(),
        Some(&*folder.path().join(".local/state/openshell-inbox/inbox.db"))
    );
    let config = folder.path().join(".config/openshell-inbox");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("gateway.toml"), "db = \"log/inbox.db\"\n").unwrap();
    let told = args(&[]).settle(&env(&[("HOME", home)])).unwrap();
    assert_eq!(told.settings.db.as_deref(), Some(&*config.join("log/inbox.db")));
    let missing =
        args(&["--config", "/nonexistent/gateway.toml"]).settle(&env(&[("HOME", home)])).unwrap_err();
    assert!(missing.to_string().starts_with("/nonexistent/gateway.toml: No such file"), "{missing}");
    let named = env(&[("HOME", home), ("OPENSHELL_GATEWAY_CONFIG", "/nonexistent/gateway.toml")]);
    assert!(args(&[]).settle(&named).is_err());
}

#[test]
fn a_wrong_variable_is_an_error_an_empty_one_is_none_and_a_misspelt_one_a_warning() {
    let home = ("HOME", "/h");
    let wrong = args(&[]).settle(&env(&[home, ("OPENSHELL_GATEWAY_LIMIT_PENDING", "many")])).unwrap_err();
    assert!(wrong.to_string().starts_with("OPENSHELL_GATEWAY_LIMIT_PENDING: \"many\" is not"), "{wrong}");
    let told = env(&[home, ("OPENSHELL_GATEWAY_LIMIT_PENDING", ""), ("OPENSHELL_GATEWAY_LIMIT_PENDIN", "1")]);
    let told = args(&[]).settle(&told).unwrap();
    assert_eq!(told.settings.limits, Limits::default());
    assert!(matches!(&told.warnings[..], [warning] if warning.contains("LIMIT_PENDIN is no variable")));
    let command = || ServeArgs::augment_args(Command::new("x"));
    let flag = command().try_get_matches_from(["x", "--limit-pending", "many"]).unwrap_err().to_string();
    assert!(flag.contains("--limit-pending") && flag.contains("not a whole number"), "{flag}");
    assert!(command().try_get_matches_from(["x", "--metrics-listen", "192.0.2.1:1"]).is_err());
}

#[test]
fn what_the_table_says_of_defaults_is_true() {
    for key in KEYS.iter().filter(|key| !matches!(key.kind, keys::Kind::Path | keys::Kind::PathOrNone)) {
        let mut settings = Settings::default();
        (key.set)(&mut settings, OsStr::new(key.default)).unwrap();
        assert_eq!((key.get)(&settings).as_deref(), Some(key.default), "{}", key.name);
        assert_eq!((key.get)(&Settings::default()).as_deref(), Some(key.default), "{}", key.name);
    }
    assert_eq!(beside(Path::new("/etc/x/gateway.toml"), "../y"), OsString::from("/etc/x/../y"));
}
