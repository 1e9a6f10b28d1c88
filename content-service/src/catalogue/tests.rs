//! The catalogue as its readers see it.

use proptest::prelude::*;
use proto::content::Topic;

use super::*;

fn item(id: &str, hour: i64, topic: &str) -> Item {
    Item {
        id: id.to_owned(),
        account: "paper".to_owned(),
        section: "news".to_owned(),
        topics: vec![Topic { name: topic.to_owned(), kind: 0 }],
        places: vec!["奎屯".to_owned()],
        published_at_ms: hour * 3_600_000,
        pin_micros: hour % 2,
        ..Item::default()
    }
}

fn ids(list: Option<&List<ByTime>>) -> Vec<&str> {
    list.map(|list| list.iter().map(|entry| entry.0.id.as_str()).collect()).unwrap_or_default()
}

#[test]
fn a_record_replaces_what_stood_under_its_key_in_every_list() {
    let catalogue = Catalogue::new();
    catalogue.apply("a", Some(item("a", 1, "taiwan")), 0);
    catalogue.apply("b", Some(item("b", 2, "taiwan")), 1);
    let before = catalogue.snapshot();
    catalogue.apply("a", Some(item("a", 3, "food")), 2);
    catalogue.apply("b", None, 3);

    let after = catalogue.snapshot();
    let (old, new) = (before.account("paper").unwrap(), after.account("paper").unwrap());
    assert_eq!(ids(old.list(Facet::Topic, "taiwan")), ["b", "a"], "a snapshot does not change");
    assert_eq!(ids(new.list(Facet::Topic, "taiwan")), [""; 0]);
    assert_eq!(ids(new.list(Facet::Topic, "food")), ["a"]);
    assert_eq!(ids(new.list(Facet::Place, "奎屯")), ["a"]);
    assert_eq!(ids(new.list(Facet::Section, "news")), ["a"]);
    assert_eq!(new.pinned().len(), 1);
    assert_eq!((before.version(), before.len(), after.version(), after.len()), (2, 2, 4, 1));
    assert!(after.account("other").is_none());
}

#[test]
fn a_snapshot_is_taken_again_only_when_something_was_applied() {
    let catalogue = Catalogue::new();
    assert!(catalogue.snapshot().is_empty());
    catalogue.apply("a", Some(item("a", 1, "taiwan")), 7);
    let first = catalogue.snapshot();
    assert!(Arc::ptr_eq(&first, &catalogue.snapshot()));
    catalogue.apply("gone", None, 8);
    assert_eq!(catalogue.snapshot().version(), 9, "a record without effect still counts");
}

proptest! {
    #[test]
    fn the_lists_hold_exactly_the_latest_item_of_each_key(
        records in prop::collection::vec((0u8..20, prop::option::of((0i64..50, 0u8..4))), 0..200),
    ) {
        let catalogue = Catalogue::new();
        let mut model = BTreeMap::new();
        for (offset, (key, value)) in records.iter().enumerate() {
            let key = format!("i{key}");
            let value = value.map(|(hour, topic)| item(&key, hour, &format!("t{topic}")));
            catalogue.apply(&key, value.clone(), i64::try_from(offset).unwrap());
            match value { Some(value) => model.insert(key, value), None => model.remove(&key) };
        }
        let snapshot = catalogue.snapshot();
        let mut held: Vec<Item> = snapshot.account("paper").into_iter()
            .flat_map(|index| index.newest().iter().map(|entry| (*entry.0).clone())).collect();
        held.sort_by(|a, b| a.id.cmp(&b.id));
        prop_assert_eq!(&held, &model.values().cloned().collect::<Vec<_>>());
        for topic in 0..4 {
            let name = format!("t{topic}");
            let listed = snapshot.account("paper").and_then(|index| index.list(Facet::Topic, &name)).map_or(0, List::len);
            prop_assert_eq!(listed, model.values().filter(|item| item.topics[0].name == name).count());
        }
    }
}
