//! The settings of the services for a process that holds them all: the same structs that their files fill.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use runtime::config::Secret;
use wechat::{envelope::AesKey, push::Credentials};

use super::ports::Addresses;
use crate::{example::Example, infrastructure::Infrastructure};

/// Shared by the gateway and content-service of this process only.
pub(super) fn links_secret() -> Secret {
    Secret::new(hex::encode(rand::random::<[u8; 32]>()))
}

pub(super) fn gateway(
    examples: &[Example],
    infrastructure: &Infrastructure,
    link_secret: &Secret,
) -> Result<gateway::Config> {
    let accounts = examples.iter().map(|example| {
        let account = &example.account;
        let key = AesKey::parse(&account.aes_key).with_context(|| format!("aes_key of {}", account.name))?;
        Ok(gateway::Account {
            name: account.name.clone(),
            credentials: Credentials {
                app_id: account.app_id.clone(),
                token: account.token.as_str().into(),
                previous_token: None,
                aes_key: Some(key),
                previous_aes_key: None,
                mode: account.mode,
            },
            secrets: gateway::Secrets::default(),
            home_url: Some(
                account.home_url.parse().with_context(|| format!("home_url of {}", account.name))?,
            ),
        })
    });
    let nowhere = ([127, 0, 0, 1], 0).into();
    Ok(gateway::Config {
        listen: nowhere,
        admin: nowhere,
        accounts: accounts.collect::<Result<_>>()?,
        link_secret: link_secret.clone(),
        limits: gateway::Limits::default(),
        spool: Some(gateway::Spool::in_folder(infrastructure.scratch())),
        shutdown: gateway::Shutdown { announce: Duration::ZERO, drain: Duration::from_secs(5) },
        kafka: infrastructure.kafka.clone(),
    })
}

pub(super) fn profile(infrastructure: &Infrastructure) -> profile_service::Config {
    let nowhere = ([127, 0, 0, 1], 0).into();
    profile_service::Config {
        grpc: profile_service::config::Grpc::on(nowhere),
        admin_listen: nowhere,
        kafka: infrastructure.kafka.clone(),
        redis: infrastructure.redis.clone(),
        cache_bytes: 64 * 1024 * 1024,
    }
}

pub(super) fn content(
    examples: &[Example],
    infrastructure: &Infrastructure,
    addresses: &Addresses,
    link_secret: &Secret,
) -> content_service::Config {
    use content_service::config::{
        Account, Concurrency, Config, Delivery, Durability, Keeping, Links, Profile,
    };
    let accounts = examples.iter().map(|example| Account {
        name: example.account.name.clone(),
        app_id: example.account.app_id.clone(),
        secret: Secret::new(example.account.app_secret.clone()),
        kind: example.account.kind,
        rules: example.account.rules,
        api: addresses.simulator.clone(),
        playbook: example.playbook(),
    });
    Config {
        kafka: infrastructure.kafka.clone(),
        redis: infrastructure.redis.clone(),
        keeping: Keeping { durability: Durability::Assumed, ..Keeping::default() },
        profile: Profile {
            endpoint: addresses.profile.clone(),
            tls: runtime::tls::TlsFiles::default(),
            deadline: Duration::from_millis(150),
        },
        admin: ([127, 0, 0, 1], 0).into(),
        links: Links {
            base_url: addresses.gateway.clone(),
            secret: link_secret.clone(),
            lifetime: Duration::from_secs(7 * 86_400),
        },
        delivery: Delivery::default(),
        concurrency: Concurrency::default(),
        sources: BTreeMap::from([("weather".to_owned(), addresses.simulator.clone())]),
        accounts: accounts.collect(),
    }
}

pub(super) fn simulator(examples: &[Example], addresses: &Addresses) -> Result<simulator::Config> {
    let people = examples.iter().flat_map(|example| {
        example.people.iter().map(|person| simulator::config::Person {
            account: example.account.name.clone(),
            openid: person.openid.clone(),
            name: person.name.clone(),
            about: person.about.clone(),
        })
    });
    let mut weather = BTreeMap::new();
    for file in examples.iter().map(Example::weather).filter(|file| file.is_file()) {
        weather.extend(simulator::config::weather_of(&file).with_context(|| file.display().to_string())?);
    }
    Ok(simulator::Config {
        accounts: examples.iter().map(|example| example.account.simulated(&addresses.gateway)).collect(),
        people: people.collect(),
        weather,
        ..simulator::Config::default()
    })
}
