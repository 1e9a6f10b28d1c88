//! What was shown and what was opened: at most 500 items, at most 90 days, most recent last.

use proto::profile::Seen;

use super::bounds::{self, is_name};

/// Counts a show of each item at `at_ms`, once per item, and forgets what is too old at `now_ms`.
pub(crate) fn shown(seen: &mut Vec<Seen>, item_ids: &[String], at_ms: i64, now_ms: i64) {
    for (index, item) in item_ids.iter().take(bounds::PER_EVENT).enumerate() {
        if !item_ids[..index].contains(item) {
            touch(seen, item, at_ms, |entry| entry.shows = entry.shows.saturating_add(1));
        }
    }
    forget(seen, now_ms);
}

/// Marks an item as opened at `at_ms`. What was opened was on the screen, so it counts as seen then even if the show
/// itself was never recorded.
pub(crate) fn opened(seen: &mut Vec<Seen>, item_id: &str, at_ms: i64, now_ms: i64) {
    touch(seen, item_id, at_ms, |entry| entry.opened_at_ms = entry.opened_at_ms.max(at_ms));
    forget(seen, now_ms);
}

fn touch(seen: &mut Vec<Seen>, item_id: &str, at_ms: i64, change: impl FnOnce(&mut Seen)) {
    if !is_name(item_id) {
        return;
    }
    let known = seen.iter().rposition(|entry| entry.item_id == item_id);
    let mut entry = match known {
        Some(index) => seen.remove(index),
        None => Seen { item_id: item_id.to_owned(), ..Seen::default() },
    };
    change(&mut entry);
    entry.last_at_ms = entry.last_at_ms.max(at_ms);
    let place = seen.partition_point(|other| order(other) < order(&entry));
    seen.insert(place, entry);
}

fn order(entry: &Seen) -> (i64, &str) {
    (entry.last_at_ms, &entry.item_id)
}

fn forget(seen: &mut Vec<Seen>, now_ms: i64) {
    let horizon = now_ms.saturating_sub(bounds::SEEN_MS);
    let old = seen.partition_point(|entry| entry.last_at_ms < horizon);
    seen.drain(..old.max(seen.len().saturating_sub(bounds::SEEN)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn shows_are_counted_and_a_tap_marks_the_item_opened() {
        let mut seen = Vec::new();
        shown(&mut seen, &items(&["a", "b", "a", ""]), 10, 10);
        shown(&mut seen, &items(&["a"]), 20, 20);
        opened(&mut seen, "b", 15, 20);
        let a = Seen { item_id: "a".into(), shows: 2, last_at_ms: 20, opened_at_ms: 0 };
        let b = Seen { item_id: "b".into(), shows: 1, last_at_ms: 15, opened_at_ms: 15 };
        assert_eq!(seen, [b, a]);
    }

    #[test]
    fn the_newest_five_hundred_of_ninety_days_are_kept() {
        let mut seen = Vec::new();
        for index in 0..600 {
            shown(&mut seen, &[format!("item-{index}")], index, index);
        }
        assert_eq!((seen.len(), seen[0].last_at_ms, seen[499].last_at_ms), (500, 100, 599));
        shown(&mut seen, &[], 0, bounds::SEEN_MS + 598);
        assert_eq!((seen.len(), seen[0].last_at_ms), (2, 598));
    }
}
