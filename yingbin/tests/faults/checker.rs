//! The checker: holds the books of both ends against each other and names every broken invariant. Pure, so that it can be tested itself.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::{BTreeMap, HashMap, HashSet};

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
}

/// A record of the events topic, repeats included.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) user: String,
    /// What was pushed; empty for a record that nobody can read.
    pub(crate) text: String,
    /// Partition and offset.
    pub(crate) place: (i32, i64),
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
    /// The ledger was emptied or fell back: it need not know every event, and a forgotten event may be published anew.
    pub(crate) ledger_lost: bool,
}

/// How many events may end as nobody wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Costs {
    pub(crate) unknown: usize,
    pub(crate) refused: usize,
    pub(crate) expired: usize,
    pub(crate) set_aside: usize,
}

impl Costs {
    /// Only so many unknown ends.
    pub(crate) const fn unknown(unknown: usize) -> Self {
        Self { unknown, refused: 0, expired: 0, set_aside: 0 }
    }

    /// Only so many refusals.
    pub(crate) const fn refused(refused: usize) -> Self {
        Self { unknown: 0, refused, expired: 0, set_aside: 0 }
    }
}

/// Ends of which there are more than a fault may cost, and how many there are.
pub(crate) fn beyond(books: &Books, costs: Costs) -> Vec<(End, usize)> {
    let first = outcomes(books);
    let count = |end| first.values().filter(|outcome| outcome.end == end).count();
    let most = [
        (End::Unknown, costs.unknown),
        (End::Refused, costs.refused),
        (End::Expired, costs.expired),
        (End::SetAside, costs.set_aside),
    ];
    most.into_iter()
        .map(|(end, most)| (end, count(end), most))
        .filter(|(_, count, most)| count > most)
        .map(|(end, count, _)| (end, count))
        .collect()
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// I1: answered 200 and not in Kafka.
    Lost(String),
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
    /// I5: the platform had to refuse for a window or a quota.
    Quota(String, i32),
}

/// Windows and quotas: 45009 day, 45011 minute, 45015 closed, 45047 used up.
const QUOTA_CODES: [i32; 4] = [45_009, 45_011, 45_015, 45_047];

/// Every broken invariant.
pub(crate) fn check(books: &Books, allowed: Allowed) -> Vec<Violation> {
    let mut found = lost(books);
    found.extend(conservation(books, allowed));
    found.extend(arrivals(books, allowed));
    found.extend(order(books));
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
    let there: HashSet<&str> = books.events.iter().map(|event| event.text.as_str()).collect();
    let missing = books.pushes.iter().filter(|push| push.accepted && !there.contains(push.text.as_str()));
    missing.map(|push| Violation::Lost(push.text.clone())).collect()
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

/// First arrivals of each user against the first records of the events behind them.
fn order(books: &Books) -> Vec<Violation> {
    let mut places: HashMap<&str, (i32, i64)> = HashMap::new();
    for event in &books.events {
        let place = places.entry(&event.id).or_insert(event.place);
        *place = (*place).min(event.place);
    }
    let mut of_text: HashMap<(&str, &str), (i32, i64)> = HashMap::new();
    for event in &books.events {
        of_text.insert((&event.user, &event.text), places[event.id.as_str()]);
    }
    let (mut last, mut seen) = (HashMap::new(), HashSet::new());
    let mut found = Vec::new();
    for arrival in books.arrivals.iter().filter(|arrival| seen.insert(*arrival)) {
        let Some(place) = of_text.get(&(&arrival.user, &arrival.text)) else { continue };
        if last.insert(&arrival.user, *place).is_some_and(|before| before > *place) {
            found.push(Violation::Reordered(arrival.text.clone()));
        }
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
