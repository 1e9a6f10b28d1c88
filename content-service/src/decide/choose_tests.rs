//! Which items are chosen, and what is said about the others.

use proto::{
    content::{Item, TopicKind},
    profile::{Enrichment, Stance},
    reply::Terms,
};
use wechat::account::AccountKind;

use super::{Decided, Inputs, decide, testing::*};
use crate::playbook::{Playbook, facts::DAY_MS};

fn choose(slots: &str, reader: &Enrichment, items: impl IntoIterator<Item = Item>) -> Decided {
    let text = format!(
        "account: test\ntopics: {{a: 甲, b: 乙, c: 丙, drop: 丁}}\nreplies:\n- name: r\n  on: [visit]\n  slots: [{slots}]\n  messages: [{{text: 你好}}]\n"
    );
    let playbook =
        Playbook::parse("t", &text, AccountKind::Official).unwrap_or_else(|problems| panic!("{problems}"));
    let (event, catalogue) = (entered(), catalogue(items).snapshot());
    let picked = playbook.pick(&event, Some(reader), NOW);
    decide(&Inputs { picked: &picked, gathered: &[], catalogue: &catalogue, links: &links() })
}

fn reason(decided: &Decided, item: &str) -> String {
    let all = decided.decision.slots.iter().flat_map(|slot| &slot.exclusions);
    let one: Vec<_> =
        all.filter(|left_out| left_out.item_id == item).map(|left_out| left_out.reason.clone()).collect();
    one.join("; ")
}

#[test]
fn each_term_moves_the_score_as_it_should() {
    let reader =
        visitor().taste("a", TopicKind::News, 3.0).stance("b", Stance::Prefer).saw("seen", 7 * DAY_MS);
    let pinned = Item { pin_micros: 250_000, ..item("pinned", &[], DAY_MS) };
    let lapsed = Item { pin_micros: 250_000, pin_until_ms: NOW, ..item("lapsed", &[], DAY_MS) };
    let near = Item { places: vec!["杭州".into()], ..item("near", &[], DAY_MS) };
    let items = [
        item("liked", &["a", "c"], 0),
        item("stated", &["b"], DAY_MS),
        pinned,
        lapsed,
        near,
        item("seen", &[], DAY_MS),
    ];
    let decided = choose("{name: s, count: 9, near: \"'杭州'\"}", &reader, items);
    let candidates = &decided.decision.slots[0].candidates;
    let terms = |id: &str| {
        let one = candidates.iter().find(|candidate| candidate.item_id == id).unwrap();
        let terms = one.score_terms.unwrap();
        let Terms { affinity, freshness, preference, context, pin, seen } = terms;
        assert_eq!(one.score, affinity + freshness + preference + context + pin + seen);
        terms
    };
    // Half of a taste of 3 over 3 + κ, twice; a day is one half-life of freshness.
    let new = Terms { freshness: 500_000, ..Terms::default() };
    let day_old = Terms { freshness: 250_000, ..Terms::default() };
    assert_eq!(terms("liked"), Terms { affinity: 500_000, ..new });
    assert_eq!(terms("stated"), Terms { preference: 1_000_000, ..day_old });
    assert_eq!(terms("pinned"), Terms { pin: 250_000, ..day_old });
    assert_eq!(terms("lapsed"), day_old);
    assert_eq!(terms("near"), Terms { context: 500_000, ..day_old });
    assert_eq!(terms("seen"), Terms { seen: -500_000, ..day_old });
}

#[test]
fn a_dropped_topic_is_a_filter_even_against_a_pin_and_a_taste() {
    let reader = visitor().stance("drop", Stance::Drop).taste("drop", TopicKind::News, 50.0);
    let pinned = Item { pin_micros: 9_000_000, ..item("pinned", &["drop", "a"], 0) };
    let decided = choose("{name: s, count: 5}", &reader, [pinned, item("other", &["a"], DAY_MS)]);
    assert_eq!(item_ids(&decided), ["other"]);
    assert_eq!(reason(&decided, "pinned"), "the reader wants nothing about `drop`");
}

#[test]
fn ties_go_by_id_and_an_item_stands_in_one_slot_only() {
    let items = ["d", "b", "a", "c"].map(|id| item(id, &["a"], DAY_MS));
    let decided = choose("{name: one, count: 2}, {name: two, topics: [a], count: 9}", &visitor(), items);
    assert_eq!(item_ids(&decided), ["a", "b", "c", "d"]);
    assert_eq!(reason(&decided, "a"), "stands in slot `one`");
}

#[test]
fn time_decides_what_can_be_shown() {
    let items = [
        item("future", &["a"], -HOUR),
        Item { valid_from_ms: NOW + 1, ..item("early", &["a"], HOUR) },
        Item { valid_until_ms: NOW, ..item("late", &["a"], HOUR) },
        Item { valid_from_ms: NOW, valid_until_ms: NOW + 1, ..item("now", &["a"], HOUR) },
        Item { pin_micros: 5, ..item("pinned-future", &["a"], -HOUR) },
    ];
    let decided = choose("{name: s, count: 9}", &visitor(), items);
    assert_eq!(item_ids(&decided), ["now"]);
    assert_eq!(
        (reason(&decided, "early"), reason(&decided, "late")),
        ("not yet".into(), "no longer valid".into())
    );
    assert_eq!(reason(&decided, "pinned-future"), "not yet");
}

#[test]
fn a_slot_takes_what_it_asks_for() {
    let sports = Item { section: "sports".into(), ..item("sports", &["a"], 0) };
    let far = Item { places: vec!["奎屯".into()], ..item("far", &["b"], DAY_MS) };
    let items = [sports, far, item("plain", &["c"], 0)];
    let of = |slot: &str| item_ids(&choose(slot, &visitor().trait_of("youth.city", "奎屯"), items.clone()));
    assert_eq!(of("{name: s, count: 9, section: sports}"), ["sports"]);
    assert_eq!(of("{name: s, count: 9, topics: [a, c]}"), ["plain", "sports"]);
    assert_eq!(of("{name: s, count: 9, exclude: [a]}"), ["plain", "far"]);
    assert_eq!(of("{name: s, count: 9, place: trait('youth.city')}"), ["far"]);
    assert_eq!(of("{name: s, count: 9, place: trait('unknown')}"), [""; 0]);
    assert_eq!(of("{name: s, count: 1}"), ["plain"]);
}

#[test]
fn a_slot_hides_what_was_seen_and_does_not_fill_up_with_one_topic() {
    let reader = visitor().saw("a1", 47 * HOUR).saw("a2", 49 * HOUR);
    let items = [
        item("a1", &["a"], 0),
        item("a2", &["a"], 0),
        item("a3", &["a"], 0),
        item("a4", &["a"], 0),
        item("b1", &["b"], DAY_MS),
    ];
    let decided = choose("{name: s, count: 9, hide_seen: 2d, per_topic: 2}", &reader, items);
    assert_eq!(item_ids(&decided), ["a3", "a4", "b1"]);
    assert_eq!(reason(&decided, "a1"), "shown 47 h ago, hidden for 48 h");
    assert_eq!(reason(&decided, "a2"), "enough of `a` in this slot");
}

#[test]
fn an_old_item_of_a_liked_topic_is_found_behind_thousands_of_newer_ones() {
    let reader = visitor().taste("a", TopicKind::Hobby, 9.0);
    let crowd = (0..5_000).map(|n| item(&format!("n{n}"), &["b"], 20 * DAY_MS));
    let decided = choose("{name: s, count: 1}", &reader, crowd.chain([item("liked", &["a"], 40 * DAY_MS)]));
    assert_eq!(item_ids(&decided), ["liked"]);
    assert_eq!(decided.decision.slots[0].candidates.len(), 20);
}

#[test]
fn the_catalogue_of_another_account_is_not_touched() {
    let foreign = Item { account: "other".into(), ..item("foreign", &["a"], 0) };
    let decided = choose("{name: s, count: 9}", &visitor(), [foreign]);
    assert!(item_ids(&decided).is_empty() && decided.decision.slots[0].candidates.is_empty());
}
