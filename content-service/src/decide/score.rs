//! The score of an item for a reader: a sum of terms in integer micro-units (personalisation §3).

use std::collections::HashMap;

use proto::{content::Item, profile::Seen, reply::Terms};

use crate::playbook::{
    Picked, Playbook,
    facts::{DAY_MS, Facts, halved},
};

/// κ: shrinks the affinity of somebody who has shown little yet.
const SHRINK: f64 = 3.0;
/// Half-life of the reluctance to show an item again.
const SEEN_HALF_LIFE_MS: f64 = 7.0 * DAY_MS as f64;

/// What scoring needs to know of the reader, found once per decision.
pub(super) struct Reader<'a> {
    pub facts: &'a Facts,
    pub at_ms: i64,
    playbook: &'a Playbook,
    total: f64,
    seen: HashMap<&'a str, &'a Seen>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(picked: &'a Picked<'a>) -> Self {
        let Picked { playbook, enrichment, at_ms, facts, .. } = picked;
        let profile = enrichment.and_then(|known| known.profile.as_ref());
        let seen = profile.map(|profile| profile.seen.as_slice()).unwrap_or_default();
        Self {
            facts,
            at_ms: *at_ms,
            playbook,
            total: facts.tastes().values().map(|taste| taste.max(0.0)).sum(),
            seen: seen.iter().map(|seen| (seen.item_id.as_str(), seen)).collect(),
        }
    }

    /// Milliseconds since the item was shown last; `None`: it never was.
    pub(super) fn shown_ago_ms(&self, item: &Item) -> Option<i64> {
        let seen = self.seen.get(item.id.as_str())?;
        Some(self.at_ms.saturating_sub(seen.last_at_ms).max(0))
    }

    /// The score and its terms.
    pub(super) fn score(&self, item: &Item, near: Option<&str>, shown_ago_ms: Option<i64>) -> (i64, Terms) {
        let weights = &self.playbook.weights;
        let stated = item.topics.iter().any(|topic| self.facts.prefers(&topic.name));
        let close = near.is_some_and(|place| item.places.iter().any(|of| of == place));
        let age_ms = self.at_ms.saturating_sub(item.published_at_ms);
        let seen = |ago| -micros(weights.seen * halved(ago, SEEN_HALF_LIFE_MS));
        let pinned = item.pin_until_ms == 0 || self.at_ms < item.pin_until_ms;
        let terms = Terms {
            affinity: micros(weights.affinity * self.affinity(item)),
            freshness: micros(weights.freshness * halved(age_ms, self.playbook.half_life(&item.section))),
            preference: if stated { micros(weights.preference) } else { 0 },
            context: if close { micros(weights.context) } else { 0 },
            pin: if pinned { item.pin_micros } else { 0 },
            seen: shown_ago_ms.map_or(0, seen),
        };
        (sum(terms), terms)
    }

    /// `Σ share · a_k / (κ + Σ a)` over the item's topics, each with an equal share.
    fn affinity(&self, item: &Item) -> f64 {
        if item.topics.is_empty() {
            return 0.0;
        }
        let liked: f64 = item.topics.iter().map(|topic| self.facts.taste(&topic.name)).sum();
        liked / item.topics.len() as f64 / (SHRINK + self.total)
    }
}

fn sum(terms: Terms) -> i64 {
    let Terms { affinity, freshness, preference, context, pin, seen } = terms;
    let terms = [affinity, freshness, preference, context, pin, seen];
    terms.into_iter().fold(0, i64::saturating_add)
}

/// Rounded once; what is out of range or no number saturates.
fn micros(value: f64) -> i64 {
    (value * 1e6).round() as i64
}
