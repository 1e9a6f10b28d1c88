//! A real Redis as production has it, with an append-only file, that can be killed and started again on its data.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use runtime::redis::{Redis, RedisConfig};
use tempfile::TempDir;

use super::processes::{Process, free_port, repository, script, until};

/// A server of this test's own.
#[derive(Debug)]
pub(crate) struct RedisServer {
    process: Option<Process>,
    folder: TempDir,
    port: u16,
    /// Who may do what; without it everybody may do everything.
    users: Option<PathBuf>,
}

impl RedisServer {
    /// Starts one that answers.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// One that takes its users from this file, a `probe` among them.
    pub(crate) async fn start_with_users(file: &Path) -> Self {
        Self::start_with(Some(file.to_owned())).await
    }

    async fn start_with(users: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { process: None, folder, port: free_port(), users };
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
        let (command, url) = match &self.users {
            None => (self.open_to_all(), self.url()),
            Some(file) => (self.with_users(file), self.url_of("probe", "any")),
        };
        let process = self.process.insert(Process::start("redis", command, self.folder.path()));
        let config = RedisConfig { url, deadline: Duration::from_millis(100) };
        let redis = Redis::new(&config, "").unwrap();
        let answers = async || {
            process.must_run();
            redis.query::<String>(&redis::cmd("PING")).await.ok()
        };
        until("redis answers", Duration::from_secs(30), answers).await;
    }

    fn open_to_all(&self) -> Command {
        let mut command = script("redis");
        command.arg(self.folder.path().join("data")).arg(self.port.to_string());
        command
    }

    /// As `deploy/local/redis` starts it, and with users.
    fn with_users(&self, file: &Path) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", r#"source "$0"; exec "$(find_redis)" "$@""#]);
        command.arg(repository().join("deploy/local/common.sh")).arg("--aclfile").arg(file);
        command.arg("--dir").arg(self.folder.path()).args(["--port", &self.port.to_string()]);
        command.args(["--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction"]);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec"]);
        command
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
