//! A whole system in this process: started in order, ended in order.

mod past;

use std::time::Duration;

use anyhow::{Result, bail};
use proto::{LinkKey, content::Item};
use runtime::{
    clock::Clock,
    config::Secret,
    kafka::{Kafka, Producer},
    redis::RedisConfig,
};
use tokio::net::TcpListener;

use super::{
    Ports,
    ports::{Addresses, Bound},
    running::Running,
    services,
};
use crate::{
    backstage::{self, Backstage},
    command::items,
    example::Example,
    infrastructure::{Infrastructure, Outside, RedisEnded},
    play::Plays,
};

/// What to start.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Accounts, people, items.
    pub examples: Vec<Example>,
    /// Where to listen.
    pub ports: Ports,
    /// Servers that somebody else runs.
    pub outside: Outside,
}

/// Listeners of all but the gateway.
struct Rooms {
    simulator: TcpListener,
    profile: TcpListener,
    profile_admin: TcpListener,
    content_admin: TcpListener,
}

/// A running system.
#[derive(Debug)]
pub struct System {
    /// Where it is.
    pub addresses: Addresses,
    /// Its accounts and people.
    pub examples: Vec<Example>,
    /// What can be shown.
    pub items: Vec<Item>,
    /// Time for all of it.
    pub clock: Clock,
    /// How guests act on it.
    pub plays: Plays,
    infrastructure: Infrastructure,
    producer: Producer,
    services: Vec<Running>,
}

impl System {
    /// Binds the ports, starts Kafka and Redis, opens the door, publishes the examples' items, starts the services and waits until
    /// they are ready.
    ///
    /// # Errors
    /// Something could not be started; the error says what would help.
    pub async fn start(setup: Setup) -> Result<Self> {
        let Setup { examples, ports, outside } = setup;
        let bound = Bound::bind(ports).await?;
        let addresses = Addresses::of(&bound)?;
        let infrastructure = Infrastructure::start(outside).await?;
        let (clock, secret) = (Clock::system(), services::links_secret());
        let Bound { gateway, simulator, profile, admin: [gateway_admin, profile_admin, content_admin] } =
            bound;
        let settings = services::gateway(&examples, &infrastructure, &secret)?;
        // Before everything that takes longer: what is pushed meanwhile waits in Kafka.
        let door = Running::start("gateway", |shutdown| {
            let listeners = gateway::Listeners { public: gateway, admin: gateway_admin };
            gateway::serve(settings, listeners, clock.clone(), shutdown)
        });
        let rooms = Rooms { simulator, profile, profile_admin, content_admin };
        let mut system = match Self::furnish(examples, infrastructure, addresses, clock, &secret, rooms).await
        {
            Ok(system) => system,
            Err(error) => {
                door.stop().await?;
                return Err(error);
            }
        };
        system.services.insert(0, door);
        match system.ready().await {
            Ok(()) => Ok(system),
            Err(error) => {
                system.stop().await?;
                Err(error)
            }
        }
    }

    /// Everything behind the door.
    async fn furnish(
        examples: Vec<Example>,
        infrastructure: Infrastructure,
        addresses: Addresses,
        clock: Clock,
        secret: &Secret,
        rooms: Rooms,
    ) -> Result<Self> {
        let items = examples
            .iter()
            .map(|example| example.items(clock.now_ms()))
            .collect::<Result<Vec<_>>>()?
            .concat();
        let (_, _, (backstage, consumer)) = tokio::try_join!(
            infrastructure.begin_groups(),
            async { Ok(items::publish(&infrastructure.kafka, &items).await?) },
            Backstage::open(&infrastructure.kafka),
        )?;
        let producer = infrastructure.kafka.producer("yingbin")?;
        let plays = Plays {
            simulator: addresses.simulator.clone(),
            backstage: backstage.clone(),
            links: LinkKey::derive(secret.expose()),
            http: http()?,
        };
        let profile = services::profile(&infrastructure);
        let content = services::content(&examples, &infrastructure, &addresses, secret);
        let simulator = services::simulator(&examples, &addresses)?;
        let routes = backstage::routes::routes(backstage.clone(), &addresses.profile, &examples, &items)?;
        let at = || clock.clone();
        // In the order in which they end, the platform last.
        let services = vec![
            Running::start("content-service", |shutdown| {
                let listeners = content_service::Listeners { admin: rooms.content_admin };
                content_service::serve(content, listeners, at(), shutdown)
            }),
            Running::start("profile-service", |shutdown| {
                let listeners =
                    profile_service::Listeners { grpc: rooms.profile, admin: rooms.profile_admin };
                profile_service::serve(profile, listeners, at(), shutdown)
            }),
            Running::start("backstage", |shutdown| backstage.watch(consumer, shutdown)),
            Running::start("simulator", |shutdown| {
                simulator::serve(simulator, rooms.simulator, at(), routes, shutdown)
            }),
        ];
        Ok(Self { addresses, examples, items, clock, plays, infrastructure, producer, services })
    }

    /// Waits until every service is ready. What ends instead says why.
    async fn ready(&mut self) -> Result<()> {
        tokio::select! {
            ended = self.redis_ended() => Err(ended.into()),
            ready = self.services_ready() => ready,
        }
    }

    async fn services_ready(&mut self) -> Result<()> {
        let mut waiting = String::new();
        for _ in 0..1_000 {
            waiting = self.not_ready().await;
            if waiting.is_empty() {
                return Ok(());
            }
            if let Some(ended) = self.services.iter_mut().find(|service| service.has_ended()) {
                return Err(ended.failure().await);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("not ready after ten seconds: {waiting}")
    }

    async fn not_ready(&self) -> String {
        let mut waiting = String::new();
        for admin in &self.addresses.admin {
            let answer = async { self.plays.http.get(format!("{admin}/readyz")).send().await?.text().await };
            match answer.await {
                Ok(text) if text.trim() == "ready" => {}
                Ok(text) => waiting.push_str(&text),
                Err(error) => waiting.push_str(&error.without_url().to_string()),
            }
        }
        waiting
    }

    /// How to reach Kafka.
    #[must_use]
    pub fn kafka(&self) -> &Kafka {
        &self.infrastructure.kafka
    }

    /// How to reach Redis.
    #[must_use]
    pub fn redis(&self) -> &RedisConfig {
        &self.infrastructure.redis
    }

    /// What is gone when this ends.
    #[must_use]
    pub fn volatile(&self) -> Vec<&'static str> {
        self.infrastructure.volatile()
    }

    /// Waits until a service, or the Redis of this process, ends by itself, which none must.
    pub async fn failure(&mut self) -> anyhow::Error {
        let redis = self.redis_ended();
        let endings = self.services.iter_mut().map(|service| Box::pin(service.failure()));
        tokio::select! {
            ended = redis => ended.into(),
            (failure, ..) = futures::future::select_all(endings) => failure,
        }
    }

    /// Waits until the Redis of this process ends by itself.
    pub fn redis_ended(&self) -> impl Future<Output = RedisEnded> + Send + use<> {
        self.infrastructure.redis_ended()
    }

    /// Ends the services, the door first, then the infrastructure.
    ///
    /// # Errors
    /// A service did not end in order; the others are ended all the same.
    pub async fn stop(self) -> Result<()> {
        let Self { services, infrastructure, producer, plays, .. } = self;
        let mut ended = Ok(());
        for service in services {
            ended = ended.and(service.stop().await);
        }
        drop((producer, plays));
        infrastructure.stop().await;
        ended
    }
}

fn http() -> Result<reqwest::Client> {
    // A second call finds the provider installed, which is as good.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Ok(client.timeout(Duration::from_secs(20)).build()?)
}
