//! What rotation keeps, drops and says.

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn write(daily: &mut Daily, at: DateTime<Utc>, weight: Weight, line: &str) -> Option<String> {
    let told = daily.add(at, weight, line);
    told.or(daily.flush())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Kills: a file for ever, a foreign file removed, and today's removed because of one of tomorrow.
#[test]
fn seven_days_of_a_form_are_kept_and_nothing_else_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["openshell.2026-01-01.txt", "openshell-ocsf.2026-01-01.log", "openshell.2099-01-01.log"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let mut daily = Daily::new(folder.path().to_owned(), "openshell");
    for day in 10..20 {
        assert_eq!(
            write(&mut daily, at(&format!("2026-07-{day}T12:00:00Z")), Weight::Ordinary, "line"),
            None
        );
    }
    let names = names(folder.path());
    let own: Vec<&String> =
        names.iter().filter(|name| name.starts_with("openshell.") && name.ends_with(".log")).collect();
    assert_eq!(own.len(), KEPT_DAYS, "{names:?}");
    assert!(names.contains(&"openshell.2026-07-19.log".to_owned()), "{names:?}");
    assert!(!names.contains(&"openshell.2026-07-13.log".to_owned()), "{names:?}");
    assert!(
        names.contains(&"openshell.2026-01-01.txt".to_owned()) && names.len() == KEPT_DAYS + 2,
        "{names:?}"
    );
}

/// Kills: a line lost because the new day's file cannot be opened.
#[test]
fn no_line_is_lost_at_midnight() {
    let folder = tempfile::tempdir().unwrap();
    let mut daily = Daily::new(folder.path().to_owned(), "openshell");
    let tomorrow = folder.path().join("openshell.2026-07-03.log");
    std::fs::create_dir(&tomorrow).unwrap();
    assert_eq!(write(&mut daily, at("2026-07-02T23:59:59.999Z"), Weight::Ordinary, "one"), None);
    let told = write(&mut daily, at("2026-07-03T00:00:00Z"), Weight::Ordinary, "two").unwrap();
    assert!(told.contains("0 lines"), "{told}");
    std::fs::remove_dir(&tomorrow).unwrap();
    assert_eq!(write(&mut daily, at("2026-07-03T00:00:01Z"), Weight::Ordinary, "three"), None);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("openshell.2026-07-02.log"), "one\ntwo\n");
    assert_eq!(read("openshell.2026-07-03.log"), "three\n");
}

/// Kills: a day without a bound, and a flood of requests that keeps a change of policy out of the file.
#[test]
fn a_day_is_bounded_and_a_change_of_policy_still_fits() {
    let folder = tempfile::tempdir().unwrap();
    let mut daily = Daily::new(folder.path().to_owned(), "openshell");
    daily.max = 10;
    let now = at("2026-07-02T12:00:00Z");
    assert_eq!(write(&mut daily, now, Weight::Ordinary, "123456789"), None);
    let told = write(&mut daily, now, Weight::Ordinary, "x").unwrap();
    assert!(told.contains("the day's room is used up; 1 lines"), "{told}");
    assert_eq!(write(&mut daily, now, Weight::Ordinary, "x"), None, "said once a minute");
    assert_eq!(write(&mut daily, now, Weight::Policy, "policy"), None);
    let later = write(&mut daily, at("2026-07-02T12:01:00Z"), Weight::Ordinary, "x").unwrap();
    assert!(later.contains("3 lines"), "{later}");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("openshell.2026-07-02.log")).unwrap(),
        "123456789\npolicy\n"
    );
    // A supervisor that is started again counts what is there.
    let mut again = Daily::new(folder.path().to_owned(), "openshell");
    again.max = 10;
    assert!(write(&mut again, now, Weight::Ordinary, "x").is_some());
    assert_eq!(
        write(&mut again, at("2026-07-03T00:00:00Z"), Weight::Ordinary, "x"),
        None,
        "a new day has new room"
    );
}

/// Kills: a panic on a disk that is full, a complaint for each line, and a line that is glued to a torn one.
#[test]
fn a_full_disk_is_counted_and_told_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let mut daily = Daily::new(folder.path().to_owned(), "openshell");
    let now = at("2026-07-02T12:00:00Z");
    let path = folder.path().join("openshell.2026-07-02.log");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let told = write(&mut daily, now, Weight::Ordinary, "x").unwrap();
    assert!(told.contains("1 lines") && told.contains("--log-dir"), "{told}");
    assert_eq!(write(&mut daily, now, Weight::Ordinary, "x"), None);
    assert_eq!((daily.unwritten(), daily.open.as_ref().unwrap().is_torn), (2, true));
    std::fs::remove_file(&path).unwrap();
    daily.open.as_mut().unwrap().file = File::create(&path).unwrap();
    assert_eq!(write(&mut daily, now, Weight::Ordinary, "y"), None);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "\ny\n");
}

/// Kills: an OCSF event that is glued to one that was cut short, also by a supervisor that was killed meanwhile.
#[test]
fn an_event_after_a_torn_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let now = at("2026-07-02T12:00:00Z");
    let path = folder.path().join("openshell-ocsf.2026-07-02.log");
    std::fs::write(&path, "{\"class_uid\": 40").unwrap();
    let mut daily = Daily::new(folder.path().to_owned(), "openshell-ocsf");
    assert_eq!(write(&mut daily, now, Weight::Ordinary, "{\"n\": 1}"), None);
    let whole = daily.open.take();
    daily.open =
        Some(Open { file: File::options().append(true).open("/dev/full").unwrap(), ..whole.unwrap() });
    assert!(write(&mut daily, now, Weight::Ordinary, "{\"n\": 2}").is_some());
    let torn = daily.open.take().unwrap();
    daily.open = Some(Open { file: File::options().append(true).open(&path).unwrap(), ..torn });
    assert_eq!(write(&mut daily, now, Weight::Ordinary, "{\"n\": 3}"), None);
    let text = std::fs::read_to_string(&path).unwrap();
    let read = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    assert_eq!(read.map(|event| event["n"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3], "{text}");
}

/// Kills: a line that is written in two parts, and a file that is gone already taken for one that cannot be removed.
#[test]
fn two_supervisors_share_a_folder_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let write = |letter: char| {
        let mut daily = Daily::new(folder.path().to_owned(), "openshell");
        let line = letter.to_string().repeat(5000);
        move || {
            for day in 1..=28 {
                for _ in 0..40 {
                    let now = at(&format!("2026-07-{day:02}T12:00:00Z"));
                    assert_eq!(write(&mut daily, now, Weight::Ordinary, &line), None);
                }
            }
        }
    };
    std::thread::scope(|scope| "ab".chars().for_each(|letter| drop(scope.spawn(write(letter)))));
    let text = std::fs::read_to_string(folder.path().join("openshell.2026-07-28.log")).unwrap();
    let of = |letter: char| text.lines().filter(|line| **line == *letter.to_string().repeat(5000)).count();
    assert_eq!((of('a'), of('b'), text.lines().count()), (40, 40, 80));
}

/// Kills: a line of yesterday in the file of today, a system call for each line, and lines that are lost or counted
/// wrongly where only some of those that were gathered are in the file.
#[test]
fn lines_are_appended_together_each_in_the_file_of_its_day() {
    let folder = tempfile::tempdir().unwrap();
    let mut daily = Daily::new(folder.path().to_owned(), "openshell");
    let read = |day: &str| {
        std::fs::read_to_string(folder.path().join(format!("openshell.2026-07-{day}.log"))).unwrap()
    };
    for (time, line) in [("02T23:59:58Z", "one"), ("02T23:59:59Z", "two"), ("03T00:00:00Z", "three")] {
        assert_eq!(daily.add(at(&format!("2026-07-{time}")), Weight::Ordinary, line), None);
    }
    assert_eq!((read("02").as_str(), read("03").as_str()), ("one\ntwo\n", ""));
    assert_eq!(daily.flush(), None);
    assert_eq!(read("03"), "three\n");
    let long = "x".repeat(GATHERED / 4);
    for _ in 0..5 {
        assert_eq!(daily.add(at("2026-07-03T00:00:01Z"), Weight::Ordinary, &long), None);
    }
    assert_eq!(read("03").lines().count(), 5, "what is gathered is bounded");
    daily.open.as_mut().unwrap().file = File::options().append(true).open("/dev/full").unwrap();
    assert_eq!(daily.add(at("2026-07-03T00:00:02Z"), Weight::Ordinary, "lost"), None);
    assert!(daily.flush().unwrap().contains("2 lines"));
    assert_eq!((daily.unwritten(), daily.flush()), (2, None), "they are counted once");
}
