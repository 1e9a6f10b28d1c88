//! The door: every push of WeChat becomes one durable event, and every tap on a link of ours another.
//!
//! `GET|POST /wechat/{account}` is the platform's side (`facts.md` §1, §3), `GET /c/{token}` the readers'. A push is
//! answered `success` when the broker has reported its event, or the disk has it (`spool`), and not before.

mod accounts;
mod address;
mod body;
mod config;
pub mod event;
mod forgeries;
mod impatient;
mod items;
mod links;
mod listener;
mod metrics;
mod pages;
mod parcel;
mod places;
mod push;
mod report;
mod rotation;
mod service;
mod spool;
mod topic;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use proto::LinkKey;
use runtime::{
    clock::Clock,
    health::{self, Health, Hold},
    kafka::{self, Kafka, Producer},
    process,
    service::Tasks,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wechat::Mode;

pub use address::{Address, AddressError};
pub use config::{Account, Config, Limits, Secrets, Shutdown, Spool};

use accounts::Accounts;
use forgeries::Forgeries;
use items::Items;
use listener::Bounds;
use metrics::Metrics;
use parcel::Outlet;
use service::Gateway;

/// A push needs no item: a table that cannot be read keeps the gateway from being ready no longer than this.
const ITEMS_PATIENCE: Duration = Duration::from_secs(3);

/// The sockets of the gateway, bound before it starts.
#[derive(Debug)]
pub struct Listeners {
    /// Pushes and links.
    pub public: TcpListener,
    /// Probes and metrics.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds both.
    ///
    /// # Errors
    /// An address is taken; the error names it and the setting that moves it.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            public: process::bind(config.listen, "gateway.listen").await?,
            admin: process::bind(config.admin, "admin.listen").await?,
        })
    }
}

/// Runs the gateway until `shutdown`, then ends in order: readiness off, still accepting for a while, the door closed,
/// requests and records in flight finished or in the spool, probes and metrics last.
///
/// # Errors
/// A setting that librdkafka refuses, a folder that cannot hold the spool, a listener or a disk that fails, or something that did not end
/// in time.
pub async fn serve(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    warn_of_plain_mode(&config.accounts);
    let (health, mut registry) = (Health::new(), Registry::default());
    let metrics = Arc::new(Metrics::register(&mut registry));
    let producer = producer(&config)?;
    watch(&producer, &health);
    let items = Arc::new(Items::new(metrics.items.clone()));
    let Config { limits, shutdown: end, kafka, .. } = config;
    let (spool, disk) = spool::open(config.spool, &clock, &metrics).await?.unzip();
    let topic = kafka.topic(proto::EVENTS.name);
    // With a spool nobody waits for Kafka.
    let reached = spool.is_none().then(|| health.hold("kafka"));
    let outlet = Arc::new(Outlet {
        producer: producer.clone(),
        topic: topic.clone(),
        within: limits.produce_timeout,
        spool,
        metrics: Arc::clone(&metrics),
    });
    let taps = TaskTracker::new();
    let gateway = Arc::new(Gateway {
        accounts: Accounts::new(config.accounts, &metrics),
        outlet: Arc::clone(&outlet),
        places: Arc::new(Semaphore::new(limits.in_flight)),
        forgeries: Forgeries::new(
            limits.connections,
            metrics.held_back.clone(),
            metrics.refusals_closed.clone(),
        ),
        taps: taps.clone(),
        clock,
        replay_tolerance: limits.replay_tolerance,
        link_key: LinkKey::derive(config.link_secret.expose()),
        items: Arc::clone(&items),
        metrics: Arc::clone(&metrics),
    });
    let mut tasks = Tasks::new(&shutdown);
    // Cancelled when the last request has its answer, and when whatever has to outlive that may end.
    let (answered, ended) = (CancellationToken::new(), CancellationToken::new());
    tasks.spawn("kafka probe", topic::reach(producer.clone(), kafka.clone(), topic, reached, ended.clone()));
    tasks.spawn("items", follow_items(kafka, items, health.hold("items"), ended.clone()));
    if let Some((spool, disk)) = outlet.spool.clone().zip(disk) {
        tasks.spawn("spool", spool::run(spool, outlet, disk, tasks.token(), answered.clone()));
    }
    tasks.spawn(
        "admin port",
        health::admin(listeners.admin, health.clone(), Arc::new(registry), ended.clone()),
    );
    tasks.spawn("rotation", rotation::follow(Arc::clone(&gateway), tasks.token()));
    let bounds = Bounds { connections: limits.connections, announce: end.announce, drain: end.drain };
    let door = tasks.token();
    tasks.spawn("public port", async move {
        let answer = move |request, peer| Arc::clone(&gateway).answer(request, peer);
        listener::run(listeners.public, bounds, metrics, answer, door, || health.closing()).await;
        taps.close();
        taps.wait().await;
        answered.cancel();
        let flushed = flush(producer, limits.produce_timeout).await;
        ended.cancel();
        flushed
    });
    tasks.run(end.announce + end.drain + limits.produce_timeout + Duration::from_secs(2)).await
}

/// In plain mode the signature covers neither body nor sender (`facts.md` §1.3).
fn warn_of_plain_mode(accounts: &[Account]) {
    for account in accounts.iter().filter(|account| account.credentials.mode == Mode::Plain) {
        tracing::warn!(
            account = account.name,
            "plain mode: whoever sees one push can forge others; set the account to safe mode at the platform"
        );
    }
}

fn producer(config: &Config) -> anyhow::Result<Producer> {
    let mut kafka = config.kafka.clone();
    let within = config.limits.produce_timeout.as_millis().to_string();
    kafka.properties.push(("message.timeout.ms".to_owned(), within));
    kafka.producer("gateway").context("librdkafka refused the settings under kafka.properties")
}

fn watch(producer: &Producer, health: &Health) {
    let producer = producer.clone();
    health.check("producer", move || producer.fatal().map_or(Ok(()), Err));
}

async fn follow_items(
    kafka: Kafka,
    items: Arc<Items>,
    ready: Hold,
    ended: CancellationToken,
) -> anyhow::Result<()> {
    let (topic, table) = (kafka.topic(proto::ITEMS.name), Health::new());
    let following = kafka::follow(&kafka, &topic, |record| items.take(record), table.hold("items"), ended);
    let waiting = async {
        if tokio::time::timeout(ITEMS_PATIENCE, table.released("items")).await.is_err() {
            tracing::warn!(
                topic,
                "ready before the items are read: until then their links lead to the home page"
            );
        }
        ready.release();
    };
    let (followed, ()) = tokio::join!(following, waiting);
    Ok(followed?)
}

async fn flush(producer: Producer, within: Duration) -> anyhow::Result<()> {
    let flushed = tokio::task::spawn_blocking(move || producer.flush(within)).await?;
    if let Err(error) = flushed {
        tracing::warn!(%error, "ended with records that kafka had not taken; their pushes were not answered success, or they wait in the spool");
    }
    Ok(())
}
