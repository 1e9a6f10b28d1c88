//! Files of one contract a line: protobuf JSON, times also as hours from now, every bad line named.

use std::fmt;

use serde_json::{Map, Value};

use crate::json::{self, Contract};

/// What is wrong with one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong, in words for whoever wrote it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// A time that a line may also give in hours, so that a file stays true on another day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hours {
    /// Its names in the file.
    pub(super) names: [&'static str; 2],
    /// Names of the field that it fills, lowerCamelCase first.
    pub(super) fills: [&'static str; 2],
    /// The hours lie ahead of now, not behind.
    pub(super) ahead: bool,
}

/// Reads `text`, one message a line, blank lines left out. `check` says what else has to hold.
///
/// # Errors
/// Every line that is bad; then none of the good ones is returned.
pub(super) fn read<M: Contract>(
    text: &str,
    now_ms: i64,
    hours: &[Hours],
    mut check: impl FnMut(&M) -> Result<(), String>,
) -> Result<Vec<M>, Vec<Problem>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match one(line, now_ms, hours).and_then(|message| check(&message).map(|()| message)) {
            Ok(message) => good.push(message),
            Err(what) => bad.push(Problem { line: number, what }),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

fn one<M: Contract>(line: &str, now_ms: i64, hours: &[Hours]) -> Result<M, String> {
    let mut fields: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| format!("is no JSON object: {error}"))?;
    for hours in hours {
        hours.apply(&mut fields, now_ms)?;
    }
    json::from_json(&Value::Object(fields)).map_err(|error| error.to_string())
}

impl Hours {
    fn apply(&self, fields: &mut Map<String, Value>, now_ms: i64) -> Result<(), String> {
        let Some((name, value)) =
            self.names.iter().find_map(|name| fields.remove(*name).map(|value| (name, value)))
        else {
            return Ok(());
        };
        let within = |hours: &f64| hours.abs() <= 876_000.0;
        let hours = value.as_f64().filter(within).ok_or_else(|| format!("{name} is no number of hours"))?;
        if self.fills.iter().any(|field| fields.contains_key(*field)) {
            return Err(format!("{name} and {} say the same thing: give one", self.fills[0]));
        }
        #[expect(clippy::cast_possible_truncation, reason = "a century of milliseconds fits")]
        let span_ms = (hours * 3_600_000.0).round() as i64;
        let at_ms = if self.ahead { now_ms + span_ms } else { now_ms - span_ms };
        fields.insert(self.fills[0].to_owned(), at_ms.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proto::activity::Activity;

    const AGO: Hours = Hours {
        names: ["occurredHoursAgo", "occurred_hours_ago"],
        fills: ["occurredAtMs", "occurred_at_ms"],
        ahead: false,
    };

    fn activities(text: &str) -> Result<Vec<Activity>, Vec<Problem>> {
        read(text, 10_000_000, &[AGO], |_| Ok(()))
    }

    #[test]
    fn hours_become_times_in_either_spelling() {
        let read = activities("{\"occurredHoursAgo\":1.5}\n\n{\"occurred_hours_ago\":-1}\n").unwrap();
        let times: Vec<i64> = read.iter().map(|activity| activity.occurred_at_ms).collect();
        assert_eq!(times, [4_600_000, 13_600_000]);
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = "{\"occurredHoursAgo\":\"x\"}\n{\"id\":\"good\"}\nnonsense\n{\"kid\":1}\n\
                    {\"occurredHoursAgo\":1,\"occurred_at_ms\":5}\n[]";
        let problems = activities(text).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let expected = [
            "line 1: occurredHoursAgo is no number of hours",
            "line 3: is no JSON object",
            "line 4: unrecognized field name 'kid'",
            "line 5: occurredHoursAgo and occurredAtMs say the same thing: give one",
            "line 6: is no JSON object",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_the_numbers_are_its_lines(text in "([{}\"a-z:0-9,]{0,12}\n){0,8}") {
            let lines = u64::try_from(text.lines().count()).unwrap();
            match activities(&text) {
                Ok(read) => prop_assert!(read.len() as u64 <= lines),
                Err(problems) => prop_assert!(problems.iter().all(|p| (1..=lines).contains(&p.line))),
            }
        }
    }
}
