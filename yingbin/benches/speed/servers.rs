//! Kafka and Redis of the run: where they are, what they have used, what Redis has been asked.

use std::{collections::BTreeMap, env, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use runtime::{
    clock::Clock,
    kafka::{GroupProtocol, Kafka},
};

use crate::process::cpu_of;

/// The servers that the environment names.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// `host:port`.
    pub(crate) bootstrap: String,
    /// `redis://host:port`.
    pub(crate) redis: String,
    /// The broker, if it runs here.
    pub(crate) kafka_pid: Option<u32>,
    /// Redis, if it runs here.
    pub(crate) redis_pid: Option<u32>,
    prefix: String,
}

/// CPU time of both so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// Of the broker.
    pub(crate) kafka: Duration,
    /// Of Redis.
    pub(crate) redis: Duration,
}

impl Servers {
    /// Finds them.
    pub(crate) fn find() -> Result<Self> {
        let read =
            |name: &str| env::var(name).with_context(|| format!("{name} is not set: run `make bench`"));
        let (bootstrap, redis) = (read("KAFKA_BOOTSTRAP")?, read("REDIS_URL")?);
        Ok(Self {
            kafka_pid: port_of(&bootstrap).and_then(listening),
            redis_pid: port_of(&redis).and_then(listening),
            prefix: format!("bench{}-", Clock::system().now_ms()),
            bootstrap,
            redis,
        })
    }

    /// A namespace that nobody has used before.
    pub(crate) fn namespace(&self, part: &str) -> String {
        format!("{}{part}-", self.prefix)
    }

    /// Kafka under a namespace, with all topics of the house.
    pub(crate) async fn topics(&self, namespace: &str) -> Result<Kafka> {
        let kafka = self.kafka(namespace);
        yingbin::command::topics::create(&kafka, 1).await.context("the topics cannot be created")?;
        Ok(kafka)
    }

    /// Kafka under a namespace.
    pub(crate) fn kafka(&self, namespace: &str) -> Kafka {
        kafka(&self.bootstrap, namespace)
    }

    /// What both have used so far.
    pub(crate) fn used(&self) -> Used {
        let cpu = |pid: Option<u32>| pid.map(cpu_of).unwrap_or_default();
        Used { kafka: cpu(self.kafka_pid), redis: cpu(self.redis_pid) }
    }

    /// Calls of every command so far, those that scripts make among them.
    pub(crate) fn commands(&self) -> Result<BTreeMap<String, u64>> {
        let text: String = redis::cmd("INFO").arg("commandstats").query(&mut self.connection()?)?;
        let calls = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
        });
        Ok(calls.collect())
    }

    /// A connection that blocks.
    pub(crate) fn connection(&self) -> Result<redis::Connection> {
        Ok(redis::Client::open(self.redis.as_str())?.get_connection()?)
    }

    /// How Redis keeps what it is told.
    pub(crate) fn aof(&self) -> Result<String> {
        let of = |name: &str| -> Result<String> {
            let pair: Vec<String> =
                redis::cmd("CONFIG").arg("GET").arg(name).query(&mut self.connection()?)?;
            Ok(pair.get(1).cloned().unwrap_or_default())
        };
        Ok(format!("appendonly {}, appendfsync {}", of("appendonly")?, of("appendfsync")?))
    }
}

/// Kafka under a namespace, with the settings of every service.
pub(crate) fn kafka(bootstrap: &str, namespace: &str) -> Kafka {
    Kafka {
        bootstrap: bootstrap.to_owned(),
        namespace: namespace.to_owned(),
        group_protocol: GroupProtocol::Classic,
        properties: Vec::new(),
        consumer_properties: Vec::new(),
    }
}

fn port_of(address: &str) -> Option<u16> {
    address.split(',').next()?.trim_end_matches('/').rsplit(':').next()?.parse().ok()
}

/// The process that listens on a port of this machine.
fn listening(port: u16) -> Option<u32> {
    let socket = format!("socket:[{}]", inode(port)?);
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|link| link == Path::new(&socket))
    })
}

/// The inode of the socket that listens on a port (`proc(5)`: state `0A`, the tenth column).
fn inode(port: u16) -> Option<String> {
    let (ending, listen) = (format!(":{port:04X}"), "0A");
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let found = columns.get(1)?.ends_with(&ending) && *columns.get(3)? == listen;
        found.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    })
}
