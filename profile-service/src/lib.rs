//! Knows and learns who the user is; sole owner of the profile keys in Redis.
//!
//! `learn` is pure and decides everything; `store` keeps it in Redis; `people` joins the two. gRPC and the topic
//! `customer.activity.v1` are the two doors.

mod activities;
pub mod config;
mod grpc;
pub mod learn;
mod metrics;
pub mod people;
pub mod store;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use runtime::{
    clock::Clock,
    health::{self, Health},
    process,
    redis::Redis,
    service::Tasks,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

pub use activities::GROUP;
pub use config::Config;
use metrics::Metrics;
use people::People;
use store::Store;

/// After the shutdown the tasks get so long.
const DRAIN: Duration = Duration::from_secs(10);

/// The ports of the service, bound by its owner.
#[derive(Debug)]
pub struct Listeners {
    /// gRPC.
    pub grpc: TcpListener,
    /// Probes and metrics.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds the addresses of the configuration.
    ///
    /// # Errors
    /// An address is taken or is not this machine's; the error names the setting.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            grpc: process::bind(config.grpc.listen, "grpc.listen").await?,
            admin: process::bind(config.admin_listen, "admin.listen").await?,
        })
    }
}

/// Runs the service until `shutdown`, then lets it end in order. Neither Redis nor Kafka has to be there at the start.
///
/// # Errors
/// The settings cannot be used, or a part of the service failed; the error names it.
pub async fn serve(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let redis = Redis::new(&config.redis, &config.kafka.namespace).context("redis.url")?;
    let people = Arc::new(People::new(Store::new(redis, config.redis.deadline, config.cache_bytes), clock));
    let (health, mut registry) = (Health::new(), Registry::default());
    let metrics = Metrics::register(&mut registry, Arc::clone(&people));
    let producer = config.kafka.producer("profile-service").context("activities producer")?;
    let fenced = producer.clone();
    health.check("producer", move || fenced.fatal().map_or(Ok(()), Err));

    let mut tasks = Tasks::new(&shutdown);
    let (token, reporter) = (tasks.token(), HealthReporter::new());
    let door = grpc::Door::new(Arc::clone(&people), metrics.clone(), token.clone());
    let ready = health.hold("redis");
    let watch =
        grpc::watch_store(Arc::clone(&people), reporter.clone(), metrics.clone(), ready, token.clone());
    let closing = health.clone();
    tasks.spawn("redis watch", async move {
        watch.await;
        closing.closing();
        Ok(())
    });
    // Probes and metrics outlive the last call.
    let ended = CancellationToken::new();
    tasks.spawn("admin port", health::admin(listeners.admin, health, Arc::new(registry), ended.clone()));
    let serving = grpc::serve(listeners.grpc, config.grpc, door, reporter, token.clone());
    tasks.spawn("grpc", async move {
        let served = serving.await;
        ended.cancel();
        served
    });
    tasks.spawn("activities", activities::consume(config.kafka, producer, people, metrics, token));
    tasks.run(DRAIN).await
}
