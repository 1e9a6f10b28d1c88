//! The way of records that may not be lost: tried until the broker has them, made smaller where the topic takes none so large,
//! held where it refuses whatever comes.
//!
//! Only its size belongs to a record itself, so only that is mended here. Every other refusal (no right to write, a name that is
//! none, a policy) belongs to the topic and to the people who keep it: the record is held, which holds its partition, until they
//! have put it right.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use rdkafka::message::{Header, Message as _, OwnedHeaders, OwnedMessage};
use tokio::time::Instant;

use super::{ProduceError, Producer};
use crate::{
    backoff::Backoff,
    health::{Health, Hold},
    telemetry::Seldom,
};

/// How often it is said that records wait.
const SAID: Duration = Duration::from_secs(60);
/// What a copy of a record leaves out, from the whole copy to one that fits everywhere.
const LEFT_OUT: [&str; 3] = ["", "value", "value, headers, key"];

/// A record as it is handed over.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// Record key.
    pub key: Cow<'a, [u8]>,
    /// Headers, in order.
    pub headers: OwnedHeaders,
    /// Value; `None` is a tombstone.
    pub payload: Option<Cow<'a, [u8]>>,
}

/// A producer that does not give up. Clones share what was said.
#[derive(Clone, Debug)]
pub struct Patient {
    producer: Producer,
    refused: Gauge,
    health: Option<Health>,
    said: Arc<Mutex<Said>>,
}

/// When it was last said that records wait, and that they are refused.
#[derive(Debug)]
struct Said {
    waiting: Seldom,
    refused: Seldom,
}

/// A record that the broker refuses, as long as it does.
struct Refused {
    count: Gauge,
    _hold: Option<Hold>,
}

impl Drop for Refused {
    fn drop(&mut self) {
        self.count.dec();
    }
}

impl Patient {
    /// `refused` counts the records that are held since the broker refuses them; while there are any, `health` is not ready.
    #[must_use]
    pub fn new(producer: Producer, refused: Gauge, health: Option<Health>) -> Self {
        let said = Said { waiting: Seldom::every(SAID), refused: Seldom::every(SAID) };
        Self { producer, refused, health, said: Arc::new(Mutex::new(said)) }
    }

    /// Writes a record and returns the form that the broker took. `form(step, attempt)` makes it: step 0 is the whole record, 1
    /// to `smaller` leave out more and more and are used where the one before is too large; attempts count from 1. `pause` waits
    /// before the next try. Dropping the future does not take the record back.
    ///
    /// # Errors
    /// What `pause` ends the trying with; the record may be in the topic all the same.
    pub async fn write<'a, E, Pausing: Future<Output = Result<(), E>>>(
        &self,
        topic: &str,
        smaller: usize,
        form: impl Fn(usize, u32) -> Outgoing<'a>,
        pause: impl Fn(Duration) -> Pausing,
    ) -> Result<usize, E> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let (mut step, mut refused) = (0, None);
        for attempt in 1.. {
            let Err(error) = self.once(topic, form(step, attempt)).await else { break };
            match error {
                ProduceError::TooLarge if step < smaller => {
                    step += 1;
                    tracing::warn!(
                        topic,
                        step,
                        "a record is too large for its topic: a shorter one is written"
                    );
                    continue;
                }
                ProduceError::TooLarge | ProduceError::Refused(_) => {
                    refused.get_or_insert_with(|| self.hold(topic));
                }
                ProduceError::QueueFull | ProduceError::NotTaken(_) | ProduceError::Ending => refused = None,
            }
            self.say(topic, &error, refused.is_some());
            pause(backoff.pause()).await?;
        }
        Ok(step)
    }

    /// Copies a record with `headers(left out, attempt)` added: untouched where it fits, else without its value, at last without
    /// its own headers and key too.
    ///
    /// # Errors
    /// As [`Patient::write`].
    pub async fn copy<E, Pausing: Future<Output = Result<(), E>>>(
        &self,
        topic: &str,
        record: &OwnedMessage,
        headers: impl Fn(&'static str, u32) -> Vec<(&'static str, String)>,
        pause: impl Fn(Duration) -> Pausing,
    ) -> Result<(), E> {
        let form = |step: usize, attempt| copy_of(record, step, headers(LEFT_OUT[step], attempt));
        self.write(topic, LEFT_OUT.len() - 1, form, pause).await.map(drop)
    }

    async fn once(&self, topic: &str, form: Outgoing<'_>) -> Result<(i32, i64), ProduceError> {
        self.producer.send_raw(topic, &form.key, form.headers, form.payload.as_deref())?.await
    }

    fn hold(&self, topic: &str) -> Refused {
        self.refused.inc();
        let hold = |health: &Health| health.hold(&format!("{topic}: kafka refuses what is written to it"));
        Refused { count: self.refused.clone(), _hold: self.health.as_ref().map(hold) }
    }

    /// Once a minute of each kind: while the cluster is away every lane would say it every two seconds.
    fn say(&self, topic: &str, error: &ProduceError, refused: bool) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = if refused { &mut said.refused } else { &mut said.waiting };
        if !kind.is_due(Instant::now()) {
            return;
        }
        if refused {
            tracing::error!(%error, topic, "kafka refuses what is written to this topic; the partitions concerned are held and nothing is lost: give this service the right to write there, or mend the topic's settings");
        } else {
            tracing::warn!(%error, topic, "kafka did not take a record: it is tried until it does");
        }
    }
}

fn copy_of<'a>(record: &'a OwnedMessage, step: usize, added: Vec<(&'static str, String)>) -> Outgoing<'a> {
    let own = record.headers().filter(|_| step < 2).cloned().unwrap_or_default();
    let headers = added.iter().fold(own, |all, (key, value)| all.insert(Header { key, value: Some(value) }));
    Outgoing {
        key: Cow::Borrowed(record.key().filter(|_| step < 2).unwrap_or_default()),
        headers,
        payload: record.payload().filter(|_| step == 0).map(Cow::Borrowed),
    }
}
