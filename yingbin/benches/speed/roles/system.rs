//! The services themselves, each as `serve` runs them.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use runtime::{clock::Clock, config::Secret, kafka::Kafka, redis::RedisConfig};
use tokio_util::sync::CancellationToken;
use wechat::{AccountKind, RuleSet};

use super::{Settings, announce, any_port};
use crate::{account, servers};

pub(super) async fn gateway(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let listeners = gateway::Listeners { public: any_port().await?, admin: any_port().await? };
    let nowhere = ([127, 0, 0, 1], 0).into();
    let spool = tempfile::tempdir()?;
    let config = gateway::Config {
        listen: nowhere,
        admin: nowhere,
        accounts: vec![gateway::Account {
            name: account::NAME.to_owned(),
            credentials: account::credentials()?,
            secrets: gateway::Secrets::default(),
            home_url: None,
        }],
        link_secret: Secret::new(account::LINK_SECRET),
        // The pushes are sealed before the clock runs, and the run takes minutes.
        limits: gateway::Limits { replay_tolerance: Duration::from_secs(3600), ..gateway::Limits::default() },
        spool: Some(gateway::Spool::in_folder(spool.path())),
        shutdown: gateway::Shutdown { announce: Duration::ZERO, drain: Duration::from_secs(2) },
        kafka: kafka(&settings),
    };
    announce(Some(&listeners.public), Some(&listeners.admin))?;
    gateway::serve(config, listeners, Clock::system(), shutdown).await
}

pub(super) async fn profile(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let listeners = profile_service::Listeners { grpc: any_port().await?, admin: any_port().await? };
    let nowhere = ([127, 0, 0, 1], 0).into();
    let config = profile_service::Config {
        grpc: profile_service::config::Grpc::on(nowhere),
        admin_listen: nowhere,
        kafka: kafka(&settings),
        redis: redis(&settings),
        cache_bytes: 64 * 1024 * 1024,
    };
    announce(Some(&listeners.grpc), Some(&listeners.admin))?;
    profile_service::serve(config, listeners, Clock::system(), shutdown).await
}

pub(super) async fn content(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    use content_service::config::{
        Account, Concurrency, Config, Delivery, Durability, Keeping, Links, Profile,
    };
    let listeners = content_service::Listeners { admin: any_port().await? };
    let usual = Concurrency::default();
    let concurrency = match settings.sends {
        0 => usual,
        sends => Concurrency { events: (2 * sends).max(usual.events), sends, ..usual },
    };
    let config = Config {
        kafka: kafka(&settings),
        redis: redis(&settings),
        keeping: Keeping { durability: Durability::Assumed, ..Keeping::default() },
        profile: Profile {
            tls: runtime::tls::TlsFiles::default(),
            endpoint: format!("http://{}", settings.profiles.context("it needs profiles")?),
            deadline: Duration::from_millis(150),
        },
        admin: ([127, 0, 0, 1], 0).into(),
        links: Links {
            base_url: "http://127.0.0.1:8080".to_owned(),
            secret: Secret::new(account::LINK_SECRET),
            lifetime: Duration::from_secs(7 * 86_400),
        },
        delivery: Delivery::default(),
        concurrency,
        sources: BTreeMap::new(),
        accounts: vec![Account {
            name: account::NAME.to_owned(),
            app_id: account::APP_ID.to_owned(),
            secret: Secret::new("bench-secret"),
            kind: AccountKind::Official,
            rules: RuleSet::Today,
            api: format!("http://{}", settings.api.context("it needs an api")?),
            playbook: settings.playbook.clone(),
        }],
    };
    announce(None, Some(&listeners.admin))?;
    content_service::serve(config, listeners, Clock::system(), shutdown).await
}

fn kafka(settings: &Settings) -> Kafka {
    servers::kafka(&settings.bootstrap, &settings.namespace)
}

fn redis(settings: &Settings) -> RedisConfig {
    RedisConfig::new(settings.redis.clone(), Duration::from_millis(100))
}
