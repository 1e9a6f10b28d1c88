//! Visits: the first event after 30 minutes of silence starts one, whichever event it is (design §3.3).

use proto::profile::Visit;

/// Silence that ends a visit, milliseconds.
const SILENCE_MS: i64 = 30 * 60 * 1000;

/// Counts an event of `at_ms`. Silence is measured by event time; an event that is older than the newest one of the
/// visit came late and never starts a visit.
pub(crate) fn learn(visit: &mut Option<Visit>, event_id: &str, at_ms: i64) {
    match visit {
        Some(present) if at_ms.saturating_sub(present.last_at_ms) < SILENCE_MS => {
            present.last_at_ms = present.last_at_ms.max(at_ms);
        }
        _ => *visit = Some(started(visit.as_ref(), event_id, at_ms)),
    }
}

fn started(before: Option<&Visit>, event_id: &str, at_ms: i64) -> Visit {
    Visit {
        number: before.map_or(0, |visit| visit.number).saturating_add(1),
        started_at_ms: at_ms,
        last_at_ms: at_ms,
        previous_at_ms: before.map_or(0, |visit| visit.started_at_ms),
        first_event_id: event_id.to_owned(),
        answered_at_ms: before.map_or(0, |visit| visit.answered_at_ms),
    }
}

/// Notes that a reply arrived at `at_ms`: the visit has been greeted.
pub(crate) fn answered(visit: &mut Option<Visit>, at_ms: i64) {
    if let Some(visit) = visit {
        visit.answered_at_ms = visit.answered_at_ms.max(at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn after(events: &[(&str, i64)]) -> Visit {
        let mut visit = None;
        for (id, minute) in events {
            learn(&mut visit, id, minute * MINUTE);
        }
        visit.expect("there was an event")
    }

    #[test]
    fn the_first_event_starts_the_first_visit() {
        let visit = after(&[("a", 5)]);
        assert_eq!((visit.number, visit.previous_at_ms, visit.first_event_id.as_str()), (1, 0, "a"));
    }

    #[test]
    fn a_second_entry_within_the_visit_is_no_new_visit() {
        let visit = after(&[("a", 0), ("b", 29), ("c", 58)]);
        assert_eq!((visit.number, visit.started_at_ms, visit.last_at_ms), (1, 0, 58 * MINUTE));
    }

    #[test]
    fn thirty_minutes_of_silence_end_a_visit() {
        let visit = after(&[("a", 1), ("b", 11), ("c", 41)]);
        assert_eq!((visit.number, visit.started_at_ms), (2, 41 * MINUTE));
        assert_eq!((visit.previous_at_ms, visit.first_event_id.as_str()), (MINUTE, "c"));
    }

    #[test]
    fn a_late_event_never_starts_a_visit() {
        let visit = after(&[("a", 100), ("late", 10)]);
        assert_eq!((visit.number, visit.first_event_id.as_str(), visit.last_at_ms), (1, "a", 100 * MINUTE));
    }
}
