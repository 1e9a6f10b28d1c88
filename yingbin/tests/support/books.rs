//! Events and outcomes in Kafka held against what really arrived at the users.

use std::collections::{BTreeMap, HashMap, HashSet};

use proto::{
    event::Event,
    reply::{Outcome, Reply},
};
use serde_json::Value;
use simulator::Arrival;

use super::quota;

/// What happened, checked: every event has its outcome, and no outcome says anything else than what arrived.
#[derive(Debug)]
pub(crate) struct Books {
    /// Distinct events, each user's in the order of Kafka.
    pub(crate) events: Vec<Event>,
    outcomes: HashMap<String, Reply>,
}

impl Books {
    /// Panics where Kafka and the platform contradict each other, and where the platform had to refuse one of these sends for a window or a
    /// quota: no test that has books forces that.
    pub(crate) fn of(
        events: Vec<Event>,
        outcomes: HashMap<String, Reply>,
        arrivals: &[Arrival],
        sends: &[Value],
    ) -> Self {
        let refusals = quota::refusals(sends);
        assert!(refusals.is_empty(), "the platform had to refuse for {refusals:?}");
        let mut known = HashSet::new();
        let events: Vec<Event> = events.into_iter().filter(|event| known.insert(event.id.clone())).collect();
        for event in &events {
            assert!(outcomes.contains_key(&event.id), "no outcome: {event:?}");
        }
        assert_eq!(outcomes.len(), events.len(), "outcomes of events that never were");
        let books = Self { events, outcomes };
        books.hold_against(arrivals);
        books
    }

    /// Each message at most once, sent ones exactly once, and what arrived was sent or is unknown.
    fn hold_against(&self, arrivals: &[Arrival]) {
        let mut arrived: HashMap<(&str, String), usize> = HashMap::new();
        for arrival in arrivals {
            *arrived.entry((&arrival.openid, arrival.message.to_string())).or_default() += 1;
        }
        for reply in self.outcomes.values() {
            for part in &reply.parts {
                let message: Value = serde_json::from_str(&part.message).unwrap();
                let times = arrived.remove(&(&reply.openid, message.to_string())).unwrap_or_default();
                let may = match part.outcome() {
                    Outcome::Sent => 1..=1,
                    Outcome::Unknown => 0..=1,
                    _ => 0..=0,
                };
                assert!(may.contains(&times), "arrived {times} times: {reply:?}");
            }
        }
        assert!(arrived.is_empty(), "nobody says that these were sent: {arrived:?}");
    }

    /// How many events ended how.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.values().filter(|reply| reply.outcome() == outcome).count()
    }

    /// Panics unless every event ended so.
    pub(crate) fn all(&self, outcome: Outcome) {
        let others = self.outcomes.values().filter(|reply| reply.outcome() != outcome);
        let others: Vec<_> = others.map(|reply| (&reply.event_id, reply.outcome(), &reply.reason)).collect();
        assert!(others.is_empty(), "{} of {}: {:?}", others.len(), self.len(), others.first());
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The outcomes.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = &Reply> {
        self.outcomes.values()
    }

    /// Each user's messages arrived in the order in which Kafka has the events.
    pub(crate) fn in_order(&self, arrivals: &[Arrival]) {
        let mut expected: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let there: HashSet<(&str, String)> =
            arrivals.iter().map(|arrival| (arrival.openid.as_str(), arrival.message.to_string())).collect();
        for event in &self.events {
            for part in &self.outcomes[&event.id].parts {
                let message = serde_json::from_str::<Value>(&part.message).unwrap().to_string();
                if there.contains(&(&event.openid, message.clone())) {
                    expected.entry(&event.openid).or_default().push(message);
                }
            }
        }
        for arrival in arrivals {
            found.entry(&arrival.openid).or_default().push(arrival.message.to_string());
        }
        assert_eq!(found, expected);
    }
}
