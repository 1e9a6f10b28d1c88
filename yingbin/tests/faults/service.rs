//! One running service: its process, what it needs of the machine, what it counts.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

use crate::{
    bounds::Vitals,
    support::processes::{Process, binary, until},
};

/// What a service needs at most to be ready, on a machine that is busy with others.
const READY: Duration = Duration::from_secs(40);

/// A service that runs.
pub(crate) struct Service {
    pub(crate) process: Process,
    admin: String,
}

impl Service {
    /// Starts a program with these settings; does not wait until it is ready.
    pub(crate) fn launch(
        program: &Program<'_>,
        name: &str,
        folder: &Path,
        admin: u16,
        settings: &str,
    ) -> Self {
        let file = folder.join(format!("{name}.toml"));
        fs::write(&file, settings).unwrap();
        let mut command = match program.etc {
            Some(etc) => with_etc(etc, &program.command()),
            None => program.command(),
        };
        command.arg("--config").arg(&file);
        if let Some(failpoints) = program.failpoints {
            command.env("FAILPOINTS", failpoints);
        }
        if program.unread {
            command = unread(&command, &folder.join(format!("{name}.pipe")));
        }
        Self { process: Process::start(name, command, folder), admin: format!("http://127.0.0.1:{admin}") }
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&mut self, http: &reqwest::Client) {
        let (process, url) = (&mut self.process, format!("{}/readyz", self.admin));
        let ready = async || {
            process.must_run();
            let answer = http.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        };
        until("the service is ready", READY, ready).await;
    }

    /// Waits until it says that it is not, and by that to whoever routes that it leaves.
    pub(crate) async fn announces(&self, http: &reqwest::Client) {
        let url = format!("{}/readyz", self.admin);
        let leaves = async || {
            let answer = http.get(&url).send().await.ok()?;
            (answer.status() == reqwest::StatusCode::SERVICE_UNAVAILABLE).then_some(())
        };
        until("the service announces that it leaves", READY, leaves).await;
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ends(mut self, within: Duration) -> ExitStatus {
        until("the service ends", within, async || self.process.ended()).await
    }

    /// The sum of a metric over the labels that its name, as in `calls{code="ok"`, leaves open.
    pub(crate) async fn counts(&self, http: &reqwest::Client, name: &str) -> f64 {
        let answer = http.get(format!("{}/metrics", self.admin)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let (metric, label) = name.split_once('{').unwrap_or((name, ""));
        let of = text.lines().filter(|line| line.starts_with(metric) && line.contains(label));
        of.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).fold(0.0, |sum, count| sum + count)
    }

    /// Memory and descriptors.
    pub(crate) fn vitals(&self) -> Vitals {
        let folder = Path::new("/proc").join(self.process.pid().to_string());
        Vitals::read(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    }

    /// SIGTERM; it has to end by itself in time.
    pub(crate) async fn terminate(self, within: Duration) -> ExitStatus {
        self.process.terminate(within).await
    }

    /// SIGKILL.
    pub(crate) fn kill(self) {
        self.process.kill();
    }
}

/// What is started, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    pub(crate) name: &'a str,
    /// Of the build that `FAULTS_OLDER` names, where it does.
    pub(crate) older: bool,
    /// Its `FAILPOINTS`.
    pub(crate) failpoints: Option<&'a str>,
    /// Nobody reads what it logs.
    pub(crate) unread: bool,
    /// A folder with the `hosts` and `nsswitch.conf` that it sees.
    pub(crate) etc: Option<&'a Path>,
}

impl<'a> Program<'a> {
    /// As it is.
    pub(crate) fn named(name: &'a str) -> Self {
        Self { name, older: false, failpoints: None, unread: false, etc: None }
    }

    /// Whether this build knows a word: what it can do.
    pub(crate) fn knows(&self, word: &str) -> bool {
        let bytes = fs::read(self.command().get_program()).unwrap();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    }

    /// The program of this workspace, or of the folder that `FAULTS_BINARIES` names: another build is tested the same way.
    fn command(&self) -> Command {
        match older_build().filter(|_| self.older).or_else(|| folder("FAULTS_BINARIES")) {
            Some(folder) => Command::new(Path::new(&folder).join(self.name)),
            None => binary(self.name),
        }
    }
}

/// The build before this one, where the environment has one.
pub(crate) fn older_build() -> Option<OsString> {
    folder("FAULTS_OLDER")
}

/// A folder that the environment names.
fn folder(variable: &str) -> Option<OsString> {
    std::env::var_os(variable).filter(|folder| !folder.is_empty())
}

/// Whether this machine lets a process see files of its own in place of others.
pub(crate) fn can_have_own_etc() -> bool {
    let tried = Command::new("unshare").args(["-rm", "mount", "--bind", "/etc/hosts", "/etc/hosts"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// The same, which finds names in the files of a folder and nowhere else.
fn with_etc(etc: &Path, command: &Command) -> Command {
    const MOUNTS: &str = r#"for file in hosts nsswitch.conf; do mount --bind "$0/$file" "/etc/$file" || exit; done; exec "$@""#;
    let mut shell = Command::new("unshare");
    shell.args(["-rm", "sh", "-c", MOUNTS]).arg(etc).arg(command.get_program()).args(command.get_args());
    shell
}

/// The same, with every log line going into a pipe that it holds open itself and nobody reads.
fn unread(command: &Command, pipe: &Path) -> Command {
    assert!(pipe.exists() || Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$@" 2<>"$0""#]).arg(pipe).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?)))).env("RUST_LOG", "debug");
    shell
}
