//! `people.yaml`: who they are, what the customer database says, and how they have lived until now.

use std::collections::BTreeMap;

use proto::{
    activity::{ExternalId, User},
    profile::{Preference, Stance, Trait, TraitSource, UpdateRequest},
};
use serde::Deserialize;
use simulator::Act;

/// Somebody who holds a phone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// What people call them.
    pub name: String,
    /// OpenID within the account.
    pub openid: String,
    /// One line for who looks at the phone.
    #[serde(default)]
    pub about: String,
    /// What the customer database says.
    #[serde(default)]
    pub crm: Said,
    /// Visits, each kind repeated.
    #[serde(default)]
    pub visits: Vec<Visits>,
    /// What is done elsewhere, each kind repeated.
    #[serde(default)]
    pub habits: Vec<Habit>,
}

/// What the customer database says about somebody.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Traits by name.
    #[serde(default)]
    pub traits: BTreeMap<String, String>,
    /// Topics to have more of.
    #[serde(default)]
    pub prefer: Vec<String>,
    /// Topics not to be shown.
    #[serde(default)]
    pub drop: Vec<String>,
    /// Numbers of other systems, by system.
    #[serde(default)]
    pub external_ids: BTreeMap<String, String>,
}

/// A visit that repeats.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visits {
    /// Days between two.
    pub every_days: u32,
    /// Hour of the day in Beijing.
    pub hour: u32,
    /// First one, in days before the present; 60 if not given.
    #[serde(default = "two_months")]
    pub from_days_ago: u32,
    /// None later than so many days before the present.
    #[serde(default = "yesterday")]
    pub until_days_ago: u32,
    /// What begins the visit.
    pub does: Act,
    /// Topics whose links are tapped, the first matching ones.
    #[serde(default)]
    pub taps: Vec<String>,
    /// Links tapped in one visit at most.
    #[serde(default = "two")]
    pub most: usize,
}

/// Something that repeats in another system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Habit {
    /// Days between two.
    pub every_days: u32,
    /// Hour of the day in Beijing.
    pub hour: u32,
    /// First one, in days before the present; 60 if not given.
    #[serde(default = "two_months")]
    pub from_days_ago: u32,
    /// Kind of the activity.
    pub kind: String,
    /// What it is about.
    #[serde(default)]
    pub subject: String,
    /// Where, as a name.
    #[serde(default)]
    pub place: String,
    /// Choices made, by habit.
    #[serde(default)]
    pub choices: BTreeMap<String, String>,
}

fn two_months() -> u32 {
    60
}

fn yesterday() -> u32 {
    1
}

fn two() -> usize {
    2
}

impl Person {
    /// The user within an account.
    #[must_use]
    pub fn user(&self, app_id: &str) -> User {
        User { app_id: app_id.to_owned(), openid: self.openid.clone() }
    }

    /// What the customer database tells profile-service; `None`: nothing.
    #[must_use]
    pub fn import(&self, app_id: &str, at_ms: i64) -> Option<UpdateRequest> {
        let source = TraitSource::Crm.into();
        let traits = self.crm.traits.iter().map(|(name, value)| Trait {
            name: name.clone(),
            value: value.clone(),
            source,
            at_ms,
        });
        let stance = |topics: &[String], stance: Stance| -> Vec<Preference> {
            topics
                .iter()
                .map(|topic| Preference { topic: topic.clone(), stance: stance.into(), source, at_ms })
                .collect()
        };
        let external = self.crm.external_ids.iter();
        let update = UpdateRequest {
            user: Some(self.user(app_id)),
            traits: traits.collect(),
            preferences: [stance(&self.crm.prefer, Stance::Prefer), stance(&self.crm.drop, Stance::Drop)]
                .concat(),
            external_ids: external
                .map(|(namespace, id)| ExternalId { namespace: namespace.clone(), id: id.clone() })
                .collect(),
        };
        let empty =
            update.traits.is_empty() && update.preferences.is_empty() && update.external_ids.is_empty();
        (!empty).then_some(update)
    }
}
