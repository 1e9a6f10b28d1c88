//! Where scenes are played: time passes, guests act, and what they see is held against what was expected.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use proto::reply::Reply;
use serde_json::Value;

use super::{
    page::Page,
    scene::{Days, Elsewhere, Scene, Script},
};
use crate::{
    example::{Example, Habit, Person},
    play::{Answered, Guest, activity_of, visit},
    up::System,
};

const HOUR_MS: i64 = 3_600_000;

/// The stage of one story.
#[derive(Debug)]
pub struct Stage<'a> {
    system: &'a System,
    page: &'a mut Page,
    example: &'a Example,
    topics: HashMap<String, Vec<String>>,
    shown: HashMap<String, HashSet<String>>,
}

/// How a story went.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Acts that reached their outcome.
    pub acts: usize,
    /// Expectations that did not hold, in words.
    pub complaints: Vec<String>,
}

/// What one guest saw in a scene.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Who.
    pub name: String,
    /// The outcome.
    pub answered: Answered,
    /// The words that arrived.
    pub text: String,
    /// Messages that really arrived at the phone.
    pub arrived: usize,
    /// Items shown now that the guest had been shown in the scene before.
    pub again: Vec<String>,
}

impl<'a> Stage<'a> {
    /// A stage in a running system; its first example is played.
    ///
    /// # Errors
    /// The items cannot be read.
    pub fn new(system: &'a System, page: &'a mut Page) -> Result<Self> {
        let example = system.examples.first().context("there is no example")?;
        let topics = system.items.iter().map(|item| {
            let topics = item.topics.iter().map(|topic| topic.name.clone()).collect();
            (item.id.clone(), topics)
        });
        Ok(Self { system, page, example, topics: topics.collect(), shown: HashMap::new() })
    }

    /// Plays all scenes.
    ///
    /// # Errors
    /// A push was not taken, or an event reached no outcome.
    pub async fn play(mut self, script: &Script) -> Result<Played> {
        let mut played = Played::default();
        for scene in &script.scenes {
            self.page.scene(&scene.title);
            let seen = self.scene(scene).await.with_context(|| scene.title.clone())?;
            played.acts += seen.len();
            let complaints = complaints(scene, &seen);
            seen.iter().for_each(|seen| self.page.seen(seen));
            complaints.iter().for_each(|complaint| self.page.complaint(complaint));
            played
                .complaints
                .extend(complaints.into_iter().map(|complaint| format!("{}: {complaint}", scene.title)));
        }
        Ok(played)
    }

    async fn scene(&mut self, scene: &Scene) -> Result<Vec<Seen>> {
        self.system.clock.set_ms(self.system.clock.now_ms() + i64::from(scene.hours_later) * HOUR_MS);
        if let Some(days) = &scene.days_lived {
            self.days(days).await?;
        }
        if let Some(elsewhere) = &scene.elsewhere {
            self.elsewhere(elsewhere).await?;
        }
        let Some(act) = &scene.does else { return Ok(Vec::new()) };
        let guests = scene.guests.iter().map(|name| self.guest(name)).collect::<Result<Vec<_>>>()?;
        let acting = guests.iter().map(async |guest| {
            let before = self.arrived(guest.person).await?;
            let answered = guest.does_repeatedly(act, scene.deliveries).await?;
            Ok::<_, anyhow::Error>((guest.person, answered, self.arrived(guest.person).await? - before))
        });
        let answers = try_join_all(acting).await?;
        Ok(answers
            .into_iter()
            .map(|(person, answered, arrived)| self.seen(person, answered, arrived))
            .collect())
    }

    fn seen(&mut self, person: &Person, answered: Answered, arrived: usize) -> Seen {
        let now = shown_in(&answered.reply);
        let before = self.shown.insert(person.openid.clone(), now.clone()).unwrap_or_default();
        let mut again: Vec<String> = now.intersection(&before).cloned().collect();
        again.sort();
        Seen { name: person.name.clone(), text: answered.text(), answered, arrived, again }
    }

    async fn days(&self, days: &Days) -> Result<()> {
        let start = self.system.clock.now_ms();
        let topics: HashMap<&str, Vec<&str>> = self
            .topics
            .iter()
            .map(|(item, topics)| (item.as_str(), topics.iter().map(String::as_str).collect()))
            .collect();
        for day in 1..=days.days {
            self.system.clock.set_ms(start + i64::from(day) * 24 * HOUR_MS);
            for (name, visits) in days.visits.iter().filter(|(_, visits)| day % visits.every_days.max(1) == 0)
            {
                visit(self.guest(name)?, visits, &topics).await?;
            }
        }
        self.system.clock.set_ms(self.system.clock.now_ms() + HOUR_MS);
        Ok(())
    }

    async fn elsewhere(&self, elsewhere: &Elsewhere) -> Result<()> {
        let guest = self.guest(&elsewhere.guest)?;
        let habit = Habit {
            every_days: 1,
            hour: 0,
            from_days_ago: 0,
            kind: elsewhere.kind.clone(),
            subject: elsewhere.subject.clone(),
            place: elsewhere.place.clone(),
            choices: elsewhere.choices.clone(),
        };
        let at_ms = self.system.clock.now_ms();
        let activity = activity_of(guest.person, &self.example.account.app_id, &habit, at_ms);
        self.system.life().tell(&activity).await?;
        self.system.learned(guest.person.user(&self.example.account.app_id), &activity.id).await
    }

    fn guest(&self, name: &str) -> Result<Guest<'a>> {
        let person = self.example.person(name).with_context(|| format!("people.yaml has no {name}"))?;
        Ok(Guest { plays: &self.system.plays, account: &self.example.account.name, person })
    }

    /// Messages at the phone of somebody, as the platform counts them.
    async fn arrived(&self, person: &Person) -> Result<usize> {
        let url = format!("{}/sim/messages?openid={}", self.system.addresses.simulator, person.openid);
        let answer: Value = self.system.plays.http.get(url).send().await?.json().await?;
        Ok(answer["messages"].as_array().map_or(0, Vec::len))
    }
}

fn shown_in(reply: &Reply) -> HashSet<String> {
    let slots = reply.decision.iter().flat_map(|decision| &decision.slots);
    slots.flat_map(|slot| slot.item_ids.iter().cloned()).collect()
}

fn complaints(scene: &Scene, seen: &[Seen]) -> Vec<String> {
    let of_guests = seen.iter().flat_map(|seen| {
        let expectations = scene.expect.iter().filter(|expectation| expectation.concerns(&seen.name));
        expectations
            .flat_map(|expectation| expectation.complaints(seen))
            .map(|wrong| format!("{}: {wrong}", seen.name))
    });
    let mut complaints: Vec<String> = of_guests.collect();
    let texts: HashSet<&str> = seen.iter().map(|seen| seen.text.as_str()).collect();
    if scene.all_different && texts.len() < seen.len() {
        complaints.push("two guests saw the same".to_owned());
    }
    complaints
}
