//! What editors have published, in memory: indexed for choosing, versioned by the offset of its newest record.
//!
//! One writer applies the records of `content.items.v1`; readers take snapshots, which never change. Lists are
//! copied on write in small pieces, so that one new item among 100,000 costs microseconds and no reader waits.

mod index;
mod list;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use proto::content::Item;

pub use index::{AccountIndex, ByPin, ByTime, Facet};
pub use list::List;

/// The catalogue of every account. Share it in an `Arc`: [`Catalogue::apply`] is for the one task that follows the
/// topic, [`Catalogue::snapshot`] for everybody.
#[derive(Debug, Default)]
pub struct Catalogue {
    writer: std::sync::Mutex<Writer>,
    changed: AtomicBool,
    published: ArcSwap<Snapshot>,
}

#[derive(Debug, Default)]
struct Writer {
    items: BTreeMap<String, Arc<Item>>,
    next: Snapshot,
}

/// The catalogue at one moment. A clone costs a few reference counts.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    version: i64,
    accounts: BTreeMap<String, Arc<AccountIndex>>,
}

impl Catalogue {
    /// An empty catalogue, version 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one record: `item` replaces what stands under `key`, `None` removes it. The version becomes
    /// `offset + 1`.
    pub fn apply(&self, key: &str, item: Option<Item>, offset: i64) {
        let mut writer = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writer.apply(key, item.map(|item| Arc::new(Item { id: key.to_owned(), ..item })));
        writer.next.version = offset + 1;
        self.changed.store(true, Ordering::Release);
    }

    /// The catalogue as it is now. Costs an atomic load unless something was applied since the last call.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        if self.changed.load(Ordering::Acquire) {
            let writer = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            self.published.store(Arc::new(writer.next.clone()));
            self.changed.store(false, Ordering::Release);
        }
        self.published.load_full()
    }
}

impl Writer {
    fn apply(&mut self, key: &str, item: Option<Arc<Item>>) {
        let before = match &item {
            Some(item) => self.items.insert(key.to_owned(), Arc::clone(item)),
            None => self.items.remove(key),
        };
        if let Some(before) = before {
            self.next.account_mut(&before.account).remove(&before);
        }
        if let Some(item) = item {
            self.next.account_mut(&item.account).insert(&item);
        }
    }
}

impl Snapshot {
    /// Offset of the newest record that is in it, plus one; 0: empty.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The items of an account; `None`: it has none.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<&AccountIndex> {
        self.accounts.get(name).map(Arc::as_ref)
    }

    /// How many items there are, over all accounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.values().map(|index| index.newest().len()).sum()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn account_mut(&mut self, name: &str) -> &mut AccountIndex {
        Arc::make_mut(self.accounts.entry(name.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests;
