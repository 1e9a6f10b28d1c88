//! The past of an example's people, lived through the whole system: pushes, messages and taps, day by day, up to the present.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use prost::Message as _;
use proto::{
    CloudEvent,
    activity::{Activity, Choice, Customer, customer::Name},
    content::Item,
};
use runtime::{clock::Clock, kafka::Producer, trace::TraceParent};

use super::guest::{Answered, Guest, Plays};
use crate::example::{Example, Habit, Person, Visits};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Beijing is eight hours ahead of UTC, all year.
const BEIJING_MS: i64 = 8 * HOUR_MS;

/// What it takes to live.
#[derive(Debug)]
pub struct Life<'a> {
    /// How guests act.
    pub plays: &'a Plays,
    /// Time for everybody.
    pub clock: &'a Clock,
    /// For what is done in other systems.
    pub producer: &'a Producer,
    /// Its topic.
    pub activity_topic: String,
}

/// Told after every moment: moments lived, moments in all.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

#[derive(Clone, Copy)]
enum Deed<'a> {
    Visit(Guest<'a>, &'a Visits),
    Elsewhere(Guest<'a>, &'a str, &'a Habit),
}

impl Life<'_> {
    /// Lives everybody's past up to `present_ms` and leaves the clock there. Returns the ids of the activities told, by openid.
    ///
    /// # Errors
    /// A push was not taken, or a link did not open.
    pub async fn live(
        &self,
        examples: &[Example],
        items: &[Item],
        present_ms: i64,
        progress: Progress<'_>,
    ) -> Result<HashMap<String, String>> {
        let topics: HashMap<&str, Vec<&str>> = items
            .iter()
            .map(|item| (item.id.as_str(), item.topics.iter().map(|topic| topic.name.as_str()).collect()))
            .collect();
        let moments = self.moments(examples, present_ms);
        let mut last_activity = HashMap::new();
        for (lived, (at_ms, deeds)) in moments.iter().enumerate() {
            self.clock.set_ms(*at_ms);
            let told = try_join_all(deeds.iter().map(|deed| self.happens(*deed, &topics, *at_ms))).await?;
            last_activity.extend(told.into_iter().flatten());
            progress(lived + 1, moments.len());
        }
        self.clock.set_ms(present_ms);
        Ok(last_activity)
    }

    fn moments<'a>(&'a self, examples: &'a [Example], present_ms: i64) -> BTreeMap<i64, Vec<Deed<'a>>> {
        let mut moments: BTreeMap<i64, Vec<Deed<'a>>> = BTreeMap::new();
        let people =
            examples.iter().flat_map(|example| example.people.iter().map(move |person| (example, person)));
        for (example, person) in people {
            let guest = Guest { plays: self.plays, account: &example.account.name, person };
            for visits in &person.visits {
                let days = days(visits.from_days_ago, visits.until_days_ago, visits.every_days);
                for at in days.filter_map(|day| moment(present_ms, day, visits.hour)) {
                    moments.entry(at).or_default().push(Deed::Visit(guest, visits));
                }
            }
            for habit in &person.habits {
                let days = days(habit.from_days_ago, 1, habit.every_days);
                for at in days.filter_map(|day| moment(present_ms, day, habit.hour)) {
                    moments.entry(at).or_default().push(Deed::Elsewhere(
                        guest,
                        &example.account.app_id,
                        habit,
                    ));
                }
            }
        }
        moments
    }

    async fn happens(
        &self,
        deed: Deed<'_>,
        topics: &HashMap<&str, Vec<&str>>,
        at_ms: i64,
    ) -> Result<Option<(String, String)>> {
        match deed {
            Deed::Visit(guest, visits) => {
                visit(guest, visits, topics)
                    .await
                    .with_context(|| format!("a visit of {}", guest.person.name))?;
                Ok(None)
            }
            Deed::Elsewhere(guest, app_id, habit) => {
                let activity = activity_of(guest.person, app_id, habit, at_ms);
                self.tell(&activity).await?;
                Ok(Some((guest.person.openid.clone(), activity.id)))
            }
        }
    }

    /// Tells profile-service of an activity, over the topic as another system would.
    ///
    /// # Errors
    /// Kafka did not take it.
    pub async fn tell(&self, activity: &Activity) -> Result<()> {
        let trace = TraceParent::new_root().to_string();
        let attributes =
            CloudEvent::of_activity(activity, "/examples", &trace).context("an activity of nobody")?;
        let (key, value) = (attributes.key.as_bytes(), activity.encode_to_vec());
        self.producer.send(&self.activity_topic, key, &attributes.headers(), Some(&value))?.await?;
        Ok(())
    }
}

/// Enters, and taps the first links about what this guest likes. Returns what the entry led to.
///
/// # Errors
/// A push was not taken, or a link did not open.
pub async fn visit(guest: Guest<'_>, visits: &Visits, topics: &HashMap<&str, Vec<&str>>) -> Result<Answered> {
    let answered = guest.does(&visits.does).await?;
    let liked = |item: &String| {
        topics
            .get(item.as_str())
            .is_some_and(|about| about.iter().any(|topic| visits.taps.iter().any(|tap| tap == topic)))
    };
    let interesting =
        answered.links().into_iter().filter(|link| guest.item_of(link).as_ref().is_some_and(liked));
    let tapped: Vec<_> = interesting.take(visits.most).collect();
    guest.taps_all(&tapped).await?;
    Ok(answered)
}

/// An activity of somebody, as another system would tell it.
#[must_use]
pub fn activity_of(person: &Person, app_id: &str, habit: &Habit, at_ms: i64) -> Activity {
    let choices = habit.choices.iter();
    Activity {
        id: format!("{}:{}:{at_ms}", habit.kind, person.openid),
        customer: Some(Customer { name: Some(Name::User(person.user(app_id))) }),
        kind: habit.kind.clone(),
        occurred_at_ms: at_ms,
        subject: habit.subject.clone(),
        place: habit.place.clone(),
        choices: choices
            .map(|(habit, value)| Choice { habit: habit.clone(), value: value.clone(), options: 0 })
            .collect(),
        ..Activity::default()
    }
}

fn days(from: u32, until: u32, every: u32) -> impl Iterator<Item = u32> {
    (until..=from).rev().step_by(every.max(1) as usize)
}

/// An hour of the day, so many days before the present; `None` if that is still to come.
fn moment(present_ms: i64, days_ago: u32, hour: u32) -> Option<i64> {
    let midnight = (present_ms + BEIJING_MS).div_euclid(DAY_MS) * DAY_MS - BEIJING_MS;
    let at = midnight - i64::from(days_ago) * DAY_MS + i64::from(hour) * HOUR_MS;
    (at < present_ms).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_run_from_the_past_to_the_present() {
        assert_eq!(days(60, 1, 20).collect::<Vec<_>>(), [60, 40, 20]);
        assert_eq!(days(3, 1, 1).collect::<Vec<_>>(), [3, 2, 1]);
    }

    #[test]
    fn a_moment_is_an_hour_in_beijing() {
        let present = 1_795_305_600_000; // 2026-11-22 00:00 UTC, 08:00 in Beijing
        assert_eq!(moment(present, 1, 7), Some(present - 25 * HOUR_MS));
        assert_eq!(moment(present, 0, 9), None);
    }
}
