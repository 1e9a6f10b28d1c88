//! A `redis-server` or `valkey-server` as a child process, without persistence, that cannot outlive this one.

use std::{
    env,
    fmt::{self, Display},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
};

use crate::folders;

/// Says the server's number, ends the server when the pipe closes, which it does however this process ends, and ends as the server does.
const WATCH: &str = r#"
"$@" >/dev/null & server=$!; echo "$server"; exec 3<&0 >/dev/null 2>&1
{ read -r _; kill "$server"; } <&3 & watcher=$!
wait "$server"; ended=$?; kill "$watcher"; exit "$ended""#;

/// A running server.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    /// As long as it is open, the server runs.
    pipe: ChildStdin,
    ended: watch::Receiver<Option<RedisEnded>>,
    _folder: TempDir,
}

/// A server that nobody asked to end has ended.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "Redis (pid {pid}), which this process had started, {how}: what it held is gone, so everything ends; start it again"
)]
pub struct RedisEnded {
    pid: u32,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Signal(i32),
    Code(i32),
    Unseen,
}

impl Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Unseen => write!(f, "is no longer watched"),
        }
    }
}

impl How {
    /// The shell says 128 and more for a signal.
    fn of(status: Option<ExitStatus>) -> Self {
        match status.and_then(|status| status.code()) {
            Some(code) if code > 128 => Self::Signal(code - 128),
            Some(code) => Self::Code(code),
            None => Self::Unseen,
        }
    }
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
        let mut child = command(&program, port, folder.path()).spawn().context("redis cannot be started")?;
        let pipe = child.stdin.take().context("redis has no pipe")?;
        let pid = pid(&mut child).await?;
        let server = Self { port, pipe, ended: watched(child, pid), _folder: folder };
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

    /// Waits for its end.
    pub fn ended(&self) -> impl Future<Output = RedisEnded> + Send + use<> {
        end(self.ended.clone())
    }

    /// Ends it and waits for that.
    pub async fn stop(self) {
        drop(self.pipe);
        if tokio::time::timeout(Duration::from_secs(5), end(self.ended)).await.is_err() {
            tracing::warn!("redis did not end in time");
        }
    }

    async fn wait_until_it_answers(&self) -> Result<()> {
        for _ in 0..250 {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return Ok(());
            }
            if let Some(ended) = &*self.ended.borrow() {
                bail!("it {}", ended.how);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("not within five seconds")
    }
}

fn command(program: &Path, port: u16, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "redis"]).arg(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--maxmemory-policy", "noeviction"]).current_dir(folder);
    // Its own process group: Ctrl-C in the terminal must not end it before the services. No kill on drop: it would hit the watcher
    // before that has ended the server; the pipe, which is dropped too, is enough.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    command
}

async fn pid(child: &mut Child) -> Result<u32> {
    let out = child.stdout.take().context("redis has no output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).await?;
    line.trim().parse().context("the shell that starts redis does not say its number")
}

/// Waits for the end of the child, in a task of its own.
fn watched(mut child: Child, pid: u32) -> watch::Receiver<Option<RedisEnded>> {
    let (ended, watched) = watch::channel(None);
    tokio::spawn(async move {
        let how = How::of(child.wait().await.ok());
        ended.send_replace(Some(RedisEnded { pid, how }));
    });
    watched
}

async fn end(mut ended: watch::Receiver<Option<RedisEnded>>) -> RedisEnded {
    let found = ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
    match found {
        Some(ended) => ended,
        // The task that waits for the child has gone, and with it the runtime.
        None => std::future::pending().await,
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

    async fn gone(port: u16) {
        let gone = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("redis to end");
    }

    #[tokio::test]
    async fn a_server_whose_owner_goes_without_a_word_ends() {
        let server = RedisServer::start().await.unwrap();
        let port = server.port;
        drop(server);
        gone(port).await;
    }

    #[tokio::test]
    async fn an_end_that_nobody_asked_for_is_told_with_number_and_signal() {
        let server = RedisServer::start().await.unwrap();
        let mut shutdown = redis::cmd("SHUTDOWN");
        let client = redis::Client::open(server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let _closed = shutdown.arg("NOSAVE").query_async::<()>(&mut connection).await;
        let ended = tokio::time::timeout(Duration::from_secs(5), server.ended()).await.expect("an end");
        assert!(ended.pid > 0 && ended.to_string().contains("ended with exit code 0"), "{ended}");
        server.stop().await;

        let server = RedisServer::start().await.unwrap();
        let pid = server_pid(server.port).await.to_string();
        let kill = format!("kill -9 {pid}");
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
        let ended = tokio::time::timeout(Duration::from_secs(5), server.ended()).await.expect("an end");
        assert!(ended.to_string().starts_with(&format!("Redis (pid {pid}), ")), "{ended}");
        assert!(ended.to_string().contains("was ended by signal 9"), "{ended}");
        server.stop().await;
    }

    /// As the server itself says.
    async fn server_pid(port: u16) -> u32 {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
        line.trim().parse().unwrap()
    }
}
