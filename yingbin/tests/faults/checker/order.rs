//! I4: pushes, the topic and what arrived, in the order of one another.

use std::collections::{HashMap, HashSet};

use super::{Books, Push, Violation};

/// Partition and offset.
type Place = (i32, i64);
/// Where an event stands first, by its id.
type Places<'a> = HashMap<&'a str, Place>;
/// A push, and where its event stands first.
type Stands<'a> = (&'a Push, Place);

fn places(books: &Books) -> Places<'_> {
    let mut places = Places::new();
    for event in &books.events {
        let place = places.entry(&event.id).or_insert(event.place);
        *place = (*place).min(event.place);
    }
    places
}

/// What stands in the topic or arrived before something that came earlier.
pub(crate) fn reordered(books: &Books) -> Vec<Violation> {
    let places = places(books);
    let mut found = arrivals(books, &places);
    // Across gateways, order is that of the arrival in Kafka.
    if books.gateways == 1 {
        found.extend(pushes(books, &places));
    }
    found
}

/// First arrivals of each user against the first records of the events behind them.
fn arrivals(books: &Books, places: &Places<'_>) -> Vec<Violation> {
    let mut of_text: HashMap<(&str, &str), Place> = HashMap::new();
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

/// First records of each user's events against the pushes: what was answered 200 before another began stands before it.
fn pushes(books: &Books, places: &Places<'_>) -> Vec<Violation> {
    let known: HashMap<&str, (&str, Place)> = books
        .events
        .iter()
        .map(|event| (event.text.as_str(), (event.user.as_str(), places[event.id.as_str()])))
        .collect();
    let mut of_user: HashMap<&str, Vec<Stands<'_>>> = HashMap::new();
    for push in &books.pushes {
        let Some((user, place)) = known.get(push.text.as_str()) else { continue };
        of_user.entry(user).or_default().push((push, *place));
    }
    of_user.into_values().flat_map(overtaking).collect()
}

/// Of one user's pushes, those that stand before one that was answered when they began.
fn overtaking(mut pushes: Vec<Stands<'_>>) -> Vec<Violation> {
    pushes.sort_by_key(|(push, _)| push.begun_ms);
    let mut answered: Vec<_> = pushes.iter().filter(|(push, _)| push.accepted).collect();
    answered.sort_by_key(|(push, _)| push.ended_ms);
    let (mut answered, mut furthest) = (answered.into_iter().peekable(), None);
    let mut found = Vec::new();
    for (push, place) in &pushes {
        while let Some((_, before)) = answered.next_if(|(earlier, _)| earlier.ended_ms < push.begun_ms) {
            furthest = furthest.max(Some(*before));
        }
        if furthest.is_some_and(|before| before > *place) {
            found.push(Violation::Overtook(push.text.clone()));
        }
    }
    found
}
