//! Spans of time as people write them: `90s`, `10m`, `never`. Pure.

use std::time::Duration;

/// The units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A whole number and its unit; `never` is `None`.
pub(super) fn parse(text: &str) -> Result<Option<Duration>, String> {
    let wrong = || format!("{text:?} is no time: a whole number and ms, s, m, h or d, such as 10m, or never");
    if text == "never" {
        return Ok(None);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(millis) {
        Some(millis) if millis > 0 => Ok(Some(Duration::from_millis(millis))),
        _ => Err(wrong()),
    }
}

/// The same, written again with the longest unit in which it is a whole number.
pub(super) fn brief(span: Option<Duration>) -> String {
    let Some(span) = span else { return "never".to_owned() };
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS.into_iter().find(|(_, unit)| millis.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_the_same() {
        for text in ["never", "1ms", "1500ms", "90s", "10m", "1h", "36h", "2d"] {
            assert_eq!(brief(parse(text).unwrap()), text);
        }
        assert_eq!(brief(parse("60s").unwrap()), "1m");
        for wrong in [
            "",
            "10",
            "m",
            "0s",
            "-1s",
            "1.5h",
            "10 m",
            "10min",
            "99999999999999999999s",
            "9999999999999999d",
        ] {
            assert!(parse(wrong).unwrap_err().contains("such as 10m"), "{wrong}");
        }
    }
}
