//! The service: what it is made of, in which order it starts and ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use futures::{FutureExt as _, future::BoxFuture};
use prometheus_client::registry::Registry;
use prost::Message as _;
use proto::{LinkKey, content::Item};
use runtime::{
    clock::Clock,
    health::{Health, admin},
    kafka::{Kafka, Patient, TableRecord, follow},
    process,
    redis::Redis,
    service::Tasks,
};
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::Accounts,
    catalogue::Catalogue,
    config::Config,
    consume::consume,
    decide::Links,
    deliver::Deliverer,
    erasures::Erasures,
    gather::Gatherer,
    handle::Rooms,
    intake::Intake,
    ledger::{Closer, Ledger, Terms},
    metrics::Metrics,
    profiles::Profiles,
    publish::Publisher,
};

/// Name of the hold that keeps events waiting for the catalogue.
const CATALOGUE: &str = "catalogue";
/// The consuming loop has to show a sign of life within this time.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// What the service listens on.
#[derive(Debug)]
pub struct Listeners {
    /// `/livez`, `/readyz`, `/metrics`.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// A port that is taken, with the setting that moves it.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { admin: process::bind(config.admin, "admin.listen").await? })
    }
}

/// Runs content-service until `shutdown`, then drains and ends.
///
/// # Errors
/// The configuration cannot be used, or a part of the service failed; it is named.
pub async fn serve(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if let Some((key, wrong)) = config.contradictions().first() {
        bail!("{key}: {wrong}");
    }
    let (metrics, mut registry, health) = (Metrics::default(), Registry::default(), Health::new());
    metrics.register(&mut registry);
    let mut tasks = Tasks::new(&shutdown);
    // Probes are answered and entries closed until the last event has ended.
    let last = CancellationToken::new();

    let producer = config.kafka.producer("content-service").context("the producer cannot be made")?;
    let patient = Patient::new(producer.clone(), metrics.publish_refused(), Some(health.clone()));
    let (rooms, [looking_up, closing]) = rooms(&config, patient, clock, &metrics, &tasks.token(), &last)?;
    let rooms = Arc::new(rooms);

    let hold = health.hold(CATALOGUE);
    let (kafka, shutdown, catalogue) = (config.kafka.clone(), tasks.token(), Arc::clone(&rooms.catalogue));
    tasks.spawn(CATALOGUE, async move {
        let take = |record: TableRecord<'_>| apply(&catalogue, &metrics, record);
        Ok(follow(&kafka, &kafka.topic(proto::ITEMS.name), take, hold, shutdown).await?)
    });
    let watching = Arc::clone(&rooms.accounts).watch(tasks.token());
    tasks.spawn("playbooks", watching.map(Ok));
    tasks.spawn("profile addresses", looking_up.map(Ok));
    tasks.spawn("closer", closing.map(Ok));
    tasks.spawn("erasures", rooms.erasures.clone().sweep(tasks.token()).map(Ok));
    health.check("producer", move || producer.fatal().map_or(Ok(()), Err));
    tasks.spawn("admin", admin(listeners.admin, health.clone(), Arc::new(registry), last.clone()));
    let (shutdown, last) = (tasks.token(), last.drop_guard());
    let drain = config.delivery.drain + Duration::from_secs(5);
    tasks.spawn("events", async move {
        let _last = last;
        let ended = events(&config, rooms, &health, shutdown).await;
        health.closing();
        ended
    });
    tasks.run(drain).await
}

/// The rooms, and the two tasks that work for them: addresses of profile-service, and the ledger's closer.
fn rooms(
    config: &Config,
    patient: Patient,
    clock: Clock,
    metrics: &Metrics,
    shutdown: &CancellationToken,
    last: &CancellationToken,
) -> anyhow::Result<(Rooms, [BoxFuture<'static, ()>; 2])> {
    let redis = Redis::new(&config.redis, &config.kafka.namespace).context("redis.url")?;
    let (profiles, looking_up) =
        Profiles::new(&config.profile.endpoint, config.profile.deadline, shutdown.clone())?;
    let (closer, closing) = Closer::new(redis.clone(), metrics.clone(), last.clone());
    let terms = Terms { ttl: config.delivery.ledger_ttl, lease: config.delivery.lease() };
    let erasures = Erasures::new(redis.clone(), profiles.clone(), metrics.clone());
    let ledger = Ledger::new(redis, terms, clock.clone(), metrics.clone());
    let rooms = Rooms {
        accounts: Arc::new(Accounts::open(config, metrics)?),
        profiles,
        erasures,
        gatherer: Gatherer::new(config.sources.clone(), clock.clone(), metrics.clone())?,
        catalogue: Arc::new(Catalogue::new()),
        links: links(config),
        deliverer: Deliverer::new(ledger.clone(), config.delivery.clone(), clock.clone(), metrics.clone()),
        ledger,
        publisher: Publisher::new(&config.kafka, patient, metrics.clone()),
        closer,
        terms: config.delivery.clone(),
        owner: format!("{:016x}", rand::random::<u64>()),
        clock,
        metrics: metrics.clone(),
    };
    Ok((rooms, [looking_up.boxed(), closing.boxed()]))
}

/// Takes events as soon as the catalogue is there, until the shutdown.
async fn events(
    config: &Config,
    rooms: Arc<Rooms>,
    health: &Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if shutdown.run_until_cancelled(health.released(CATALOGUE)).await.is_none() {
        return Ok(());
    }
    // One more for the events of accounts that are not configured.
    let intake = Intake::new(config.accounts.len() + 1, config.event_places(), config.concurrency.buffer);
    let kafka: &Kafka = &config.kafka;
    let alive = watch_loop(health);
    consume(kafka, &kafka.topic(proto::EVENTS.name), intake, rooms, alive, shutdown).await
}

/// Liveness from now on: the consuming loop turns. Returns what the loop has to call.
fn watch_loop(health: &Health) -> impl Fn() + Send + use<> {
    let started = Instant::now();
    let seen_ms = Arc::new(AtomicU64::new(0));
    let millis = move || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let seen = Arc::clone(&seen_ms);
    health.check("consumer", move || {
        let silent = Duration::from_millis(millis().saturating_sub(seen.load(Ordering::Relaxed)));
        if silent < SIGN_OF_LIFE { Ok(()) } else { Err(format!("the loop stands still for {silent:?}")) }
    });
    move || seen_ms.store(millis(), Ordering::Relaxed)
}

fn links(config: &Config) -> Links {
    Links {
        key: LinkKey::derive(config.links.secret.expose()),
        base_url: format!("{}/c/", config.links.base_url.trim_end_matches('/')),
        lifetime_s: i64::try_from(config.links.lifetime.as_secs()).unwrap_or(i64::MAX),
    }
}

fn apply(catalogue: &Catalogue, metrics: &Metrics, record: TableRecord<'_>) {
    let item = record.value.map(Item::decode).transpose();
    match (std::str::from_utf8(record.key), item) {
        (Ok(key), Ok(item)) => catalogue.apply(key, item, record.offset),
        _ => {
            metrics.item_refused();
            tracing::warn!(
                offset = record.offset,
                "a catalogue record cannot be read: publish the item again"
            );
        }
    }
}
