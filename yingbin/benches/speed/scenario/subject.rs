//! Systems under test, each of some processes: the house's, and the bare chain of the same hops.

use std::{net::SocketAddr, path::Path, thread, time::Duration};

use anyhow::{Context as _, Result};
use proto::content::{Item, Topic, TopicKind};
use runtime::clock::Clock;
use tokio::runtime::Runtime;

use crate::{account, process::Process, roles::Settings, servers::Servers, sink::Sink};

/// Topics of the items, all in the playbook.
const TOPICS: [&str; 10] =
    ["taiwan", "xinjiang", "leaders", "football", "food", "health", "chess", "opera", "property", "schools"];
/// content-service tells its round trips twice a second.
const TOLD_WITHIN: Duration = Duration::from_millis(600);
/// Milliseconds over which the items were published.
const SIXTY_DAYS: i64 = 60 * 86_400_000;

/// Something that takes pushes.
#[derive(Debug)]
pub(super) struct Subject {
    /// What the tables call it.
    pub(super) name: &'static str,
    /// The door first: it ends first.
    pub(super) processes: Vec<Process>,
    /// Its namespace on Kafka and Redis.
    pub(super) namespace: String,
}

impl Subject {
    /// A single handler, on a core of its own.
    pub(super) fn handler(
        name: &'static str,
        role: &'static str,
        servers: &Servers,
        runtime: &Runtime,
    ) -> Result<Self> {
        let settings = settings(servers, role);
        runtime.block_on(servers.topics(&settings.namespace))?;
        let door = Process::start(role, &settings, Some(0))?;
        Ok(Self { name, processes: vec![door], namespace: settings.namespace })
    }

    /// The house: gateway, profile-service, content-service; `sends` in flight, 0: as many as usual.
    pub(super) fn house(
        part: &str,
        servers: &Servers,
        runtime: &Runtime,
        sink: &Sink,
        items: u64,
        sends: usize,
    ) -> Result<Self> {
        let mut settings = settings(servers, part);
        settings.playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/speed/playbook.yaml");
        (settings.api, settings.sends) = (Some(sink.address), sends);
        runtime.block_on(async {
            let kafka = servers.topics(&settings.namespace).await?;
            let items = catalogue(items, Clock::system().now_ms());
            yingbin::command::items::publish(&kafka, &items).await.context("the items were not taken")
        })?;
        let profile = Process::start("profile", &settings, None)?;
        settings.profiles = profile.addresses.door;
        let content = Process::start("content", &settings, None)?;
        let gateway = Process::start("gateway", &settings, None)?;
        Ok(Self {
            name: "the house",
            processes: vec![gateway, content, profile],
            namespace: settings.namespace,
        })
    }

    /// The bare chain.
    pub(super) fn chain(servers: &Servers, runtime: &Runtime, sink: &Sink) -> Result<Self> {
        let mut settings = settings(servers, "chain");
        settings.api = Some(sink.address);
        runtime.block_on(servers.topics(&settings.namespace))?;
        let profile = Process::start("chain-profile", &settings, None)?;
        settings.profiles = profile.addresses.door;
        let content = Process::start("chain-content", &settings, None)?;
        let door = Process::start("bare", &settings, None)?;
        Ok(Self {
            name: "the bare chain",
            processes: vec![door, content, profile],
            namespace: settings.namespace,
        })
    }

    /// Where its pushes go.
    pub(super) fn door(&self) -> Result<SocketAddr> {
        self.processes.first().and_then(|door| door.addresses.door).context("it has no door")
    }

    /// Round trips to Redis that its services have counted, once they have told all of them.
    pub(super) fn trips(&self) -> Result<f64> {
        thread::park_timeout(TOLD_WITHIN);
        let counting = self.processes.iter().filter(|process| process.addresses.admin.is_some());
        counting.map(|process| process.metric("trips")).sum()
    }
}

fn settings(servers: &Servers, part: &str) -> Settings {
    Settings {
        bootstrap: servers.bootstrap.clone(),
        redis: servers.redis.clone(),
        namespace: servers.namespace(part),
        ..Settings::default()
    }
}

/// Items of ten topics, three sections and three places, published over sixty days, every fiftieth pinned.
fn catalogue(items: u64, now_ms: i64) -> Vec<Item> {
    let of = |from: &[&str], n: u64| from[(n % from.len() as u64) as usize].to_owned();
    let item = |n: u64| Item {
        id: format!("item-{n}"),
        account: account::NAME.to_owned(),
        title: format!("第{n}条，一条不长不短的新闻"),
        section: of(&["news", "society", "food"], n),
        url: format!("https://bench.example/a/{n}"),
        topics: vec![Topic { name: of(&TOPICS, n * 7_919), kind: TopicKind::News.into() }],
        places: vec![of(&["杭州", "奎屯", "台北"], n / 3)],
        published_at_ms: now_ms - (n as i64 * 7_919_000) % SIXTY_DAYS,
        pin_micros: if n.is_multiple_of(50) { 300_000 } else { 0 },
        ..Item::default()
    };
    (0..items).map(item).collect()
}
