//! Exactly once: the window of ids that have been learned from, ordered by (time, id).
//!
//! The order is of the evidence, not of its arrival, so whatever falls out of a full window is older than all that
//! is left, and is recognised by that when it comes again.

use proto::profile::Applied;

use super::bounds;

/// Whether an id has been learned from: it is in the window, or older than the oldest entry of a full one.
pub(crate) fn contains(applied: &[Applied], id: &str, at_ms: i64) -> bool {
    let forgotten =
        applied.len() >= bounds::APPLIED && applied.first().is_some_and(|oldest| (at_ms, id) < order(oldest));
    forgotten || applied.iter().rev().any(|entry| entry.id == id)
}

/// Remembers an id that the window does not contain.
pub(crate) fn insert(applied: &mut Vec<Applied>, id: &str, at_ms: i64) {
    let place = applied.partition_point(|entry| order(entry) < (at_ms, id));
    applied.insert(place, Applied { id: id.to_owned(), at_ms });
    let over = applied.len().saturating_sub(bounds::APPLIED);
    applied.drain(..over);
}

fn order(entry: &Applied) -> (i64, &str) {
    (entry.at_ms, &entry.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fell_out_of_a_full_window_counts_as_applied() {
        let mut applied = Vec::new();
        for at in 0..bounds::APPLIED as i64 {
            assert!(!contains(&applied, &at.to_string(), at));
            insert(&mut applied, &at.to_string(), at);
        }
        assert!(!contains(&applied, "new", 1_000));
        insert(&mut applied, "new", 1_000);
        assert_eq!(applied.len(), bounds::APPLIED);
        assert!(contains(&applied, "0", 0), "fell out");
        assert!(contains(&applied, "never seen", 0), "older than a full window");
        assert!(!contains(&applied, "never seen", 5), "younger than the oldest entry");
    }

    #[test]
    fn an_old_id_is_new_to_a_window_with_room() {
        let applied = vec![Applied { id: "b".into(), at_ms: 100 }];
        assert!(!contains(&applied, "a", 1));
        assert!(contains(&applied, "b", 999), "an id is an id, whatever its time");
    }
}
