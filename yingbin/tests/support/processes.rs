//! Children that a test kills, ends or starts again, and that cannot outlive it; waiting on conditions.

use std::{
    fs,
    future::Future,
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Kills the process when the pipe closes, which it does however the test ends.
const WATCH: &str = r#"read -r _; kill -KILL "$1" 2>/dev/null"#;
/// Lines of a log that a failing test shows.
const LAST_LINES: usize = 5;
/// Characters of each.
const LONGEST_LINE: usize = 300;

/// A running child; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    watch: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that writes its log into `folder`.
    pub(crate) fn start(name: &str, mut command: Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        command.env_remove("KAFKA_BOOTSTRAP").env_remove("REDIS_URL");
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let watch = Command::new("sh")
            .args(["-c", WATCH, "watch", &child.id().to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { name: name.to_owned(), child, watch, log }
    }

    /// SIGKILL; returns when it is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// SIGTERM; it has to end by itself in time.
    pub(crate) async fn terminate(mut self, within: Duration) -> ExitStatus {
        self.signal("TERM");
        let ended = format!("{} ends after SIGTERM", self.name);
        until(&ended, within, async || self.child.try_wait().unwrap()).await
    }

    /// A signal by its name: `STOP`, `CONT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status();
        assert!(sent.unwrap().success(), "{} cannot be told {name}", self.name);
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Panics if it has ended.
    pub(crate) fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended by itself: {status}", self.name);
        }
    }

    fn end(&mut self) {
        // The watcher first: it must not outlive the process number that it knows. Whatever has ended already is as good.
        for child in [&mut self.watch, &mut self.child] {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let kept =
                Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{}.log", self.name, self.child.id()));
            fs::write(&kept, &log).unwrap_or_default();
            let lines: Vec<String> =
                log.lines().map(|line| line.chars().take(LONGEST_LINE).collect()).collect();
            let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
            eprintln!("---- the end of the log of {} (the whole: {})\n{last}", self.name, kept.display());
        }
    }
}

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A program of this workspace, built beside the test.
pub(crate) fn binary(name: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_yingbin")).with_file_name(name);
    assert!(
        program.is_file(),
        "{} is missing: run `cargo build --workspace` (or `make test`)",
        program.display()
    );
    Command::new(program)
}

/// A script of `deploy/local`.
pub(crate) fn script(name: &str) -> Command {
    Command::new(repository().join("deploy/local").join(name))
}

/// A port of the loopback that nobody has, below the range from which the kernel gives out its own.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other test programs look for ports at the same time, and Kafka takes seconds to open its own: until this one ends, a UDP socket
    // of the same number tells them that it is taken.
    static TAKEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let first = u16::try_from(std::process::id() % 9_000).unwrap();
    let of = |n: u16| 20_000 + (first + n) % 9_000;
    let ports = std::iter::repeat_with(|| of(NEXT.fetch_add(1, Ordering::Relaxed) % 9_000)).take(9_000);
    let take = |port: u16| {
        let taken = UdpSocket::bind(("127.0.0.1", port)).ok()?;
        TcpListener::bind(("127.0.0.1", port)).ok()?;
        TAKEN.lock().unwrap().push(taken);
        Some(port)
    };
    ports.into_iter().find_map(take).unwrap()
}

/// Asks until there is an answer; panics when the time is over.
pub(crate) async fn until<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for something that tells by itself; panics when the time is over.
pub(crate) async fn within<T>(time: Duration, what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(time, wait).await;
    waited.unwrap_or_else(|_| panic!("not within {time:?}: {what}"))
}
