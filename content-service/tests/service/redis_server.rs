//! A real Redis as a child process, append-only file on, which can be killed and started again.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use runtime::redis::{Redis, RedisConfig};
use tempfile::TempDir;

use crate::world::until;

pub(crate) struct RedisServer {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { child: None, folder: tempfile::tempdir().unwrap(), port };
        server.restart().await;
        server
    }

    pub(crate) async fn restart(&mut self) {
        self.begin(&[]).await;
    }

    /// Puts a node of a cluster in its place, one that serves no key.
    pub(crate) async fn becomes_a_cluster(&mut self) {
        self.begin(&["--cluster-enabled", "yes", "--appendonly", "no", "--cluster-port", "0"]).await;
    }

    /// Restarts it with so many keys to read from its file, and takes so long for each of them; serves nobody before.
    pub(crate) async fn restarts_slowly(&mut self, keys: u32, each: Duration) {
        let fill = redis::cmd("EVAL")
            .arg("for i = 1, ARGV[1] do redis.call('SET', 'filling' .. i, '') end")
            .arg(0)
            .arg(keys)
            .to_owned();
        self.client().query::<()>(&fill).await.unwrap();
        self.spawn(&["--key-load-delay", &each.as_micros().to_string(), "--aof-use-rdb-preamble", "no"]);
    }

    async fn begin(&mut self, others: &[&str]) {
        self.spawn(others);
        let client = self.client();
        until("redis answers", async || client.query::<String>(&redis::cmd("PING")).await.is_ok()).await;
    }

    fn spawn(&mut self, others: &[&str]) {
        self.kill();
        let port = self.port.to_string();
        let child = Command::new(program())
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--dir"])
            .arg(self.folder.path())
            .args(others)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed: make setup brings it");
        self.child = Some(child);
    }

    /// Makes it a replica that has caught up.
    pub(crate) async fn follow(&self, master: &Self) {
        let client = self.client();
        let port = master.port.to_string();
        client.query::<()>(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port)).await.unwrap();
        until("the replica has caught up", async || {
            let told = client.query::<String>(redis::cmd("INFO").arg("replication")).await;
            told.is_ok_and(|told| told.contains("master_link_status:up"))
        })
        .await;
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn config(&self) -> RedisConfig {
        RedisConfig::new(format!("redis://127.0.0.1:{}", self.port), Duration::from_millis(100))
    }

    /// How often decisions were looked for at the desk since it was started.
    pub(crate) async fn desk_rounds(&self) -> u64 {
        let told: String = self.client().query(redis::cmd("INFO").arg("commandstats")).await.unwrap();
        let calls = told.lines().find_map(|line| line.strip_prefix("cmdstat_zcard:calls="));
        calls.and_then(|calls| calls.split(',').next()?.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn client(&self) -> Redis {
        let config = RedisConfig { deadline: Duration::from_secs(2), ..self.config() };
        Redis::new(&config, "").unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where `make setup` has brought it, or wherever it is.
pub(crate) fn program() -> PathBuf {
    let cached = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/bin/redis-server"));
    if cached.exists() { cached } else { "redis-server".into() }
}
