//! A real Redis as production has it, with an append-only file, that can be killed and started again on its data.

use std::{path::Path, time::Duration};

use runtime::redis::{Redis, RedisConfig};
use tempfile::TempDir;

use super::processes::{Process, free_port, script, until};

/// A server of this test's own.
#[derive(Debug)]
pub(crate) struct RedisServer {
    process: Option<Process>,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    /// Who looks whether it is there.
    probe: &'static str,
}

impl RedisServer {
    /// Starts one that answers.
    pub(crate) async fn start() -> Self {
        Self::with(Vec::new()).await
    }

    /// One that takes its users from this file, a `probe` among them.
    pub(crate) async fn start_with_users(file: &Path) -> Self {
        Self::begin(vec!["--aclfile".to_owned(), file.display().to_string()], "probe:any@").await
    }

    /// The same with options of the server's own.
    pub(crate) async fn with(options: Vec<String>) -> Self {
        Self::begin(options, "").await
    }

    async fn begin(options: Vec<String>, probe: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { process: None, folder, port: free_port(), options, probe };
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
        command.arg(self.folder.path().join("data")).arg(self.port.to_string()).args(&self.options);
        let url = format!("redis://{}127.0.0.1:{}", self.probe, self.port);
        let process = self.process.insert(Process::start("redis", command, self.folder.path()));
        let config = RedisConfig::new(url, Duration::from_millis(100));
        let redis = Redis::new(&config, "").unwrap();
        let answers = async || {
            process.must_run();
            redis.query::<String>(&redis::cmd("PING")).await.ok()
        };
        until("redis answers", Duration::from_secs(30), answers).await;
    }

    /// Address for somebody who says who he is.
    pub(crate) fn url_of(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// `redis://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}
