//! A profile together with the moment before which everything about the user is forgotten.

use proto::{activity::User, profile::Profile};

use super::{applied, decay::DAY_MS};

/// How long it is remembered that somebody was forgotten: as long as the broker keeps events and activities.
pub const FORGET_MS: i64 = 7 * DAY_MS;

/// What the store holds under one user's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// What is known. Version 0: nobody has been seen under this name, or everything was forgotten.
    pub profile: Profile,
    /// Evidence from before this moment counts as applied: it belongs to what was forgotten. Unix milliseconds.
    pub erased_before_ms: i64,
}

impl Person {
    /// What stays of a user who is forgotten at `at_ms`, by the event `id` if there was one: the moment, that id, and the
    /// ids of what had been learned from since the moment.
    ///
    /// The platform's times are whole seconds, so the moment is cut to its second: what the user does next in the same
    /// second is new. A redelivery of anything older teaches nothing, and of what was forgotten with it neither.
    #[must_use]
    pub fn forgotten(&self, at_ms: i64, id: Option<&str>) -> Self {
        let moment = at_ms.saturating_sub(at_ms.rem_euclid(1000));
        let erased_before_ms = self.erased_before_ms.max(moment);
        let mut applied = self.profile.applied.clone();
        applied.retain(|entry| entry.at_ms >= erased_before_ms);
        if let Some(id) = id {
            applied::insert(&mut applied, id, at_ms);
        }
        Self { profile: Profile { applied, ..Profile::default() }, erased_before_ms }
    }

    /// Somebody is known under this name.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.profile.version > 0
    }

    /// The evidence `id` of `at_ms` has been learned from, or is too old to say that it has not.
    #[must_use]
    pub fn has_applied(&self, id: &str, at_ms: i64) -> bool {
        at_ms < self.erased_before_ms || applied::contains(&self.profile.applied, id, at_ms)
    }

    /// The person to whom the evidence `id` is to be added, or `None` if that has been done before.
    pub(super) fn about_to_apply(&self, id: &str, user: &User, at_ms: i64, now_ms: i64) -> Option<Self> {
        if self.has_applied(id, at_ms) {
            return None;
        }
        let mut next = self.changing(user, now_ms);
        applied::insert(&mut next.profile.applied, id, at_ms);
        Some(next)
    }

    /// The person one version on.
    pub(super) fn changing(&self, user: &User, now_ms: i64) -> Self {
        let mut next = self.clone();
        next.profile.version = next.profile.version.saturating_add(1);
        next.profile.user = Some(user.clone());
        if now_ms.saturating_sub(next.erased_before_ms) > FORGET_MS {
            next.erased_before_ms = 0;
        }
        next
    }
}
