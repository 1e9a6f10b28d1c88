//! A real Redis as production has it, with an append-only file, that can be killed and started again on its data.

use std::time::Duration;

use runtime::redis::{Redis, RedisConfig};
use tempfile::TempDir;

use super::processes::{Process, free_port, script, until};

/// A server of this test's own.
#[derive(Debug)]
pub(crate) struct RedisServer {
    process: Option<Process>,
    folder: TempDir,
    port: u16,
}

impl RedisServer {
    /// Starts one that answers.
    pub(crate) async fn start() -> Self {
        let mut server = Self { process: None, folder: tempfile::tempdir().unwrap(), port: free_port() };
        server.start_again().await;
        server
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// A signal by its name: `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        self.process.as_ref().expect("it runs").signal(name);
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Goes on with the same data; returns when it has loaded them.
    pub(crate) async fn start_again(&mut self) {
        let mut command = script("redis");
        command.arg(self.folder.path().join("data")).arg(self.port.to_string());
        let process = self.process.insert(Process::start("redis", command, self.folder.path()));
        let config = RedisConfig {
            url: format!("redis://127.0.0.1:{}", self.port),
            deadline: Duration::from_millis(100),
        };
        let redis = Redis::new(&config, "").unwrap();
        let answers = async || {
            process.must_run();
            redis.query::<String>(&redis::cmd("PING")).await.ok()
        };
        until("redis answers", Duration::from_secs(30), answers).await;
    }

    /// `redis://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}
