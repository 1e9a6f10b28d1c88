//! What can be done with people: the learning joined to the store. gRPC and the activities topic are two doors to it.

mod check;
mod identity;

use prost::Message as _;
use proto::{
    activity::{Activity, Customer, ExternalId, User, customer},
    event::{Event, event::Kind},
    profile::{Enrichment, Profile, RecordResponse, Shown, Trait},
    record_key,
};
use runtime::clock::Clock;

use crate::{
    learn,
    store::{Changed, Store, StoreError},
};

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store has no answer; trying again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request can't be used; trying again is useless.
    #[error("{0}")]
    Invalid(String),
    /// Nobody is known under this name.
    #[error("nobody has been seen under this name")]
    Nobody,
}

/// Knows and learns who the users are.
#[derive(Debug)]
pub struct People {
    store: Store,
    clock: Clock,
}

impl People {
    /// Joins a store and the time of day.
    #[must_use]
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// The store behind.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The time of day, Unix milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Learns from an event, once per id, and returns the person as of it. The ids already applied are left out of the
    /// answer; they are nobody's business but the learning's.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the event has no id or names nobody, [`Error::Store`].
    pub async fn enrich(&self, event: &Event, told: &[Trait]) -> Result<Enrichment, Error> {
        let user = User { app_id: event.app_id.clone(), openid: event.openid.clone() };
        check::id(&event.id)?;
        check::user(&user)?;
        let now_ms = self.clock.now_ms();
        let key = record_key(&user.app_id, &user.openid);
        let changed = match event.kind {
            Some(Kind::Unsubscribed(_)) => {
                let id = Some(event.id.as_str());
                self.forget(&key, learn::event_time(event, now_ms), id).await?
            }
            _ => self.store.change(&key, |person| learn::event(person, event, told, now_ms)).await?,
        };
        let known = &changed.after.person.profile;
        let profile = Profile { user: Some(user), ..without_applied(known) };
        let visit_started = known.visit.as_ref().is_some_and(|visit| visit.first_event_id == event.id);
        Ok(Enrichment { habits: learn::opinions(known, now_ms), profile: Some(profile), visit_started })
    }

    /// Learns from what was done elsewhere, once per id. An activity whose external id leads to nobody yet waits.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the activity has no id, names nobody or is too large; [`Error::Store`].
    pub async fn record_activity(&self, activity: &Activity) -> Result<RecordResponse, Error> {
        match check::activity(activity)? {
            customer::Name::User(user) => Ok(recorded(&self.learn_activity(user, activity).await?)),
            customer::Name::External(external) => match self.owner(external).await? {
                Some(user) => Ok(recorded(&self.learn_activity(&user, activity).await?)),
                None => self.wait_for_owner(external, activity).await,
            },
        }
    }

    /// Learns what a reply has shown, once per id.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has no id or names nobody, [`Error::Store`].
    pub async fn record_shown(&self, shown: &Shown) -> Result<RecordResponse, Error> {
        check::id(&shown.id)?;
        let user = shown.user.as_ref().ok_or_else(check::nobody)?;
        check::user(user)?;
        let now_ms = self.clock.now_ms();
        let change = |person: &_| learn::shown(person, user, shown, now_ms);
        Ok(recorded(&self.store.change(&record_key(&user.app_id, &user.openid), change).await?))
    }

    /// The profile of a customer.
    ///
    /// # Errors
    /// [`Error::Nobody`], [`Error::Invalid`] if the customer has no name, [`Error::Store`].
    pub async fn get(&self, customer: Option<&Customer>) -> Result<Profile, Error> {
        let user = self.user_of(customer).await?.ok_or(Error::Nobody)?;
        let stored = self.store.read(&record_key(&user.app_id, &user.openid)).await?;
        if stored.person.is_known() { Ok(stored.person.profile.clone()) } else { Err(Error::Nobody) }
    }

    async fn learn_activity(&self, user: &User, activity: &Activity) -> Result<Changed, Error> {
        let now_ms = self.clock.now_ms();
        let change = |person: &_| learn::activity(person, user, activity, now_ms);
        Ok(self.store.change(&record_key(&user.app_id, &user.openid), change).await?)
    }

    /// Whoever links the id at the same moment either finds the activity waiting or is found here.
    async fn wait_for_owner(
        &self,
        external: &ExternalId,
        activity: &Activity,
    ) -> Result<RecordResponse, Error> {
        self.store.keep_waiting(external, &activity.encode_to_vec()).await?;
        if let Some(user) = self.owner(external).await? {
            let version = self.claim(external, &user).await?.unwrap_or_default();
            return Ok(RecordResponse { version, applied: true });
        }
        Ok(RecordResponse { version: 0, applied: false })
    }
}

fn recorded(changed: &Changed) -> RecordResponse {
    RecordResponse { version: changed.after.person.profile.version, applied: changed.written() }
}

/// A copy of everything but the ids already applied, which are most of a small profile.
fn without_applied(known: &Profile) -> Profile {
    Profile {
        version: known.version,
        user: known.user.clone(),
        external_ids: known.external_ids.clone(),
        traits: known.traits.clone(),
        preferences: known.preferences.clone(),
        tastes: known.tastes.clone(),
        habits: known.habits.clone(),
        seen: known.seen.clone(),
        visit: known.visit.clone(),
        first_seen_at_ms: known.first_seen_at_ms,
        asked: known.asked.clone(),
        activities: known.activities.clone(),
        applied: Vec::new(),
    }
}
