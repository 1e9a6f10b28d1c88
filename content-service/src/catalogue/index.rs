//! The lists of one account's items by which a slot finds its candidates without looking at all of them.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use proto::content::Item;

use super::List;

/// An item, ordered newest first, then by id.
#[derive(Clone, Debug)]
pub struct ByTime(pub Arc<Item>);

/// An item, ordered by the editor's weight, heaviest first, then by id.
#[derive(Clone, Debug)]
pub struct ByPin(pub Arc<Item>);

/// By what items are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    /// A topic's name.
    Topic,
    /// A place's name.
    Place,
    /// The section.
    Section,
}

/// The items of one account.
#[derive(Clone, Debug, Default)]
pub struct AccountIndex {
    newest: List<ByTime>,
    facets: [BTreeMap<String, List<ByTime>>; 3],
    pinned: List<ByPin>,
}

impl AccountIndex {
    /// Every item, newest first.
    #[must_use]
    pub fn newest(&self) -> &List<ByTime> {
        &self.newest
    }

    /// Items with a weight of the editor, heaviest first.
    #[must_use]
    pub fn pinned(&self) -> &List<ByPin> {
        &self.pinned
    }

    /// Items of one topic, place or section, newest first; `None`: there are none.
    #[must_use]
    pub fn list(&self, facet: Facet, name: &str) -> Option<&List<ByTime>> {
        self.facets[facet as usize].get(name)
    }

    pub(super) fn insert(&mut self, item: &Arc<Item>) {
        self.newest.insert(ByTime(Arc::clone(item)));
        if item.pin_micros != 0 {
            self.pinned.insert(ByPin(Arc::clone(item)));
        }
        for (facet, name) in facets(item) {
            self.facets[facet as usize].entry(name.to_owned()).or_default().insert(ByTime(Arc::clone(item)));
        }
    }

    pub(super) fn remove(&mut self, item: &Arc<Item>) {
        self.newest.remove(&ByTime(Arc::clone(item)));
        self.pinned.remove(&ByPin(Arc::clone(item)));
        for (facet, name) in facets(item) {
            let lists = &mut self.facets[facet as usize];
            let Some(list) = lists.get_mut(name) else { continue };
            list.remove(&ByTime(Arc::clone(item)));
            if list.is_empty() {
                lists.remove(name);
            }
        }
    }
}

fn facets(item: &Item) -> impl Iterator<Item = (Facet, &str)> {
    let topics = item.topics.iter().map(|topic| (Facet::Topic, topic.name.as_str()));
    let places = item.places.iter().map(|place| (Facet::Place, place.as_str()));
    topics.chain(places).chain([(Facet::Section, item.section.as_str())])
}

impl Ord for ByTime {
    fn cmp(&self, other: &Self) -> Ordering {
        let time = other.0.published_at_ms.cmp(&self.0.published_at_ms);
        time.then_with(|| self.0.id.cmp(&other.0.id))
    }
}

impl Ord for ByPin {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.pin_micros.cmp(&self.0.pin_micros).then_with(|| self.0.id.cmp(&other.0.id))
    }
}

macro_rules! ordered {
    ($($name:ident),+) => {$(
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $name {}
    )+};
}

ordered!(ByTime, ByPin);
