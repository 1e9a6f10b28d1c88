//! `yingbin up --json` as a process in a folder of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

use crate::quota;

/// So long may anything take in a build without optimisation on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(25);

pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// The command with servers of its own.
pub(crate) fn yingbin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yingbin"));
    command.env_remove("KAFKA_BOOTSTRAP").env_remove("REDIS_URL").env_remove("RUST_LOG");
    command
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, holds).await.is_ok(), "waited in vain for {what}");
}

/// A running one; killed when this is dropped.
pub(crate) struct Up {
    pub(crate) started: Instant,
    pub(crate) http: reqwest::Client,
    /// The line; null before it came.
    pub(crate) announced: Value,
    child: Child,
    out: BufReader<ChildStdout>,
    folder: Arc<TempDir>,
    log: PathBuf,
}

impl Up {
    /// Starts it on any free ports but the named one.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), flags)
    }

    fn start_in(folder: Arc<TempDir>, flags: &[&str]) -> Self {
        static LOGS: AtomicU32 = AtomicU32::new(0);
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let mut command = yingbin();
        command.args(["up", "--json", "--examples"]).arg(examples()).args(flags);
        for flag in ["--gateway-port", "--simulator-port", "--profile-port", "--admin-port"] {
            if !flags.contains(&flag) {
                command.args([flag, "0"]);
            }
        }
        let log = folder.path().join(format!("log-{}", LOGS.fetch_add(1, Ordering::Relaxed)));
        let started = Instant::now();
        let mut child = command
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { started, http, announced: Value::Null, child, out, folder, log }
    }

    /// Starts it and waits until it has reached the present.
    pub(crate) async fn present() -> Self {
        Self::start(&[]).reached().await
    }

    /// The same in the folder of another one.
    pub(crate) async fn present_in(folder: Arc<TempDir>) -> Self {
        Self::start_in(folder, &[]).reached().await
    }

    async fn reached(mut self) -> Self {
        let up = &mut self;
        let mut line = String::new();
        let read = timeout(PATIENCE, up.out.read_line(&mut line)).await;
        assert!(read.is_ok() && line.ends_with('\n'), "no line came, but: {}", up.told());
        up.announced = serde_json::from_str(&line).unwrap();
        eprintln!("the present was reached {:?} after the start of the process", up.started.elapsed());
        self
    }

    /// Where it runs.
    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// `.yingbin/up.json`.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join(".yingbin/up.json")
    }

    /// What it has said on standard error.
    pub(crate) fn told(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) async fn get(&self, base: &Value, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", base.as_str().unwrap())).send().await.unwrap()
    }

    /// Panics if its platform had to refuse anything for a window or a quota.
    pub(crate) async fn refuses_nothing(&self) {
        let sends: Value = self.get(&self.announced["simulator"], "/sim/sends").await.json().await.unwrap();
        let refusals = quota::refusals(sends["sends"].as_array().unwrap());
        assert!(refusals.is_empty(), "the platform had to refuse: {refusals:?}");
    }

    /// The number of its Redis, as that says itself.
    pub(crate) async fn redis_pid(&self) -> String {
        let client = redis::Client::open(self.announced["redis"].as_str().unwrap()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.unwrap();
        info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().trim().to_owned()
    }

    /// Whether its Redis takes connections.
    pub(crate) async fn redis_answers(&self) -> bool {
        self.listens("redis").await
    }

    /// Whether one of its addresses takes connections.
    pub(crate) async fn listens(&self, name: &str) -> bool {
        let (_, address) = self.announced[name].as_str().unwrap().split_once("://").unwrap();
        tokio::net::TcpStream::connect(address).await.is_ok()
    }

    /// Ctrl-C and its exit code.
    pub(crate) async fn interrupt(&mut self) -> Option<i32> {
        self.ctrl_c().await;
        self.ended().await
    }

    /// Ctrl-C as a terminal makes it: every process of the group is told, not the first alone.
    pub(crate) async fn ctrl_c(&self) {
        let kill = format!("kill -s INT -- -{}", self.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end; the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("an end").unwrap().code()
    }

    /// What is left on standard output after its end.
    pub(crate) async fn more(&mut self) -> String {
        let mut more = String::new();
        self.out.read_to_string(&mut more).await.unwrap();
        more
    }
}
