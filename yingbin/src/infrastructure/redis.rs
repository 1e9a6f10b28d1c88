//! A `redis-server` or `valkey-server` as a child process, without persistence, that cannot outlive this one.

use std::{
    env,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::folders;

/// Ends the server when the pipe closes, which it does however this process ends.
const WATCH: &str = r#""$@" >/dev/null & server=$!; read -r _; kill "$server"; wait "$server""#;

/// A running server.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    child: Child,
    _folder: TempDir,
}

impl RedisServer {
    /// Starts one on a free port of the loopback.
    ///
    /// # Errors
    /// No server is installed, or it does not start.
    pub async fn start() -> Result<Self> {
        let program = find()?;
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "redis"]).arg(&program);
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command.args(["--maxmemory-policy", "noeviction"]).current_dir(folder.path());
        // Its own process group: Ctrl-C in the terminal must not end it before the services. No kill on drop: it would hit
        // the watcher before that has ended the server; the pipe, which is dropped too, is enough.
        let child = command.stdin(Stdio::piped()).process_group(0).spawn();
        let mut server = Self { port, child: child.context("redis cannot be started")?, _folder: folder };
        server
            .wait_until_it_answers()
            .await
            .with_context(|| format!("{} does not answer", program.display()))?;
        Ok(server)
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it and waits for that.
    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await.is_err() {
            tracing::warn!("redis did not end in time");
        }
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        for _ in 0..250 {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("not within five seconds")
    }
}

/// On the PATH, or where the set-up has put it.
fn find() -> Result<PathBuf> {
    let names = ["redis-server", "valkey-server"];
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(folders::upwards(Path::new(".cache/bin")));
    let candidates = folders.flat_map(|folder| names.map(|name| folder.join(name)));
    candidates.into_iter().find(|program| program.is_file()).context(
        "no redis-server and no valkey-server was found: run `make setup`, install one, or name a server in REDIS_URL",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_whose_owner_goes_without_a_word_ends() {
        let server = RedisServer::start().await.unwrap();
        let port = server.port;
        drop(server);
        let gone = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("redis to end");
    }
}
