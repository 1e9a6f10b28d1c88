//! The learning: pure functions from a person and a piece of evidence to the person afterwards.
//!
//! Each returns `None` when there is nothing to write, because the evidence has been learned from before. Evidence is
//! counted by its own time; a time that lies in the future, or is missing, is the time of receipt. What can't be
//! used (a name that is empty or too long, a list that goes on and on) is left out. The order of arrival changes
//! nothing but visits, which have only the newest event to go by, and statements of the same millisecond.

mod applied;
pub mod bounds;
mod decay;
mod habit;
mod person;
mod seen;
mod statement;
mod taste;
mod update;
mod visit;

use proto::{
    activity::{Activity, User},
    event::{Event, event::Kind},
    profile::{Shown, Trait, TraitSource},
};

pub use habit::opinions;
pub use person::{FORGET_MS, Person};
pub use taste::taste_at;
pub use update::{is_external, unlink, update};

/// Learns from an event, and from what the user says about himself with it.
///
/// `Unsubscribed` forgets everything; see [`Person::forgotten`].
#[must_use]
pub fn event(person: &Person, event: &Event, told: &[Trait], received_ms: i64) -> Option<Person> {
    let at_ms = event_time(event, received_ms);
    let user = User { app_id: event.app_id.clone(), openid: event.openid.clone() };
    if let Some(Kind::Unsubscribed(_)) = event.kind {
        return (!person.has_applied(&event.id, at_ms)).then(|| person.forgotten(at_ms, Some(&event.id)));
    }
    let mut next = person.about_to_apply(&event.id, &user, at_ms, received_ms)?;
    let profile = &mut next.profile;
    first_seen(&mut profile.first_seen_at_ms, at_ms);
    visit::learn(&mut profile.visit, &event.id, at_ms);
    if let Some(Kind::LinkClicked(click)) = &event.kind {
        seen::opened(&mut profile.seen, &click.item_id, at_ms, received_ms);
        taste::learn(&mut profile.tastes, &click.topics, taste::REWARD, at_ms);
    }
    for said in told.iter().take(bounds::PER_EVENT) {
        statement::set_trait(&mut profile.traits, answer(said, at_ms));
    }
    Some(next)
}

/// Learns from what `user` did elsewhere. `activity.customer` is not looked at: who it leads to is the store's knowledge.
#[must_use]
pub fn activity(person: &Person, user: &User, activity: &Activity, received_ms: i64) -> Option<Person> {
    let at_ms = time(activity.occurred_at_ms, received_ms);
    let mut next = person.about_to_apply(&activity.id, user, at_ms, received_ms)?;
    let profile = &mut next.profile;
    first_seen(&mut profile.first_seen_at_ms, at_ms);
    taste::learn(&mut profile.tastes, &activity.topics, taste::REWARD, at_ms);
    habit::learn(&mut profile.habits, &activity.choices, at_ms);
    let order = |done: &Activity| (done.occurred_at_ms, done.id.clone());
    let kept = Activity { occurred_at_ms: at_ms, ..activity.clone() };
    let place = profile.activities.partition_point(|done| order(done) < order(&kept));
    profile.activities.insert(place, kept);
    let over = profile.activities.len().saturating_sub(bounds::ACTIVITIES);
    profile.activities.drain(..over);
    Some(next)
}

/// Learns what a reply has shown.
#[must_use]
pub fn shown(person: &Person, user: &User, shown: &Shown, received_ms: i64) -> Option<Person> {
    let at_ms = time(shown.at_ms, received_ms);
    let mut next = person.about_to_apply(&shown.id, user, at_ms, received_ms)?;
    seen::shown(&mut next.profile.seen, &shown.item_ids, at_ms, received_ms);
    statement::asked(&mut next.profile.asked, &shown.asked_trait, at_ms);
    visit::answered(&mut next.profile.visit, at_ms);
    Some(next)
}

/// The time that an event counts with.
#[must_use]
pub fn event_time(event: &Event, received_ms: i64) -> i64 {
    time(event.occurred_at_ms, time(event.received_at_ms, received_ms))
}

fn time(at_ms: i64, received_ms: i64) -> i64 {
    if at_ms > 0 { at_ms.min(received_ms) } else { received_ms }
}

fn first_seen(first_ms: &mut i64, at_ms: i64) {
    *first_ms = if *first_ms == 0 { at_ms } else { at_ms.min(*first_ms) };
}

/// An answer counts with the time of its event, and as an answer where nothing else is said. One without a value is none.
fn answer(said: &Trait, at_ms: i64) -> Trait {
    let source = if said.source == 0 { TraitSource::Asked.into() } else { said.source };
    let name = if said.value.is_empty() { String::new() } else { said.name.clone() };
    Trait { name, value: said.value.clone(), source, at_ms: time(said.at_ms, at_ms) }
}
