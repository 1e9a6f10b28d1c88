//! Where each item lives and what it is about, fed from the compacted topic of items.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use prometheus_client::metrics::gauge::Gauge;
use prost::Message as _;
use proto::content::{Item, Topic};
use runtime::kafka::TableRecord;

use crate::address::Address;

/// What a link needs to know of an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// Where it lives.
    pub(crate) address: Address,
    /// What it is about.
    pub(crate) topics: Vec<Topic>,
}

/// All items by id.
#[derive(Debug)]
pub(crate) struct Items {
    by_id: RwLock<HashMap<String, Arc<Target>>>,
    count: Gauge,
}

impl Items {
    pub(crate) fn new(count: Gauge) -> Self {
        Self { by_id: RwLock::default(), count }
    }

    /// Where an item lives, if it is still there.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Target>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Takes the newest state of one item. An item that nobody could be sent to is as good as removed.
    pub(crate) fn take(&self, record: TableRecord<'_>) {
        let Ok(id) = std::str::from_utf8(record.key) else {
            return tracing::warn!(offset = record.offset, "the key of an item is not UTF-8, left out");
        };
        let target = record.value.and_then(|value| {
            read(value).map_err(|why| tracing::warn!(item = id, why, "links to this item lead nowhere")).ok()
        });
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        match target {
            Some(target) => by_id.insert(id.to_owned(), Arc::new(target)),
            None => by_id.remove(id),
        };
        self.count.set(i64::try_from(by_id.len()).unwrap_or(i64::MAX));
    }
}

fn read(value: &[u8]) -> Result<Target, String> {
    let item = Item::decode(value).map_err(|error| format!("not an item: {error}"))?;
    let address = item.url.parse().map_err(|error| format!("its url: {error}"))?;
    Ok(Target { address, topics: item.topics })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(items: &Items, value: Option<&[u8]>) {
        items.take(TableRecord { key: b"taiwan-1", value, offset: 0 });
    }

    fn item(url: &str) -> Vec<u8> {
        let topics = vec![Topic { name: "taiwan".into(), kind: 1 }];
        Item { id: "taiwan-1".into(), url: url.into(), topics, ..Item::default() }.encode_to_vec()
    }

    #[test]
    fn the_newest_state_of_an_item_counts() {
        let items = Items::new(Gauge::default());
        take(&items, Some(&item("https://example.com/1")));
        assert_eq!(items.get("taiwan-1").unwrap().topics[0].name, "taiwan");
        take(&items, Some(&item("https://example.com/2")));
        assert_eq!(items.get("taiwan-1").unwrap().address.as_str(), "https://example.com/2");
        assert_eq!(items.count.get(), 1);
        take(&items, None);
        assert_eq!((items.get("taiwan-1"), items.count.get()), (None, 0));
    }

    #[test]
    fn an_item_without_a_good_address_leads_nowhere() {
        let items = Items::new(Gauge::default());
        for bad in [item("javascript:alert(1)"), item("https://u@evil.example/"), b"\xff".to_vec()] {
            take(&items, Some(&item("https://example.com/1")));
            take(&items, Some(&bad));
            assert_eq!(items.get("taiwan-1"), None);
        }
    }
}
