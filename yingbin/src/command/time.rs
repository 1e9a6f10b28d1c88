//! Times as a person reads them.

use jiff::{Timestamp, tz::TimeZone};

/// A point in time in the machine's own time zone: `2026-08-01 09:30:00`.
pub(super) fn point(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) if ms != 0 => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        _ => "never".to_owned(),
    }
}

const UNITS: [(i64, &str); 5] =
    [(86_400 * 365, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

/// A length of time in its largest unit: `3 days`.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.saturating_abs();
    let (size, name) = UNITS.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "second"));
    let count = seconds / size;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// How long ago, or how far ahead: `3 days ago`, `in 2 hours`.
pub(super) fn relative(seconds_ago: i64) -> String {
    if seconds_ago < 0 { format!("in {}", span(seconds_ago)) } else { format!("{} ago", span(seconds_ago)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_their_largest_unit() {
        let told = [0, 1, 59, 3_600, 86_400 * 3 + 5, 86_400 * 800, i64::MIN].map(span);
        let expected = ["0 seconds", "1 second", "59 seconds", "1 hour", "3 days", "2 years"];
        assert_eq!(told.get(..6), Some(&expected.map(str::to_owned)[..]));
        assert_eq!(relative(-7_200), "in 2 hours");
        assert_eq!(relative(7_200), "2 hours ago");
    }

    #[test]
    fn no_time_is_told_as_never() {
        assert_eq!(point(0), "never");
        assert_eq!(point(i64::MAX), "never");
        assert!(point(1_754_000_000_000).starts_with("2025-"));
    }
}
