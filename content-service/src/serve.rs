//! The service: what it is made of, in which order it starts and ends.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use prometheus_client::registry::Registry;
use prost::Message as _;
use proto::{LinkKey, content::Item};
use runtime::{
    clock::Clock,
    health::{Health, admin},
    kafka::{Kafka, LEAVE, Patient, TableRecord, follow},
    process,
    redis::Redis,
    service::Tasks,
};
use tokio::{net::TcpListener, runtime::Handle, sync::Notify};
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::Accounts,
    catalogue::Catalogue,
    config::{Config, LEDGER_TTL},
    consume::consume,
    decide::Links,
    deliver::Deliverer,
    erasures::Erasures,
    gather::Gatherer,
    handle::{Rooms, tend},
    intake::Intake,
    ledger::{Closer, Ledger, Terms, desk::Desk, guard::guard},
    metrics::Metrics,
    profiles::Profiles,
    publish::Publisher,
    watchdog::{Bounds, Signs, Watchdog},
};

/// Name of the hold that keeps events waiting for the catalogue.
const CATALOGUE: &str = "catalogue";
/// Name of the hold that keeps events waiting until the ledger's Redis was looked at.
const LEDGER: &str = "ledger";
/// The consuming loop has to turn within this time; a rebalance that drains and commits takes a few seconds.
const TURN: Duration = Duration::from_secs(25);
/// For what follows the drain and the farewell to the group.
const CLOSE: Duration = Duration::from_secs(2);
/// Whoever takes so much longer than a send or a drain may take is blocked.
const LAST_STEPS: Duration = Duration::from_secs(5);

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
    let redis = Redis::new(&config.redis, &config.kafka.namespace).context("redis.url")?;
    let (rooms, [looking_up, closing]) =
        rooms(&config, patient, &redis, clock, &metrics, &tasks.token(), &last)?;
    let rooms = Arc::new(rooms);

    let hold = health.hold(CATALOGUE);
    let (kafka, shutdown, catalogue) = (config.kafka.clone(), tasks.token(), Arc::clone(&rooms.catalogue));
    tasks.spawn(CATALOGUE, async move {
        let take = |record: TableRecord<'_>| apply(&catalogue, &metrics, record);
        Ok(follow(&kafka, &kafka.topic(proto::ITEMS.name), take, hold, shutdown).await?)
    });
    let (durability, hold) = (config.keeping.durability, health.hold(LEDGER));
    tasks.spawn("ledger watch", guard(redis, durability, rooms.metrics.clone(), hold, tasks.token()));
    tasks.spawn("desk", tend(Arc::clone(&rooms), tasks.token()).map(Ok));
    let watching = Arc::clone(&rooms.accounts).watch(tasks.token());
    tasks.spawn("playbooks", watching.map(Ok));
    tasks.spawn("profile addresses", looking_up.map(Ok));
    tasks.spawn("closer", closing.map(Ok));
    let stopping = watch_accounts(Arc::clone(&rooms), config.delivery.check_right, tasks.token());
    tasks.spawn("stops", stopping.map(Ok));
    tasks.spawn("erasures", rooms.erasures.clone().sweep(tasks.token()).map(Ok));
    health.check("producer", move || producer.fatal().map_or(Ok(()), Err));
    tasks.spawn("admin", admin(listeners.admin, health.clone(), Arc::new(registry), last.clone()));
    let (shutdown, last) = (tasks.token(), last.drop_guard());
    let drain = config.delivery.drain + LEAVE + CLOSE;
    // It watches to the end, also over a drain that does not end.
    let signs = Signs::default();
    let watchdog = Watchdog::start(signs.clone(), bounds(&config), &Handle::current(), &rooms.metrics);
    let watchdog = watchdog.context("the watchdog cannot be started")?;
    health.check("watchdog", watchdog.check());
    let (found, ending) = (watchdog.found(), tasks.token());
    tasks.spawn("watchdog", async move {
        ending.run_until_cancelled(found).await.map_or(Ok(()), |blocked| Err(anyhow!(blocked)))
    });
    tasks.spawn("events", async move {
        let _last = last;
        let ended = events(&config, rooms, signs, &health, shutdown).await;
        health.closing();
        ended
    });
    tasks.run(drain).await
}

/// The rooms, and the tasks that work for them: addresses of profile-service, and the ledger's closer.
fn rooms(
    config: &Config,
    patient: Patient,
    redis: &Redis,
    clock: Clock,
    metrics: &Metrics,
    shutdown: &CancellationToken,
    last: &CancellationToken,
) -> anyhow::Result<(Rooms, [BoxFuture<'static, ()>; 2])> {
    let (profiles, looking_up) = Profiles::new(&config.profile, shutdown.clone())?;
    let (closer, closing) = Closer::new(redis.clone(), metrics.clone(), last.clone());
    let lease = config.delivery.lease();
    let terms = Terms { ttl: LEDGER_TTL, lease, replicas: config.keeping.replicas };
    let desk = Desk::new(redis.clone());
    let erasures = Erasures::new(redis.clone(), profiles.clone(), metrics.clone());
    let accounts = Arc::new(Accounts::open(config, redis, &clock, metrics)?);
    let ledger = Ledger::new(redis.clone(), terms, clock.clone(), metrics.clone());
    let rooms = Rooms {
        accounts,
        profiles,
        erasures,
        gatherer: Gatherer::new(config.sources.clone(), clock.clone(), metrics.clone())?,
        catalogue: Arc::new(Catalogue::new()),
        links: links(config),
        deliverer: Deliverer::new(ledger.clone(), config.delivery.clone(), clock.clone(), metrics.clone()),
        ledger,
        desk,
        publisher: Publisher::new(&config.kafka, patient, metrics.clone()),
        closer,
        terms: config.delivery.clone(),
        owner: format!("{:016x}", rand::random::<u64>()),
        clock,
        metrics: metrics.clone(),
    };
    Ok((rooms, [looking_up.boxed(), closing.boxed()]))
}

/// Keeps the stops of all replicas alike, and asks at the start which accounts may send at all, as long as it takes; no event waits
/// for that.
async fn watch_accounts(rooms: Arc<Rooms>, check: bool, shutdown: CancellationToken) {
    let (accounts, known) = (&rooms.accounts, Notify::new());
    let checks = async {
        if check {
            // An account that others have found stopped is not asked.
            known.notified().await;
            join_all(accounts.iter().map(|(_, account)| rooms.deliverer.check_right(account))).await;
        }
    };
    let sharing = accounts.stops().share(accounts, &rooms.metrics, &rooms.clock, &known, &shutdown);
    tokio::join!(sharing, shutdown.run_until_cancelled(checks));
}

/// Takes events as soon as the catalogue is there, until the shutdown.
async fn events(
    config: &Config,
    rooms: Arc<Rooms>,
    signs: Signs,
    health: &Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let ready = async { tokio::join!(health.released(CATALOGUE), health.released(LEDGER)) };
    if shutdown.run_until_cancelled(ready).await.is_none() {
        return Ok(());
    }
    let intake = Intake::new(config.accounts.len(), config.event_places(), config.concurrency.buffer);
    let kafka: &Kafka = &config.kafka;
    consume(kafka, &kafka.topic(proto::EVENTS.name), intake, rooms, signs, shutdown).await
}

/// An event under way is silent for a whole send at most; everything else that lasts is a wait that is meant.
fn bounds(config: &Config) -> Bounds {
    let still = config.delivery.lease() + LAST_STEPS;
    Bounds { still, turn: TURN, grace: config.delivery.drain + 2 * LAST_STEPS }
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
