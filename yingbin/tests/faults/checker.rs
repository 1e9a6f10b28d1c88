//! The checker: holds the books of both ends against each other and names every broken invariant. Pure, so that it can be tested itself.
#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "checker/costs.rs"]
mod costs;
#[path = "checker/order.rs"]
mod order;

use std::collections::{BTreeMap, HashMap, HashSet};

pub(crate) use costs::{Costs, beyond};
pub(crate) use order::reordered;

/// How something ended, as far as the invariants care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum End {
    /// Taken by the platform.
    Sent,
    /// Nothing was to be sent.
    Suppressed,
    /// Refused, or never reached the platform.
    Refused,
    /// Bytes left and nobody knows.
    Unknown,
    /// Too old.
    Expired,
    /// Stands in the DLQ topic.
    SetAside,
}

/// A push of the platform.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    /// What it says, once in all books.
    pub(crate) text: String,
    /// One of its deliveries was answered 200.
    pub(crate) accepted: bool,
    /// When its first delivery began, and when the last one was over; Unix milliseconds.
    pub(crate) begun_ms: i64,
    pub(crate) ended_ms: i64,
}

/// A record of the events topic, repeats included.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its own, or `aside:<topic>/<partition>/<offset>` where nobody can read it.
    pub(crate) id: String,
    pub(crate) user: String,
    /// What was pushed; empty for a record that nobody can read.
    pub(crate) text: String,
    /// Partition and offset.
    pub(crate) place: (i32, i64),
    /// When it was handed to Kafka, Unix milliseconds.
    pub(crate) at_ms: i64,
}

/// A record of the replies topic, repeats included.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) event_id: String,
    pub(crate) user: String,
    pub(crate) end: End,
    /// The rule behind it.
    pub(crate) reason: String,
    /// The whole record: a repeat has to be the same.
    pub(crate) bytes: Vec<u8>,
    /// Text and end of each part.
    pub(crate) parts: Vec<(String, End)>,
}

/// A message that really arrived, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Arrival {
    pub(crate) user: String,
    pub(crate) text: String,
}

/// What the platform answered to a call of `custom/send` by itself.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) user: String,
    pub(crate) errcode: i32,
}

/// An entry of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) event_id: String,
    /// `reserved`, `sending`, `settled` or `closed`.
    pub(crate) state: String,
    /// How it says that the event ended.
    pub(crate) end: Option<End>,
}

/// Everything that both ends and the middle have written down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    pub(crate) pushes: Vec<Push>,
    /// Gateways that took them.
    pub(crate) gateways: usize,
    /// Nothing has kept Kafka from taking records since then, Unix milliseconds.
    pub(crate) kafka_well_ms: i64,
    pub(crate) events: Vec<Event>,
    pub(crate) outcomes: Vec<Outcome>,
    /// Event ids in the DLQ topic.
    pub(crate) set_aside: Vec<String>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) ledger: Vec<Entry>,
}

/// What a fault may cost that its specification allows: the ledger itself lost acknowledged writes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    /// Messages that may arrive a second time.
    pub(crate) duplicates: usize,
    /// Events and replies that may come before earlier ones of their user.
    pub(crate) reordered: usize,
    /// The ledger was emptied or fell back: it need not know every event, and a forgotten event may be published anew.
    pub(crate) ledger_lost: bool,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// I1: answered 200 and not in Kafka.
    Lost(String),
    /// I1: answered 200 and not in Kafka in time, although nothing kept it.
    Late(String),
    /// I2: an event without outcome.
    NoOutcome(String),
    /// I2: two different outcomes of one event.
    TwoOutcomes(String),
    /// I2: an outcome of an event that never was.
    OutcomeOfNothing(String),
    /// I2: set aside, and not in the DLQ topic.
    NotInDlq(String),
    /// I2: the outcome says sent, and nothing arrived.
    SentAndNotArrived(String),
    /// I2: nobody says that this was sent.
    Unaccounted(String),
    /// I2: ledger and outcome say different things, or an entry was left in the middle.
    Ledger(String),
    /// I3: a message arrived more than once.
    Duplicate(String),
    /// I4: a user's messages did not arrive in the order of the events.
    Reordered(String),
    /// I4: an event stands before one of the same user that was answered before it was pushed.
    Overtook(String),
    /// I5: the platform had to refuse for a window or a quota.
    Quota(String, i32),
}

/// Windows and quotas: 45009 day, 45011 minute, 45015 closed, 45047 used up.
const QUOTA_CODES: [i32; 4] = [45_009, 45_011, 45_015, 45_047];

/// How soon what was answered 200 has to be in the topic (I1), milliseconds.
const IN_TOPIC_MS: i64 = 10_000;

/// Every broken invariant.
pub(crate) fn check(books: &Books, allowed: Allowed) -> Vec<Violation> {
    let mut found = lost(books);
    found.extend(conservation(books, allowed));
    found.extend(arrivals(books, allowed));
    let reordered = reordered(books);
    if reordered.len() > allowed.reordered {
        found.extend(reordered);
    }
    found.extend(quota(books));
    found.extend(ledger(books, allowed));
    found
}

/// How often each message arrived beyond the first time.
pub(crate) fn duplicates(books: &Books) -> Vec<&Arrival> {
    let mut seen = HashSet::new();
    books.arrivals.iter().filter(|arrival| !seen.insert(*arrival)).collect()
}

/// The first outcome of every event.
pub(crate) fn outcomes(books: &Books) -> BTreeMap<&str, &Outcome> {
    let mut first = BTreeMap::new();
    for outcome in &books.outcomes {
        first.entry(outcome.event_id.as_str()).or_insert(outcome);
    }
    first
}

fn lost(books: &Books) -> Vec<Violation> {
    let mut first: HashMap<&str, i64> = HashMap::new();
    for event in &books.events {
        let at_ms = first.entry(&event.text).or_insert(event.at_ms);
        *at_ms = (*at_ms).min(event.at_ms);
    }
    let wrong = |push: &Push| match first.get(push.text.as_str()) {
        None => Some(Violation::Lost(push.text.clone())),
        Some(at_ms) if *at_ms > push.ended_ms.max(books.kafka_well_ms) + IN_TOPIC_MS => {
            Some(Violation::Late(push.text.clone()))
        }
        Some(_) => None,
    };
    books.pushes.iter().filter(|push| push.accepted).filter_map(wrong).collect()
}

fn conservation(books: &Books, allowed: Allowed) -> Vec<Violation> {
    let first = outcomes(books);
    let ids: HashSet<&str> = books.events.iter().map(|event| event.id.as_str()).collect();
    let dlq: HashSet<&str> = books.set_aside.iter().map(String::as_str).collect();
    let silent = ids.iter().filter(|id| !first.contains_key(*id));
    let mut found: Vec<Violation> = silent.map(|id| Violation::NoOutcome((*id).to_owned())).collect();
    let other = |outcome: &&Outcome| first[outcome.event_id.as_str()].bytes != outcome.bytes;
    let twice = books.outcomes.iter().filter(|outcome| !allowed.ledger_lost && other(outcome));
    found.extend(twice.map(|outcome| Violation::TwoOutcomes(outcome.event_id.clone())));
    for (id, outcome) in first {
        if !ids.contains(id) {
            found.push(Violation::OutcomeOfNothing(id.to_owned()));
        }
        if outcome.end == End::SetAside && !dlq.contains(id) {
            found.push(Violation::NotInDlq(id.to_owned()));
        }
    }
    found
}

/// What arrived against what the outcomes say. Where an event was published twice, any of its outcomes may account for a message.
fn arrivals(books: &Books, allowed: Allowed) -> Vec<Violation> {
    let mut times: HashMap<(&str, &str), usize> = HashMap::new();
    for Arrival { user, text } in &books.arrivals {
        *times.entry((user, text)).or_default() += 1;
    }
    let said = books.outcomes.iter().flat_map(|outcome| {
        outcome.parts.iter().map(move |(text, end)| ((outcome.user.as_str(), text.as_str()), *end))
    });
    let mut ends: HashMap<(&str, &str), HashSet<End>> = HashMap::new();
    said.for_each(|(message, end)| _ = ends.entry(message).or_default().insert(end));

    let mut found: Vec<Violation> = ends
        .iter()
        .filter(|(message, ends)| ends.contains(&End::Sent) && !times.contains_key(*message))
        .map(|((_, text), _)| Violation::SentAndNotArrived((*text).to_owned()))
        .collect();
    let accounted = |message| {
        ends.get(message).is_some_and(|ends| ends.contains(&End::Sent) || ends.contains(&End::Unknown))
    };
    let nobodys = times.keys().filter(|message| !accounted(*message));
    found.extend(nobodys.map(|(_, text)| Violation::Unaccounted((*text).to_owned())));
    let again = duplicates(books);
    if again.len() > allowed.duplicates {
        found.extend(again.iter().map(|arrival| Violation::Duplicate(arrival.text.clone())));
    }
    found
}

fn quota(books: &Books) -> Vec<Violation> {
    let refused = books.answers.iter().filter(|answer| QUOTA_CODES.contains(&answer.errcode));
    refused.map(|answer| Violation::Quota(answer.user.clone(), answer.errcode)).collect()
}

fn ledger(books: &Books, allowed: Allowed) -> Vec<Violation> {
    if allowed.ledger_lost {
        return Vec::new();
    }
    let first = outcomes(books);
    let known: HashMap<&str, &Entry> =
        books.ledger.iter().map(|entry| (entry.event_id.as_str(), entry)).collect();
    let wrong = first.iter().filter_map(|(id, outcome)| {
        let Some(entry) = known.get(id) else { return Some(format!("{id}: no entry")) };
        let ended = matches!(entry.state.as_str(), "settled" | "closed");
        let same = entry.end.is_none_or(|end| end == outcome.end);
        (!ended || !same).then(|| format!("{entry:?} beside {:?}", outcome.end))
    });
    wrong.map(Violation::Ledger).collect()
}
