//! Which items go into the slots of a reply. Only what the indices offer is looked at, however many items there are.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use proto::{
    content::Item,
    reply::{self, Candidate, Exclusion, Terms},
};

use super::{Inputs, score::Reader};
use crate::{
    catalogue::{AccountIndex, ByTime, Facet, List},
    playbook::{Reply, Rule, Slot},
};

/// Entries of one list that are looked at.
const LOOKED_AT: usize = 200;
/// Of those, items of a place, of a wanted topic or with a pin that are scored.
const PER_LIST: usize = 100;
/// Of those, items of a topic of taste that are scored.
const PER_TASTE: usize = 40;
/// Topics of taste whose lists are looked at.
const TASTES: usize = 6;
const RECORDED_CANDIDATES: usize = 20;
/// Exclusions that the record of a slot holds.
pub(super) const RECORDED_EXCLUSIONS: usize = 50;

/// A slot with its items and its record.
pub(super) struct Filled {
    pub items: Vec<Arc<Item>>,
    pub record: reply::Slot,
}

/// Items of one list, in its order.
type Items<'i> = Box<dyn Iterator<Item = &'i Arc<Item>> + 'i>;

struct Scored<'a> {
    item: &'a Arc<Item>,
    score: i64,
    terms: Terms,
}

/// Fills the slots of a reply in order; an item chosen in one is not offered in the next.
pub(super) fn slots(inputs: &Inputs<'_>, reply: &Reply) -> Vec<Filled> {
    let reader = Reader::new(inputs.picked);
    let index = inputs.catalogue.account(inputs.picked.playbook.account());
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let mut filled = Vec::new();
    for slot in &reply.slots {
        let place = |rule: &Option<Rule>| {
            rule.as_ref().map(|rule| rule.text(&inputs.picked.scope).unwrap_or_default())
        };
        let (place, near) = (place(&slot.place), place(&slot.near));
        let chosen = Picker { slot, reader: &reader, taken: &taken, place, near }.fill(index);
        taken.extend(chosen.items.iter().map(|item| (item.id.clone(), slot.name.as_str())));
        filled.push(chosen);
    }
    filled
}

struct Picker<'a> {
    slot: &'a Slot,
    reader: &'a Reader<'a>,
    /// Items of earlier slots, with the slot's name.
    taken: &'a BTreeMap<String, &'a str>,
    place: Option<String>,
    near: Option<String>,
}

/// Why an item that belongs into a slot is not offered there.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Unfit<'a> {
    #[error("not yet")]
    Early,
    #[error("no longer valid")]
    Late,
    #[error("the reader wants nothing about `{0}`")]
    Dropped(&'a str),
    #[error("the slot excludes `{0}`")]
    Excluded(&'a str),
    #[error("stands in slot `{0}`")]
    Taken(&'a str),
    #[error("shown {} h ago, hidden for {} h", .ago_ms / 3_600_000, .hidden_ms / 3_600_000)]
    Seen { ago_ms: i64, hidden_ms: i64 },
    #[error("enough of `{0}` in this slot")]
    Enough(&'a str),
}

/// The first items that were not offered. Of the others, of which there may be thousands, nothing is written.
#[derive(Default)]
struct Exclusions(Vec<Exclusion>);

impl Exclusions {
    fn push(&mut self, item: &Item, why: Unfit<'_>) {
        if self.0.len() < RECORDED_EXCLUSIONS {
            self.0.push(Exclusion { item_id: item.id.clone(), reason: why.to_string() });
        }
    }
}

impl Picker<'_> {
    fn fill(&self, index: Option<&AccountIndex>) -> Filled {
        let mut exclusions = Exclusions::default();
        let mut scored = index.map(|index| self.candidates(index, &mut exclusions)).unwrap_or_default();
        scored.sort_unstable_by(|a, b| (Reverse(a.score), &a.item.id).cmp(&(Reverse(b.score), &b.item.id)));
        let items = self.best(&scored, &mut exclusions);
        let recorded = scored.iter().take(RECORDED_CANDIDATES);
        let record = reply::Slot {
            name: self.slot.name.clone(),
            item_ids: items.iter().map(|item| item.id.clone()).collect(),
            candidates: recorded
                .map(|one| Candidate {
                    item_id: one.item.id.clone(),
                    score: one.score,
                    score_terms: Some(one.terms),
                })
                .collect(),
            exclusions: exclusions.0,
        };
        Filled { items, record }
    }

    /// The best items, not too many of one topic.
    fn best(&self, scored: &[Scored<'_>], exclusions: &mut Exclusions) -> Vec<Arc<Item>> {
        let mut of_topic: BTreeMap<&str, usize> = BTreeMap::new();
        let mut items = Vec::new();
        for Scored { item, .. } in scored {
            if items.len() == self.slot.count {
                break;
            }
            let full = |name: &str| of_topic.get(name).is_some_and(|count| *count >= self.slot.per_topic);
            if let Some(topic) = item.topics.iter().find(|topic| full(&topic.name)) {
                exclusions.push(item, Unfit::Enough(&topic.name));
                continue;
            }
            for topic in &item.topics {
                *of_topic.entry(&topic.name).or_default() += 1;
            }
            items.push(Arc::clone(item));
        }
        items
    }

    fn candidates<'i>(&self, index: &'i AccountIndex, exclusions: &mut Exclusions) -> Vec<Scored<'i>> {
        let (mut known, mut scored) = (HashSet::with_capacity(LOOKED_AT), Vec::with_capacity(LOOKED_AT));
        for (items, most) in self.lists(index) {
            let mut left = most;
            for item in items {
                if left == 0 {
                    break;
                }
                if !self.belongs(item) || !known.insert(Arc::as_ptr(item)) {
                    continue;
                }
                let shown_ago_ms = self.reader.shown_ago_ms(item);
                if let Some(why) = self.unfit(item, shown_ago_ms) {
                    exclusions.push(item, why);
                    continue;
                }
                let (score, terms) = self.reader.score(item, self.near.as_deref(), shown_ago_ms);
                scored.push(Scored { item, score, terms });
                left -= 1;
            }
        }
        scored
    }

    /// The lists to look at, each with the number of its items to score.
    fn lists<'i>(&self, index: &'i AccountIndex) -> Vec<(Items<'i>, usize)> {
        let at_ms = self.reader.at_ms;
        let newest = |list: &'i List<ByTime>| -> Items<'i> {
            let published = list.skip_to(move |entry| entry.0.published_at_ms > at_ms);
            Box::new(published.take(LOOKED_AT).map(|entry| &entry.0))
        };
        let by = |facet, name: &str| index.list(facet, name).map(newest);
        let scored = |list: Option<Items<'i>>, most| list.map(|list| (list, most));
        if let Some(place) = &self.place {
            return scored(by(Facet::Place, place), PER_LIST).into_iter().collect();
        }
        if !self.slot.topics.is_empty() {
            let topics = self.slot.topics.iter();
            return topics.filter_map(|topic| scored(by(Facet::Topic, topic), PER_LIST)).collect();
        }
        let all = match &self.slot.section {
            Some(section) => by(Facet::Section, section),
            None => Some(newest(index.newest())),
        };
        let pinned: Items<'i> = Box::new(index.pinned().iter().take(LOOKED_AT).map(|entry| &entry.0));
        let near = self.near.as_deref().and_then(|place| scored(by(Facet::Place, place), PER_TASTE));
        let tastes = self.tastes().into_iter();
        let tastes = tastes.filter_map(|topic| scored(by(Facet::Topic, topic), PER_TASTE));
        scored(all, LOOKED_AT).into_iter().chain([(pinned, PER_LIST)]).chain(near).chain(tastes).collect()
    }

    /// The topics that the reader likes best, stated ones first.
    fn tastes(&self) -> Vec<&str> {
        let facts = self.reader.facts;
        let mut learned: Vec<_> = facts.tastes().iter().filter(|(_, taste)| **taste > 0.0).collect();
        learned.sort_by(|a, b| b.1.total_cmp(a.1).then_with(|| a.0.cmp(b.0)));
        facts.preferred().chain(learned.into_iter().map(|(topic, _)| topic.as_str())).take(TASTES).collect()
    }

    /// The slot is meant for items like this.
    fn belongs(&self, item: &Item) -> bool {
        let section = self.slot.section.as_ref().is_none_or(|section| *section == item.section);
        let place = self.place.as_ref().is_none_or(|place| item.places.contains(place));
        let about = |topic: &String| item.topics.iter().any(|of| of.name == *topic);
        section && place && (self.slot.topics.is_empty() || self.slot.topics.iter().any(about))
    }

    /// Why an item that belongs here is not offered.
    fn unfit<'s>(&'s self, item: &'s Item, shown_ago_ms: Option<i64>) -> Option<Unfit<'s>> {
        let (reader, facts) = (self.reader, self.reader.facts);
        if item.published_at_ms > reader.at_ms || item.valid_from_ms > reader.at_ms {
            return Some(Unfit::Early);
        }
        if item.valid_until_ms != 0 && item.valid_until_ms <= reader.at_ms {
            return Some(Unfit::Late);
        }
        if let Some(topic) = item.topics.iter().find(|topic| facts.drops(&topic.name)) {
            return Some(Unfit::Dropped(&topic.name));
        }
        if let Some(topic) = item.topics.iter().find(|topic| self.slot.exclude.contains(&topic.name)) {
            return Some(Unfit::Excluded(&topic.name));
        }
        if let Some(slot) = self.taken.get(&item.id) {
            return Some(Unfit::Taken(slot));
        }
        let ago_ms = shown_ago_ms.filter(|ago| *ago < self.slot.hide_seen_ms)?;
        Some(Unfit::Seen { ago_ms, hidden_ms: self.slot.hide_seen_ms })
    }
}
