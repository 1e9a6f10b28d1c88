//! The way of an event out of the gateway: to Kafka, or into the spool when Kafka does not report it in time.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use proto::{CloudEvent, event::Event};
use runtime::{
    kafka::{Delivery, ProduceError, Producer},
    trace::TraceParent,
};
use tokio::time::{Instant, timeout_at};

use crate::{metrics::Metrics, report::Failure, spool::Spool};

/// An event ready to go.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) event: Event,
    /// W3C `traceparent`.
    pub(crate) trace: String,
    /// The event as it goes to Kafka.
    pub(crate) value: Vec<u8>,
}

impl Parcel {
    /// Under a trace of its own: strangers do not choose our ids.
    pub(crate) fn new(event: Event) -> Self {
        Self { trace: TraceParent::new_root().to_string(), value: event.encode_to_vec(), event }
    }
}

/// Where events go.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) producer: Producer,
    /// Full name of the topic of events.
    pub(crate) topic: String,
    /// How long Kafka may take.
    pub(crate) within: Duration,
    pub(crate) spool: Option<Arc<Spool>>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Outlet {
    /// Returns when the event is in Kafka or on the disk.
    ///
    /// Cancel safe in this sense: once the event is handed to the producer or the spool, a dropped request does not take it back.
    ///
    /// # Errors
    /// It is in neither, or not known to be.
    pub(crate) async fn deliver(&self, parcel: &Parcel) -> Result<(), Failure> {
        let started = Instant::now();
        let Some(spool) = &self.spool else { return self.report(parcel, started).await };
        let turn = spool.enter(parcel).await;
        if !spool.comes_first(&turn) {
            let before = spool.taken();
            match self.report(parcel, started).await {
                Ok(()) => {
                    spool.kafka_took_one();
                    return Ok(());
                }
                Err(too_large @ Failure::NotTaken(ProduceError::TooLarge)) => return Err(too_large),
                Err(Failure::NoReport | Failure::NotTaken(ProduceError::NotTaken(_))) => {
                    spool.kafka_took_none_since(before);
                }
                Err(_) => {}
            }
        }
        Ok(spool.keep(turn, parcel).await?)
    }

    /// Waits for the broker's report within the time that counts from `started`.
    async fn report(&self, parcel: &Parcel, started: Instant) -> Result<(), Failure> {
        let delivery = self.hand_over(parcel)?;
        fail::fail_point!("g7", |_| std::process::abort());
        timeout_at(started + self.within, delivery).await.map_err(|_| Failure::NoReport)??;
        self.metrics.produce_seconds.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Hands it to the producer; it is under way when this returns.
    ///
    /// # Errors
    /// Nothing was sent.
    pub(crate) fn hand_over(&self, parcel: &Parcel) -> Result<Delivery, ProduceError> {
        let attributes = CloudEvent::of_event(&parcel.event, &parcel.trace);
        self.producer.send(&self.topic, attributes.key.as_bytes(), &attributes.headers(), Some(&parcel.value))
    }
}
