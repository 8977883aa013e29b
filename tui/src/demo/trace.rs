//! The three lines of the policy log that tell the story: denied, loaded, allowed.

use chrono::{DateTime, Utc};

/// The three lines, with the seconds since the first in front: `[t+0.042] CONFIG:LOADED …`. Fewer where the log has
/// fewer.
pub(super) fn of(log: &str, method: &str, path: &str) -> Vec<String> {
    let lines: Vec<(DateTime<Utc>, &str)> = log.lines().filter_map(read).collect();
    let is_about = |line: &str, action: &str| {
        line.starts_with(&format!("HTTP:{method} ")) && line.contains(action) && line.contains(path)
    };
    let denied = lines.iter().position(|(_, line)| is_about(line, " DENIED "));
    let after = denied.map_or(0, |at| at + 1);
    let loaded =
        lines.iter().enumerate().skip(after).find(|(_, (_, line))| line.starts_with("CONFIG:LOADED "));
    let allowed = lines.iter().enumerate().skip(after).find(|(_, (_, line))| is_about(line, " ALLOWED "));
    let places = [denied, loaded.map(|(at, _)| at), allowed.map(|(at, _)| at)];
    let chosen: Vec<&(DateTime<Utc>, &str)> =
        places.into_iter().flatten().filter_map(|at| lines.get(at)).collect();
    let start = chosen.first().map(|(at, _)| *at);
    chosen
        .iter()
        .map(|(at, line)| {
            let passed = start.map_or(0, |start| (*at - start).num_milliseconds());
            format!("[t+{}.{:03}] {line}", passed / 1000, passed % 1000)
        })
        .collect()
}

/// `<time> OCSF <line>`.
fn read(line: &str) -> Option<(DateTime<Utc>, &str)> {
    let (time, line) = line.split_once(" OCSF ")?;
    Some((time.parse().ok()?, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-01-01T00:00:00.000Z OCSF CONFIG:LOADED [INFO] Policy reloaded successfully [version:v1]
2026-01-01T00:00:01.000Z OCSF HTTP:GET [INFO] ALLOWED c(1) -> GET http://a:443/x [policy:p engine:l7]
2026-01-01T00:00:02.500Z OCSF HTTP:PUT [MED] DENIED c(1) -> PUT http://a:443/x [policy:p engine:l7] [reason:r]
not a line
2026-01-01T00:00:02.600Z OCSF CONFIG:PROPOSED [INFO] y
2026-01-01T00:00:03.542Z OCSF CONFIG:LOADED [INFO] Policy reloaded successfully [version:v2]
2026-01-01T00:00:03.600Z OCSF HTTP:PUT [INFO] ALLOWED c(1) -> PUT http://a:443/x [policy:q engine:l7]
";

    #[test]
    fn the_trace_is_denied_loaded_allowed_of_this_request() {
        assert_eq!(
            of(LOG, "PUT", "/x"),
            [
                "[t+0.000] HTTP:PUT [MED] DENIED c(1) -> PUT http://a:443/x [policy:p engine:l7] [reason:r]",
                "[t+1.042] CONFIG:LOADED [INFO] Policy reloaded successfully [version:v2]",
                "[t+1.100] HTTP:PUT [INFO] ALLOWED c(1) -> PUT http://a:443/x [policy:q engine:l7]",
            ]
        );
        let rejected = LOG.lines().take(3).collect::<Vec<_>>().join("\n");
        assert_eq!(of(&rejected, "PUT", "/x").len(), 1);
    }
}
