//! Where scenes are played: time passes, guests act, and what they see is held against what was expected.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use proto::{event::Event, reply::Reply};
use serde_json::Value;
use simulator::Act;

use super::{
    page::Page,
    scene::{Days, Elsewhere, Scene, Script},
};
use crate::{
    example::{Example, Habit, Person, Visits},
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
    /// Items that guests have been shown in the scenes, by openid.
    shown: HashMap<String, HashSet<String>>,
    /// Messages at a phone that scenes and visits account for, by openid.
    counted: HashMap<String, usize>,
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
    /// The document that was pushed.
    pub push: String,
    /// What the gateway made of it.
    pub event: Event,
    /// The outcome.
    pub answered: Answered,
    /// The words that arrived.
    pub text: String,
    /// Messages that really arrived at the phone since its last scene.
    pub arrived: usize,
    /// Items shown now that the guest had been shown in a scene before.
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
        let (topics, shown, counted) = (topics.collect(), HashMap::new(), HashMap::new());
        Ok(Self { system, page, example, topics, shown, counted })
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
            seen.iter().for_each(|seen| self.page.seen(seen));
            self.complain(&mut played, &scene.title, complaints(scene, &seen));
        }
        let late = self.late().await?;
        self.complain(&mut played, "at the end", late);
        Ok(played)
    }

    fn complain(&self, played: &mut Played, when: &str, complaints: Vec<String>) {
        complaints.iter().for_each(|complaint| self.page.complaint(complaint));
        played.complaints.extend(complaints.into_iter().map(|complaint| format!("{when}: {complaint}")));
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
        for guest in &guests {
            self.begin_to_count(guest.person).await?;
        }
        let answers = guests.iter().map(async |guest| {
            Ok::<_, anyhow::Error>((guest, guest.does_repeatedly(act, scene.deliveries).await?))
        });
        let mut seen = Vec::with_capacity(guests.len());
        for (guest, answered) in try_join_all(answers).await? {
            seen.push(self.seen(guest.person, answered).await?);
        }
        Ok(seen)
    }

    async fn seen(&mut self, person: &Person, answered: Answered) -> Result<Seen> {
        let there = self.arrived(person).await?;
        let counted = self.counted.insert(person.openid.clone(), there).unwrap_or_default();
        let now = shown_in(&answered.reply);
        let before = self.shown.entry(person.openid.clone()).or_default();
        let mut again: Vec<String> = now.intersection(before).cloned().collect();
        again.sort();
        before.extend(now);
        let event = self.system.plays.backstage.event(&answered.reply.event_id).await;
        Ok(Seen {
            name: person.name.clone(),
            push: self.pushed(person).await?,
            event: event.context("the system is ending")?,
            text: answered.text(),
            answered,
            arrived: there.saturating_sub(counted),
            again,
        })
    }

    /// Messages that nothing accounts for. Every guest enters once more: what is on its way to him arrives before the outcome of
    /// that, for one user's events are handled in order.
    async fn late(&self) -> Result<Vec<String>> {
        let mut late = Vec::new();
        for (openid, counted) in &self.counted {
            let guest = self.guest(openid)?;
            let last = guest.does(&Act::Enter { session_from: "the end".to_owned() }).await?;
            let there = self.arrived(guest.person).await?;
            let expected = counted + last.messages().len();
            if there != expected {
                late.push(format!("{}: {there} messages have arrived, not {expected}", guest.person.name));
            }
        }
        Ok(late)
    }

    async fn days(&mut self, days: &Days) -> Result<()> {
        let start = self.system.clock.now_ms();
        for day in 1..=days.days {
            self.system.clock.set_ms(start + i64::from(day) * 24 * HOUR_MS);
            for (name, visits) in days.visits.iter().filter(|(_, visits)| day % visits.every_days.max(1) == 0)
            {
                self.visit(name, visits).await?;
            }
        }
        self.system.clock.set_ms(self.system.clock.now_ms() + HOUR_MS);
        Ok(())
    }

    async fn visit(&mut self, name: &str, visits: &Visits) -> Result<()> {
        let guest = self.guest(name)?;
        self.begin_to_count(guest.person).await?;
        let topics = self.topics.iter();
        let topics: HashMap<&str, Vec<&str>> = topics
            .map(|(item, topics)| (item.as_str(), topics.iter().map(String::as_str).collect()))
            .collect();
        let messages = visit(guest, visits, &topics).await?.messages().len();
        *self.counted.entry(guest.person.openid.clone()).or_default() += messages;
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

    /// What lies at a phone before its first scene has been accounted for.
    async fn begin_to_count(&mut self, person: &Person) -> Result<()> {
        if !self.counted.contains_key(&person.openid) {
            let there = self.arrived(person).await?;
            self.counted.insert(person.openid.clone(), there);
        }
        Ok(())
    }

    /// Messages at the phone of somebody, as the platform counts them.
    async fn arrived(&self, person: &Person) -> Result<usize> {
        Ok(self.asked("messages", person).await?.len())
    }

    /// The document that the platform pushed last for somebody.
    async fn pushed(&self, person: &Person) -> Result<String> {
        let pushes = self.asked("pushes", person).await?;
        let document = pushes.last().and_then(|push| push["document"].as_str());
        Ok(document.context("the platform knows of no push")?.to_owned())
    }

    /// A list of the simulator's, about somebody.
    async fn asked(&self, list: &str, person: &Person) -> Result<Vec<Value>> {
        let url = format!("{}/sim/{list}?openid={}", self.system.addresses.simulator, person.openid);
        let mut answer: Value = self.system.plays.http.get(url).send().await?.json().await?;
        Ok(answer[list].as_array_mut().map(std::mem::take).unwrap_or_default())
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
