//! The reports on a producer's records, served by a thread that rests while nothing is under way.
//!
//! The producers of `rdkafka` that have a thread poll every 100 ms and spin for the last of them: a hundredth of a core each, busy or
//! not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Message as _,
    config::FromClientConfigAndContext as _,
    error::KafkaError,
    producer::{BaseProducer, DeliveryResult, Producer as _, ProducerContext},
};
use tokio::sync::oneshot;

use super::Quiet;

/// One look at the reports takes so long; an end is noticed after that.
const LOOK: Duration = Duration::from_millis(500);
/// So often a resting thread looks for errors of the client.
const REST: Duration = Duration::from_secs(1);

/// Where a record went: partition and offset.
pub(super) type Report = Result<(i32, i64), KafkaError>;

/// Passes each report to whoever waits for it.
pub(super) struct Reports(Quiet);

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<oneshot::Sender<Report>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let report = match result {
            Ok(record) => Ok((record.partition(), record.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever waited may have gone.
        drop(waiting.send(report));
    }
}

/// A client and the thread that serves its reports.
pub(super) struct Served {
    pub(super) client: Arc<BaseProducer<Reports>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(super) fn new(config: &ClientConfig) -> Result<Self, KafkaError> {
        let client = Arc::new(BaseProducer::from_config_and_context(config, Reports(Quiet::default()))?);
        let ended = Arc::new(AtomicBool::new(false));
        let (theirs, their_end) = (Arc::clone(&client), Arc::clone(&ended));
        let thread = thread::Builder::new()
            .name("kafka reports".to_owned())
            .spawn(move || serve(&theirs, &their_end))
            .map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        Ok(Self { client, ended, thread: Some(thread) })
    }

    /// A record is under way.
    pub(super) fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.wake();
        // Its panic would have been told already.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn serve(client: &BaseProducer<Reports>, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        if client.in_flight_count() > 0 {
            client.poll(LOOK);
        } else {
            thread::park_timeout(REST);
            client.poll(Duration::ZERO);
        }
    }
}
