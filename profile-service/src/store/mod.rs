//! Profiles in Redis: one value per user, replaced by compare-and-set.
//!
//! The store remembers what it has written last (bounded by bytes and ten minutes). For a user who comes back, a change starts
//! from that memory and costs one round trip; for a stranger it starts from nobody, which costs one round trip if that
//! is so. In both cases a wrong start costs a second one, because the swap answers with the value that is there. The
//! memory is never an answer: a change that finds nothing to do on it reads the store first.

mod blob;
mod external;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use moka::future::Cache;
use redis::{Cmd, Script, Value};
use runtime::redis::{Redis, RedisError};
use tokio::sync::Mutex;

use crate::learn::{FORGET_MS, Person};

pub use blob::{Stored, Unreadable};

/// Tries before a change gives up against other writers.
const TRIES: usize = 16;
/// Time for a change beyond the deadline of one call.
const GRACE: Duration = Duration::from_millis(40);
/// How long a written profile is remembered, and so how long an erased one may stay in another replica's memory.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Users are spread over so many queues; changes of one queue follow each other.
const QUEUES: usize = 256;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// One call to Redis failed; a write may have been applied.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The change as a whole took too long; it may have been applied.
    #[error("the profile store did not answer within {0:?}")]
    Late(Duration),
    /// Other writers were faster every time; nothing was written.
    #[error("the profile is being changed by too many writers at once")]
    Busy,
    /// The value under the user's name was not written by this service.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// A change: the person before and after it. The same if there was nothing to change.
#[derive(Debug)]
pub struct Changed {
    /// Before.
    pub before: Arc<Stored>,
    /// After.
    pub after: Arc<Stored>,
}

impl Changed {
    /// Something was written.
    #[must_use]
    pub fn written(&self) -> bool {
        !Arc::ptr_eq(&self.before, &self.after)
    }
}

/// The profiles, the external ids, and the activities that wait for their owner.
pub struct Store {
    redis: Redis,
    budget: Duration,
    swap: Script,
    unlink: Script,
    remembered: Cache<String, Arc<Stored>>,
    queues: Vec<Mutex<()>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Store {
    /// A store that remembers up to `cache_bytes` of what it wrote. `deadline` is that of one call of `redis`.
    #[must_use]
    pub fn new(redis: Redis, deadline: Duration, cache_bytes: u64) -> Self {
        // A decoded profile takes several times its encoded size.
        let weight = |user: &String, stored: &Arc<Stored>| {
            u32::try_from(512 + user.len() + 4 * stored.bytes).unwrap_or(u32::MAX)
        };
        let remembered = Cache::builder().max_capacity(cache_bytes).weigher(weight).time_to_live(REMEMBERED);
        Self {
            redis,
            budget: deadline + GRACE,
            swap: Script::new(include_str!("../lua/swap.lua")),
            unlink: Script::new(include_str!("../lua/unlink.lua")),
            remembered: remembered.build(),
            queues: (0..QUEUES).map(|_| Mutex::default()).collect(),
        }
    }

    /// Round trips made so far.
    #[must_use]
    pub fn trips(&self) -> u64 {
        self.redis.trips()
    }

    /// Asks Redis whether it is there.
    ///
    /// # Errors
    /// It did not answer in time.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut ping = Cmd::new();
        ping.arg("PING");
        Ok(self.redis.query::<()>(&ping).await?)
    }

    /// Who is stored under `<app_id>:<openid>`. One round trip.
    ///
    /// # Errors
    /// [`StoreError`], never `Busy`.
    pub async fn read(&self, user: &str) -> Result<Arc<Stored>, StoreError> {
        let value: Option<Vec<u8>> = self.redis.query(&Cmd::get(self.profile_key(user))).await?;
        Ok(Arc::new(blob::decode(&value.unwrap_or_default())?))
    }

    /// Replaces the person under `<app_id>:<openid>` by what `change` makes of it, unless that is `None`. `change` is
    /// called again with the present person whenever another writer was faster.
    ///
    /// Dropping the future may leave the change applied or not; a change that recognises itself can be repeated.
    ///
    /// # Errors
    /// [`StoreError`], within the deadline of one call and 40 ms more.
    pub async fn change(
        &self,
        user: &str,
        change: impl Fn(&Person) -> Option<Person>,
    ) -> Result<Changed, StoreError> {
        let changed = tokio::time::timeout(self.budget, self.change_in_turn(user, change)).await;
        changed.unwrap_or(Err(StoreError::Late(self.budget)))
    }

    async fn change_in_turn(
        &self,
        user: &str,
        change: impl Fn(&Person) -> Option<Person>,
    ) -> Result<Changed, StoreError> {
        let _turn = self.queues[queue_of(user)].lock().await;
        let remembered = self.remembered.get(user).await;
        let (mut before, mut fresh) = (remembered.unwrap_or_default(), false);
        for _ in 0..TRIES {
            match change(&before.person) {
                None if fresh => return Ok(Changed { after: Arc::clone(&before), before }),
                None => before = self.read(user).await?,
                Some(next) => match self.swap(user, &before, next).await? {
                    Swap::Done(after) => {
                        self.remembered.insert(user.to_owned(), Arc::clone(&after)).await;
                        return Ok(Changed { before, after });
                    }
                    Swap::Present(present) => before = present,
                },
            }
            fresh = true;
        }
        Err(StoreError::Busy)
    }

    async fn swap(&self, user: &str, before: &Stored, next: Person) -> Result<Swap, StoreError> {
        let keep_ms = if next.is_known() { 0 } else { FORGET_MS };
        let (value, after) = blob::encode(next);
        let answer: Value = self
            .redis
            .script(&self.swap, |call| {
                call.key(self.profile_key(user)).arg(&before.stamp).arg(value).arg(keep_ms);
            })
            .await?;
        match answer {
            Value::BulkString(present) => Ok(Swap::Present(Arc::new(blob::decode(&present)?))),
            _ => Ok(Swap::Done(Arc::new(after))),
        }
    }

    fn profile_key(&self, user: &str) -> String {
        self.redis.key(&format!("p:{{{user}}}"))
    }
}

enum Swap {
    Done(Arc<Stored>),
    Present(Arc<Stored>),
}

fn queue_of(user: &str) -> usize {
    let mut hash = DefaultHasher::new();
    user.hash(&mut hash);
    (hash.finish() % QUEUES as u64) as usize
}
