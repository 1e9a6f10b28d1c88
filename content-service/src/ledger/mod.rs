//! The ledger: what was promised to be sent, what may have left, how it ended; and beside it each user's send right.
//!
//! `absent → reserved → sending → settled → closed`, one Lua script per transition that compares the state and, where an attempt is
//! under way, whose it is (fence, part, number), so that a repeat after a lost answer gives the same answer. Keys `l:{user}:<event id>` and `g:{user}`. Where a person decides on an unknown
//! end: `settled → waiting → reserved …` ([`desk`]).

mod ahead;
mod closer;
pub mod desk;
mod end;
mod entry;
pub mod guard;
mod mark;
mod partitions;
pub mod resume;
mod scripts;
mod settle;
mod watched;

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use proto::reply::{Outcome, Reply};
use redis::ScriptInvocation;
use runtime::{
    backoff::Backoff,
    clock::Clock,
    redis::{Redis, RedisError},
};
use tokio::time::Instant;

pub use closer::Closer;
pub use end::{Damaged, End, PartEnd};
pub use entry::{Entry, State};

use crate::{
    assignment::{Abandoned, Assignment},
    config::millis,
    metrics::Metrics,
    watchdog::step,
};
use ahead::Ahead;
use scripts::Scripts;

/// For this time the master waits for its replicas, with every step that arms.
const REPLICATED_WITHIN: Duration = Duration::from_millis(50);
/// No call to Redis takes so long: whoever reads an answer later has slept.
const SLEPT: Duration = Duration::from_secs(1);
/// Longest pause between tries while Redis is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What Redis had acknowledged is not there any more.
const LOST: Damaged = Damaged("redis has lost it");

/// Bounds of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long an entry is kept; longer than the oldest event that may be sent.
    pub ttl: Duration,
    /// After this time a part under way counts as `unknown`; longer than any send.
    pub lease: Duration,
    /// So many replicas must have what arms a part before a byte of it leaves; 0: the master alone.
    pub replicas: u32,
}

/// Where one event stands in the ledger, and who asks.
#[derive(Clone, Debug)]
pub struct Place {
    entry: String,
    rights: String,
    /// Who asks: owner, generation, partition and offset. A repeat of the same call carries the same.
    pub fence: String,
}

/// A right that the event's own action grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// `message`, `menu`, `subscribe`, `scan`, `enter`.
    pub name: &'static str,
    /// Messages.
    pub messages: u32,
    /// When the user acted, Unix milliseconds.
    pub since_ms: i64,
    /// End of the window, safety margin taken off, Unix milliseconds.
    pub until_ms: i64,
}

/// What is to be reserved.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Decision and parts.
    pub reply: Reply,
    /// How it ends where nothing is to be sent.
    pub end: Option<End>,
    /// What the event's action grants.
    pub granted: Option<Granted>,
    /// The user has left: no right of theirs holds any longer.
    pub revokes: bool,
}

/// The ledger in Redis. Clones share it.
#[derive(Clone, Debug)]
pub struct Ledger {
    redis: Redis,
    terms: Terms,
    clock: Clock,
    scripts: Arc<Scripts>,
    ahead: Arc<Ahead>,
    metrics: Metrics,
}

fn entry_key(redis: &Redis, user: &str, event_id: &str) -> String {
    redis.key(&format!("l:{{{user}}}:{event_id}"))
}

fn rights_key(redis: &Redis, user: &str) -> String {
    redis.key(&format!("g:{{{user}}}"))
}

impl Ledger {
    /// A ledger with these bounds.
    #[must_use]
    pub fn new(redis: Redis, terms: Terms, clock: Clock, metrics: Metrics) -> Self {
        Self { redis, terms, clock, scripts: Arc::default(), ahead: Arc::default(), metrics }
    }

    /// Round trips made so far, closing included.
    #[must_use]
    pub fn trips(&self) -> u64 {
        self.redis.trips()
    }

    /// The place of an event: `user` is the record key, `fence` whoever asks.
    #[must_use]
    pub fn place(&self, user: &str, event_id: &str, fence: String) -> Place {
        Place { entry: entry_key(&self.redis, user, event_id), rights: rights_key(&self.redis, user), fence }
    }

    /// `absent → reserved`, with `arm` straight to sending; what stands there already is returned as it is.
    ///
    /// # Errors
    /// [`Abandoned`] when the partition is given up while Redis is away.
    pub async fn reserve(
        &self,
        place: &Place,
        mine: &Assignment,
        proposal: Proposal,
        arm: bool,
    ) -> Result<Entry, Abandoned> {
        step("reserve");
        let Proposal { reply, end, granted, revokes } = proposal;
        let (body, end) = (reply.encode_to_vec(), end.map_or_else(String::new, |end| end.write()));
        let parts = if end.is_empty() { reply.parts.len() } else { 0 };
        let arms = arm && parts > 0;
        let ahead_ms = |granted: &Granted| self.ahead.with(granted.since_ms, self.clock.now_ms());
        let since_ms =
            granted.as_ref().map_or(0, |granted| granted.since_ms.saturating_sub(ahead_ms(granted)));
        let (answer, armed) = self
            .call_as(mine, &self.scripts.reserve, self.replicas(arms), |script| {
                let (now, lease) = (self.clock.now_ms(), if arms { self.lease_ms() } else { 0 });
                script.key(&place.entry).key(&place.rights);
                script.arg(now).arg(&place.fence).arg(lease).arg(parts).arg(&body[..]).arg(&end);
                script.arg(millis(self.terms.ttl));
                script.arg(granted.map_or("", |granted| granted.name));
                script.arg(granted.map_or(0, |granted| granted.messages));
                script.arg(granted.map_or(0, |granted| granted.until_ms));
                script.arg("send right used up").arg("send right lapsed");
                script.arg(since_ms).arg(i32::from(revokes));
            })
            .await?;
        let mut entry = Entry::new(reply);
        let read = match &answer[..] {
            [tag, state, end, budget] if tag == b"fresh" => entry.set_reserved(state, end, budget, armed),
            [tag, fields @ ..] if tag == b"found" => entry.set_found(fields),
            _ => Err(Damaged("an answer that is none")),
        };
        self.trust(&mut entry, read);
        Ok(entry)
    }

    /// `reserved → sending` for the present part. Whoever else was faster shows in `entry`.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn arm(&self, place: &Place, mine: &Assignment, entry: &mut Entry) -> Result<(), Abandoned> {
        step("arm");
        let attempt = entry.attempt + 1;
        let (answer, armed) = self
            .call_as(mine, &self.scripts.arm, self.replicas(true), |script| {
                script.key(&place.entry).arg(&place.fence).arg(entry.part).arg(attempt);
                script.arg(self.lease_ms());
            })
            .await?;
        self.moved_or(entry, &answer, |entry| {
            entry.attempt = attempt;
            entry.state = State::Armed(armed);
        });
        Ok(())
    }

    /// Replicas that a step needs.
    fn replicas(&self, arms: bool) -> u32 {
        if arms { self.terms.replicas } else { 0 }
    }

    async fn call(
        &self,
        mine: &Assignment,
        script: &redis::Script,
        arguments: impl Fn(&mut ScriptInvocation<'_>),
    ) -> Result<Vec<Vec<u8>>, Abandoned> {
        self.call_as(mine, script, 0, arguments).await.map(|(answer, _)| answer)
    }

    /// Runs a script until Redis answers, and so many replicas have what it wrote; the answer, and since when it is known: a process
    /// that slept over it counts from its question. What the script is given must make a repeat harmless.
    async fn call_as(
        &self,
        mine: &Assignment,
        script: &redis::Script,
        replicas: u32,
        arguments: impl Fn(&mut ScriptInvocation<'_>),
    ) -> Result<(Vec<Vec<u8>>, Instant), Abandoned> {
        let mut backoff = Backoff::new(Duration::from_millis(20), LONGEST_PAUSE);
        loop {
            let asked_at = Instant::now();
            let asked = async {
                if replicas == 0 {
                    return self.redis.script(script, |invocation| arguments(invocation)).await;
                }
                let within = REPLICATED_WITHIN;
                self.redis
                    .replicated_script(script, replicas, within, |invocation| arguments(invocation))
                    .await
            };
            let error: RedisError = match asked.await {
                Ok(answer) if asked_at.elapsed() < SLEPT => return Ok((answer, Instant::now())),
                Ok(answer) => return Ok((answer, asked_at)),
                Err(error) => error,
            };
            self.metrics.ledger_waits(&error);
            // It may have been applied: an entry that is left armed would be published as unknown by its next owner.
            mine.pause_while_held(backoff.pause()).await?;
        }
    }

    /// Applies what the script did, or takes over what it found instead.
    fn moved_or(&self, entry: &mut Entry, answer: &[Vec<u8>], apply: impl FnOnce(&mut Entry)) {
        let read = match answer {
            [tag] if tag == b"done" => {
                apply(entry);
                Ok(())
            }
            [_, fields @ ..] => self.found_later(entry, fields),
            [] => Err(Damaged("an answer that is none")),
        };
        self.trust(entry, read);
    }

    /// An entry that its handler knows: if it is gone, or behind what Redis has acknowledged, a message may have left that Redis knows
    /// nothing of.
    fn found_later(&self, entry: &mut Entry, fields: &[Vec<u8>]) -> Result<(), Damaged> {
        let known = entry.clone();
        let read = if fields.is_empty() { Err(LOST) } else { entry.set_found(fields) };
        let lost = fields.is_empty() || read.is_ok() && entry.is_behind(&known);
        if !lost {
            return read;
        }
        *entry = known;
        self.metrics.ledger_lost("under_way", 1);
        Err(LOST)
    }

    /// A damaged entry may stand for messages that were sent: they are never sent again, and nobody can say which were.
    fn trust(&self, entry: &mut Entry, read: Result<(), Damaged>) {
        let Err(damaged) = read else { return };
        let event_id = &entry.reply.event_id;
        tracing::error!(%damaged, event_id, "the ledger cannot be read: look at its Redis");
        let (reason, at_ms) = (damaged.to_string(), self.clock.now_ms());
        let open = entry.reply.parts.iter_mut().filter(|part| part.outcome() == Outcome::Unspecified);
        open.for_each(|part| part.set_outcome(Outcome::Unknown));
        entry.set_end(Some(End { outcome: Outcome::Unknown, reason, until_ms: 0, at_ms }));
    }

    fn lease_ms(&self) -> i64 {
        millis(self.terms.lease)
    }
}
