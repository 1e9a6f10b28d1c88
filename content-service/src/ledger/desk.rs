//! Unknown ends that a person may look at, and what was decided on them: in Redis, so that a command decides and a content-service does it.
//!
//! `unknown:waiting` (score: until when it can be sent again), `unknown:lately` (score: when) and `unknown:decided` (hash).

use redis::{Pipeline, cmd};
use runtime::redis::{Redis, RedisError};
use serde::{Deserialize, Serialize};

use super::{End, entry_key, rights_key};
use crate::config::{LEDGER_TTL, millis};

/// So many of the latest unknown ends are kept for looking at.
const LATELY: i64 = 1_000;

/// A reply whose end nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unknown {
    /// The record key of its user.
    pub user: String,
    /// The event that it answers.
    pub event_id: String,
    /// Name of the account.
    pub account: String,
    /// AppId of the account.
    pub app_id: String,
    /// Name of the playbook's reply.
    pub reply: String,
    /// When the event happened, Unix milliseconds.
    pub occurred_at_ms: i64,
    /// When it ended, Unix milliseconds.
    pub ended_at_ms: i64,
}

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Send it again.
    Resend,
    /// Leave it.
    Drop,
}

/// A decision, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What.
    pub choice: Choice,
    /// When, Unix milliseconds.
    pub at_ms: i64,
}

/// One that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub unknown: Unknown,
    /// Until when it waits, Unix milliseconds.
    pub until_ms: i64,
    /// Messages that its user's right gives now, and until when (Unix milliseconds; 0: it gives none).
    pub right: (u32, i64),
    /// What was decided and is not done yet.
    pub decided: Option<Decided>,
}

/// Where unknown ends lie. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Desk {
    redis: Redis,
    waiting: String,
    lately: String,
    decided: String,
}

impl Desk {
    /// The desk beside the ledger in `redis`.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        let [waiting, lately, decided] =
            ["waiting", "lately", "decided"].map(|name| redis.key(&format!("unknown:{name}")));
        Self { redis, waiting, lately, decided }
    }

    /// Lays an unknown end on the desk; `until_ms`: it waits for a decision until then.
    ///
    /// # Errors
    /// [`RedisError`]; a repeat is harmless.
    pub async fn note(&self, unknown: &Unknown, until_ms: Option<i64>) -> Result<(), RedisError> {
        let (member, at_ms) = (written(unknown), unknown.ended_at_ms);
        let mut all = Pipeline::new();
        all.cmd("ZADD").arg(&self.lately).arg(at_ms).arg(&member).ignore();
        let forgotten_ms = at_ms - millis(LEDGER_TTL);
        all.cmd("ZREMRANGEBYSCORE").arg(&self.lately).arg("-inf").arg(forgotten_ms).ignore();
        all.cmd("PEXPIRE").arg(&self.lately).arg(millis(LEDGER_TTL)).ignore();
        all.cmd("ZREMRANGEBYRANK").arg(&self.lately).arg(0).arg(-1 - LATELY).ignore();
        if let Some(until_ms) = until_ms {
            all.cmd("ZADD").arg(&self.waiting).arg(until_ms).arg(&member).ignore();
        }
        self.redis.pipeline(&all).await
    }

    /// What waits, soonest first.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn waiting(&self) -> Result<Vec<Waiting>, RedisError> {
        let mut range = cmd("ZRANGE");
        range.arg(&self.waiting).arg(0).arg(-1).arg("WITHSCORES");
        let members: Vec<(String, f64)> = self.redis.query(&range).await?;
        let decided = self.decided().await?;
        let mut all = Vec::with_capacity(members.len());
        for (member, until_ms) in members {
            let Ok(unknown) = serde_json::from_str::<Unknown>(&member) else { continue };
            let right = self.right(&unknown).await?;
            let made = decided.iter().find(|(other, _)| *other == unknown).map(|(_, made)| *made);
            // Milliseconds are whole and far below what a double holds exactly.
            all.push(Waiting { unknown, until_ms: until_ms as i64, right, decided: made });
        }
        Ok(all)
    }

    /// The latest unknown ends, latest first, whatever their policy.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn lately(&self) -> Result<Vec<Unknown>, RedisError> {
        let mut range = cmd("ZRANGE");
        range.arg(&self.lately).arg(0).arg(-1).arg("REV");
        let members: Vec<String> = self.redis.query(&range).await?;
        Ok(members.iter().filter_map(|member| serde_json::from_str(member).ok()).collect())
    }

    /// Writes a decision down; false if there was one already.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn decide(&self, unknown: &Unknown, decided: Decided) -> Result<bool, RedisError> {
        let mut set = cmd("HSETNX");
        set.arg(&self.decided).arg(written(unknown)).arg(serde_json::json!(decided).to_string());
        self.redis.query(&set).await
    }

    /// Decisions that are not done yet.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn decided(&self) -> Result<Vec<(Unknown, Decided)>, RedisError> {
        let all: Vec<(String, String)> = self.redis.query(cmd("HGETALL").arg(&self.decided)).await?;
        let read = |(unknown, decided): &(String, String)| {
            Some((serde_json::from_str(unknown).ok()?, serde_json::from_str(decided).ok()?))
        };
        Ok(all.iter().filter_map(read).collect())
    }

    /// A decision is done; `waits`: it changed nothing, and another may be made.
    ///
    /// # Errors
    /// [`RedisError`]; a repeat is harmless.
    pub async fn done(&self, unknown: &Unknown, waits: bool) -> Result<(), RedisError> {
        let member = written(unknown);
        let mut all = Pipeline::new();
        if !waits {
            all.cmd("ZREM").arg(&self.waiting).arg(&member).ignore();
        }
        all.cmd("HDEL").arg(&self.decided).arg(&member).ignore();
        self.redis.pipeline(&all).await
    }

    /// What has waited until `now_ms` without a decision.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn due(&self, now_ms: i64) -> Result<Vec<Unknown>, RedisError> {
        let mut range = cmd("ZRANGEBYSCORE");
        range.arg(&self.waiting).arg("-inf").arg(now_ms).arg("LIMIT").arg(0).arg(100);
        let members: Vec<String> = self.redis.query(&range).await?;
        Ok(members.iter().filter_map(|member| serde_json::from_str(member).ok()).collect())
    }

    /// Lets one wait longer.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn wait_until(&self, unknown: &Unknown, until_ms: i64) -> Result<(), RedisError> {
        let mut add = cmd("ZADD");
        add.arg(&self.waiting).arg("XX").arg(until_ms).arg(written(unknown));
        self.redis.query::<i64>(&add).await.map(drop)
    }

    /// How many wait.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn count(&self) -> Result<i64, RedisError> {
        self.redis.query(cmd("ZCARD").arg(&self.waiting)).await
    }

    /// What the right of its user gives now: messages, and until when.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn right(&self, unknown: &Unknown) -> Result<(u32, i64), RedisError> {
        let mut get = cmd("HMGET");
        get.arg(rights_key(&self.redis, &unknown.user)).arg("left").arg("until");
        let (left, until_ms): (Option<u32>, Option<i64>) = self.redis.query(&get).await?;
        Ok((left.unwrap_or(0), until_ms.unwrap_or(0)))
    }

    /// How the entry of an event ended; `None`: it has no end (any more) that can be read.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn ended(&self, unknown: &Unknown) -> Result<Option<End>, RedisError> {
        let mut get = cmd("HGET");
        get.arg(entry_key(&self.redis, &unknown.user, &unknown.event_id)).arg("e");
        let end: Option<Vec<u8>> = self.redis.query(&get).await?;
        Ok(end.and_then(|end| End::read(&end).ok()?))
    }
}

fn written(unknown: &Unknown) -> String {
    serde_json::json!(unknown).to_string()
}
