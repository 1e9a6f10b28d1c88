//! External ids: whom they lead to, and the activities that came before anybody knew.

use std::time::Duration;

use proto::activity::ExternalId;
use redis::{Cmd, Pipeline};

use super::{Store, StoreError};

/// Activities that wait under one external id; the oldest goes first.
const WAITING: isize = 50;
/// How long an activity waits for its owner.
const WAITING_FOR: Duration = Duration::from_secs(30 * 86_400);

impl Store {
    /// The user to whom an external id leads, `<app_id>:<openid>`.
    ///
    /// # Errors
    /// [`StoreError::Redis`], as for all of the following.
    pub async fn owner(&self, external: &ExternalId) -> Result<Option<String>, StoreError> {
        Ok(self.redis.query(&Cmd::get(self.external_key("x", external))).await?)
    }

    /// Lets an external id lead to `user` from now on; returns to whom it led before.
    ///
    /// # Errors
    /// As [`Store::owner`].
    pub async fn link(&self, external: &ExternalId, user: &str) -> Result<Option<String>, StoreError> {
        let mut set = Cmd::new();
        set.arg("SET").arg(self.external_key("x", external)).arg(user).arg("GET");
        Ok(self.redis.query(&set).await?)
    }

    /// Removes an external id if it still leads to `user`.
    ///
    /// # Errors
    /// As [`Store::owner`].
    pub async fn unlink(&self, external: &ExternalId, user: &str) -> Result<(), StoreError> {
        let key = self.external_key("x", external);
        let call = |call: &mut redis::ScriptInvocation<'_>| {
            call.key(key).arg(user);
        };
        Ok(self.redis.script(&self.unlink, call).await?)
    }

    /// Keeps an encoded activity, once, until its external id leads to somebody: at most 50 of them, for 30 days.
    ///
    /// # Errors
    /// As [`Store::owner`].
    pub async fn keep_waiting(&self, external: &ExternalId, activity: &[u8]) -> Result<(), StoreError> {
        let key = self.external_key("w", external);
        let mut commands = Pipeline::new();
        commands.lrem(&key, 0, activity).ignore();
        commands.rpush(&key, activity).ignore();
        commands.ltrim(&key, -WAITING, -1).ignore();
        commands.pexpire(&key, WAITING_FOR.as_millis() as i64).ignore();
        Ok(self.redis.pipeline(&commands).await?)
    }

    /// The encoded activities that wait under an external id, oldest first.
    ///
    /// # Errors
    /// As [`Store::owner`].
    pub async fn waiting(&self, external: &ExternalId) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.redis.query(&Cmd::lrange(self.external_key("w", external), 0, -1)).await?)
    }

    /// Removes activities that have been learned from; what has come in between stays.
    ///
    /// # Errors
    /// As [`Store::owner`].
    pub async fn taken(&self, external: &ExternalId, activities: &[Vec<u8>]) -> Result<(), StoreError> {
        let key = self.external_key("w", external);
        let mut commands = Pipeline::new();
        for activity in activities {
            commands.lrem(&key, 0, activity.as_slice()).ignore();
        }
        Ok(self.redis.pipeline(&commands).await?)
    }

    fn external_key(&self, what: &str, external: &ExternalId) -> String {
        self.redis.key(&format!("{what}:{}:{}", external.namespace, external.id))
    }
}
