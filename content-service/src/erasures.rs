//! Erasures that profile-service still owes: an `Unsubscribed` event erases the profile for certain, however long it is away.
//!
//! remember → erase → forget. What is owed stands in the ledger's Redis (hash `erasures`: `<user> <event id>` → the event) before
//! the event's outcome is published, so it survives a restart, and every replica works on it. Erasing is telling profile-service
//! of the same event again, which it applies once per id: a repeat, also a late one, takes nothing of what was learned since.
//!
//! A user may be back before the erasure is done. Nothing of them is learned before it: whoever handles their events knows what is
//! owed (all of it is read with the first event of an assignment, and added to where it is remembered) and has it done first.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prost::Message as _;
use proto::event::Event;
use runtime::{
    backoff::Backoff,
    redis::{Redis, RedisError},
    telemetry::uid,
    trace::TraceParent,
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    assignment::{Abandoned, Assignment, until_answered},
    case::Case,
    metrics::Metrics,
    profiles::{Profiles, Unanswered},
    watchdog::meant,
};

/// Fields that Redis is asked for at once.
const PAGE: usize = 200;
/// How often a replica looks for what others have remembered.
const EVERY: Duration = Duration::from_secs(5);
/// Pauses while profile-service is away.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// What is owed. Clones share it.
#[derive(Clone, Debug)]
pub struct Erasures {
    redis: Redis,
    key: String,
    profiles: Profiles,
    metrics: Metrics,
    here: Arc<Here>,
}

/// What this process knows of it.
#[derive(Debug, Default)]
struct Here {
    /// One more than the newest assignment for which everything was read; 0: nothing was.
    read: AtomicU64,
    reading: tokio::sync::Mutex<()>,
    /// At least everything that concerns a user whose events come here; by the fields in Redis.
    owed: Mutex<BTreeMap<String, Owed>>,
}

#[derive(Clone, Debug)]
struct Owed {
    event: Event,
    /// profile-service does not take it: a person has to look at it before it is tried again.
    refused: bool,
}

/// How a try went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    Done,
    /// profile-service is away: everybody's waits.
    Away,
    /// This one could not be done now.
    Later,
    Refused,
}

impl Erasures {
    /// What is owed, in `redis` and nowhere else.
    #[must_use]
    pub fn new(redis: Redis, profiles: Profiles, metrics: Metrics) -> Self {
        let key = redis.key("erasures");
        Self { redis, key, profiles, metrics, here: Arc::default() }
    }

    /// Has done what is owed for the user of an event; false if it could not be, so that nothing may be learned of them yet. Costs
    /// nothing where nothing is owed.
    ///
    /// # Errors
    /// [`Abandoned`] when the partition is given up while Redis is away.
    pub async fn settled(&self, case: &Case<'_>) -> Result<bool, Abandoned> {
        if self.here.read.load(Ordering::Acquire) <= case.mine.generation() {
            // Rare, so it takes no room in the future of every event; neither does the call below.
            Box::pin(self.read_once(case.mine)).await?;
        }
        for (field, owed) in self.owed_of(case.user) {
            if owed.refused || Box::pin(self.erase(&field, &owed.event)).await != Tried::Done {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Remembers the erasure that an event asks for and that a first try has not brought about.
    ///
    /// # Errors
    /// [`Abandoned`] when the partition is given up while Redis is away: the event comes again.
    pub async fn remember(&self, case: &Case<'_>, why: &Unanswered) -> Result<(), Abandoned> {
        let field = format!("{} {}", case.user, case.event.id);
        let mut set = redis::cmd("HSET");
        set.arg(&self.key).arg(&field).arg(case.event.encode_to_vec());
        until_answered(case.mine, &self.metrics, || self.redis.query::<i64>(&set)).await?;
        let owed = Owed { event: case.event.clone(), refused: false };
        self.owed().insert(field.clone(), owed.clone());
        self.judge(&field, &owed.event, why);
        Ok(())
    }

    /// Tries what is owed until the shutdown: every few seconds, less often while profile-service is away.
    pub async fn sweep(self, shutdown: CancellationToken) {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        let sweeping = async {
            loop {
                if self.round().await.unwrap_or(false) {
                    backoff = Backoff::new(FIRST, LONGEST);
                    tokio::time::sleep(EVERY).await;
                } else {
                    backoff.wait().await;
                }
            }
        };
        shutdown.run_until_cancelled(sweeping).await.unwrap_or_default()
    }

    /// Tries everything once and tells what is left; false if something has to wait.
    async fn round(&self) -> Result<bool, RedisError> {
        let all_done = self.everything().await?;
        self.metrics.erasures_pending(self.redis.query(redis::cmd("HLEN").arg(&self.key)).await?);
        Ok(all_done)
    }

    /// A scan returns whatever was there from its start to its end, so what was known before and is not met has been done by somebody
    /// else.
    async fn everything(&self) -> Result<bool, RedisError> {
        let before: Vec<String> = self.owed().keys().cloned().collect();
        let (mut met, mut all_done, mut cursor) = (HashSet::new(), true, 0);
        loop {
            let (next, page) = self.page(cursor).await?;
            for (field, event) in page {
                match self.again(&field, &event).await {
                    Tried::Done => {}
                    Tried::Away => return Ok(false),
                    tried => all_done &= tried == Tried::Refused,
                }
                met.insert(field);
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let mut owed = self.owed();
        for done in before.iter().filter(|field| !met.contains(*field)) {
            owed.remove(done);
        }
        Ok(all_done)
    }

    async fn again(&self, field: &str, event: &[u8]) -> Tried {
        let known = self.owed().get(field).cloned();
        match known {
            Some(Owed { refused: true, .. }) => Tried::Refused,
            Some(Owed { event, .. }) => self.erase(field, &event).await,
            None => match Event::decode(event) {
                Ok(event) => {
                    self.owed().insert(field.to_owned(), Owed { event: event.clone(), refused: false });
                    self.erase(field, &event).await
                }
                Err(_) => self.refuse(field, &Event::default(), "the entry in redis cannot be read"),
            },
        }
    }

    async fn erase(&self, field: &str, event: &Event) -> Tried {
        match self.profiles.enrich(event, &[], TraceParent::new_root()).await {
            Ok(_) => {
                self.forget(field).await;
                Tried::Done
            }
            Err(why) => self.judge(field, event, &why),
        }
    }

    /// It is done. While Redis is away the entry stays, and is tried once more to no effect.
    async fn forget(&self, field: &str) {
        let mut delete = redis::cmd("HDEL");
        delete.arg(&self.key).arg(field);
        match self.redis.query::<i64>(&delete).await {
            Ok(_) => drop(self.owed().remove(field)),
            Err(error) => self.metrics.ledger_waits(&error),
        }
    }

    fn judge(&self, field: &str, event: &Event, why: &Unanswered) -> Tried {
        match (why.code(), why) {
            (Code::Unavailable, _) => Tried::Away,
            (Code::Aborted, _) | (_, Unanswered::Lost(_)) => Tried::Later,
            (code, Unanswered::Refused(status)) => {
                self.refuse(field, event, &format!("{code:?}: {}", status.message()))
            }
        }
    }

    fn refuse(&self, field: &str, event: &Event, answer: &str) -> Tried {
        self.metrics.erasure_refused();
        let user = field.split_once(' ').map_or(field, |(user, _)| user);
        tracing::error!(
            event_id = event.id,
            user = uid(user),
            answer,
            "profile-service refuses to erase a profile: mend what its answer names, then start a content-service again, which tries once more"
        );
        let mut owed = self.owed();
        owed.entry(field.to_owned()).or_insert(Owed { event: event.clone(), refused: true }).refused = true;
        Tried::Refused
    }

    /// Reads everything that is owed, once for each assignment: whoever had the partition before may have remembered something.
    async fn read_once(&self, mine: &Assignment) -> Result<(), Abandoned> {
        let generation = mine.generation();
        // Whoever reads may wait for Redis as long as it takes.
        let _reading = tokio::select! {
            biased;
            () = mine.stopped() => return Err(Abandoned),
            reading = meant(self.here.reading.lock()) => reading,
        };
        if self.here.read.load(Ordering::Acquire) <= generation {
            until_answered(mine, &self.metrics, || self.read_all()).await?;
            self.here.read.store(generation + 1, Ordering::Release);
        }
        Ok(())
    }

    async fn read_all(&self) -> Result<(), RedisError> {
        let mut cursor = 0;
        loop {
            let (next, page) = self.page(cursor).await?;
            for (field, event) in page {
                if let Ok(event) = Event::decode(&event[..]) {
                    self.owed().entry(field).or_insert(Owed { event, refused: false });
                }
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    async fn page(&self, cursor: u64) -> Result<(u64, Vec<(String, Vec<u8>)>), RedisError> {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(&self.key).arg(cursor).arg("COUNT").arg(PAGE);
        self.redis.query(&scan).await
    }

    fn owed_of(&self, user: &str) -> Vec<(String, Owed)> {
        let owed = self.owed();
        if owed.is_empty() {
            return Vec::new();
        }
        let start = format!("{user} ");
        let of_user = owed.range(start.clone()..).take_while(|(field, _)| field.starts_with(&start));
        of_user.map(|(field, owed)| (field.clone(), owed.clone())).collect()
    }

    fn owed(&self) -> MutexGuard<'_, BTreeMap<String, Owed>> {
        self.here.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
