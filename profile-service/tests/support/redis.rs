//! A `redis-server` of the test's own, on a port of its own, gone with it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use runtime::redis::{Redis, RedisConfig};

pub(crate) struct Server {
    child: Option<Child>,
    port: u16,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { child: None, port };
        server.start_again().await;
        server
    }

    /// Starts on the same port, empty, and waits until it answers.
    pub(crate) async fn start_again(&mut self) {
        let child = Command::new(binary())
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is on the PATH or in .cache/bin (make setup)");
        self.child = Some(child);
        let redis = self.connect();
        let mut ping = redis::Cmd::new();
        ping.arg("PING");
        let answers = async { while redis.query::<()>(&ping).await.is_err() {} };
        tokio::time::timeout(Duration::from_secs(10), answers).await.expect("redis-server answers");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
        }
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id();
        let kill = format!("kill {signal} {pid}");
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell has it built in").success());
    }

    pub(crate) fn config(&self) -> RedisConfig {
        let url = format!("redis://127.0.0.1:{}", self.port);
        RedisConfig::new(url, Duration::from_millis(100))
    }

    pub(crate) fn connect(&self) -> Redis {
        Redis::new(&self.config(), "").expect("the address is one")
    }

    /// Every key, sorted.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut all = redis::Cmd::new();
        all.arg("KEYS").arg("*");
        let mut keys: Vec<String> = self.connect().query(&all).await.expect("redis answers");
        keys.sort();
        keys
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn binary() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/bin/redis-server");
    if unpacked.exists() { unpacked } else { "redis-server".into() }
}
