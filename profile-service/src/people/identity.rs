//! Who is meant: external ids, what is set by hand, and forgetting.

use prost::Message as _;
use proto::{
    activity::{Activity, Customer, ExternalId, User, customer::Name},
    profile::UpdateRequest,
    record_key,
};

use super::{Error, People, check};
use crate::{
    learn::{self, bounds},
    store::Changed,
};

impl People {
    /// Sets traits, preferences and external ids; returns the version afterwards. Can be repeated after an error.
    ///
    /// # Errors
    /// [`Error::Invalid`] says what is wrong with the request, [`Error::Store`].
    pub async fn update(&self, request: &UpdateRequest) -> Result<u64, Error> {
        let user = check::update(request)?;
        let (key, now_ms) = (record_key(&user.app_id, &user.openid), self.clock.now_ms());
        let changed = self.store.change(&key, |person| learn::update(person, user, request, now_ms)).await?;
        let profile = &changed.after.person.profile;
        let mut version = profile.version;
        for external in &request.external_ids {
            if !profile.external_ids.contains(external) {
                let most = bounds::EXTERNAL_IDS;
                return Err(Error::Invalid(format!("a user has at most {most} external ids")));
            }
            version = self.link(external, user).await?.unwrap_or(version);
        }
        Ok(version)
    }

    /// Forgets everything about a customer; false if nothing was known.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the customer has no name, [`Error::Store`].
    pub async fn erase(&self, customer: Option<&Customer>) -> Result<bool, Error> {
        let Some(user) = self.user_of(customer).await? else { return Ok(false) };
        let key = record_key(&user.app_id, &user.openid);
        let forgotten = self.forget(&key, self.clock.now_ms(), None).await?;
        Ok(forgotten.before.person.is_known())
    }

    /// Forgets the user at `at_ms`, by an event's `id` once, by hand always. The external ids go first, so that what is
    /// left after a crash can still be found and forgotten by doing it again.
    pub(super) async fn forget(&self, key: &str, at_ms: i64, id: Option<&str>) -> Result<Changed, Error> {
        let known = self.store.read(key).await?;
        let again = |person: &learn::Person| id.is_some_and(|id| person.has_applied(id, at_ms));
        if !again(&known.person) {
            self.unlink_all(&known.person.profile.external_ids, key).await?;
        }
        let change = |person: &learn::Person| {
            let nobody = id.is_none() && !person.is_known();
            (!nobody && !again(person)).then(|| person.forgotten(at_ms, id))
        };
        let changed = self.store.change(key, change).await?;
        if changed.written() {
            let late = |external: &&ExternalId| !known.person.profile.external_ids.contains(external);
            let linked_since = changed.before.person.profile.external_ids.iter().filter(late);
            self.unlink_all(linked_since, key).await?;
        }
        Ok(changed)
    }

    /// The user who is meant; `None` for an external id that leads to nobody.
    pub(super) async fn user_of(&self, customer: Option<&Customer>) -> Result<Option<User>, Error> {
        let name = customer.and_then(|customer| customer.name.as_ref()).ok_or_else(check::nobody)?;
        check::name_is_usable(name)?;
        match name {
            Name::User(user) => Ok(Some(user.clone())),
            Name::External(external) => self.owner(external).await,
        }
    }

    pub(super) async fn owner(&self, external: &ExternalId) -> Result<Option<User>, Error> {
        Ok(self.store.owner(external).await?.as_deref().and_then(user_named))
    }

    /// Learns from the activities that waited for `user`; returns the version afterwards, if there were any.
    pub(super) async fn claim(&self, external: &ExternalId, user: &User) -> Result<Option<u64>, Error> {
        let waiting = self.store.waiting(external).await?;
        let mut version = None;
        for activity in waiting.iter().filter_map(|bytes| Activity::decode(bytes.as_slice()).ok()) {
            let changed = self.learn_activity(user, &activity).await?;
            version = Some(changed.after.person.profile.version);
        }
        if !waiting.is_empty() {
            self.store.taken(external, &waiting).await?;
        }
        Ok(version)
    }

    /// Lets `external` lead to `user`, takes it from whom it led to before, and hands over what waited for it.
    async fn link(&self, external: &ExternalId, user: &User) -> Result<Option<u64>, Error> {
        let key = record_key(&user.app_id, &user.openid);
        let before = self.store.link(external, &key).await?.filter(|owner| *owner != key);
        if let Some((owner, other)) = before.as_deref().and_then(|owner| Some((owner, user_named(owner)?))) {
            let now_ms = self.clock.now_ms();
            self.store.change(owner, |person| learn::unlink(person, &other, external, now_ms)).await?;
        }
        self.claim(external, user).await
    }

    async fn unlink_all(
        &self,
        externals: impl IntoIterator<Item = &ExternalId>,
        key: &str,
    ) -> Result<(), Error> {
        for external in externals {
            self.store.unlink(external, key).await?;
        }
        Ok(())
    }
}

/// The user whose record key this is.
fn user_named(key: &str) -> Option<User> {
    let (app_id, openid) = key.split_once(':')?;
    Some(User { app_id: app_id.to_owned(), openid: openid.to_owned() })
}
