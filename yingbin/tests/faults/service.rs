//! One running service: its process, what it needs of the machine, what it counts.

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

use crate::support::processes::{Process, binary, until};

/// What a service needs at most to be ready, on a machine that is busy with others.
const READY: Duration = Duration::from_secs(40);

/// A service that runs.
pub(crate) struct Service {
    pub(crate) process: Process,
    admin: String,
}

/// What a process has of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    /// Resident memory, MiB.
    pub(crate) rss: u64,
    /// Open descriptors.
    pub(crate) files: usize,
}

impl Service {
    /// Starts a program with these settings; does not wait until it is ready.
    pub(crate) fn launch(
        program: &str,
        name: &str,
        folder: &Path,
        admin: u16,
        settings: &str,
        variables: &[(&str, String)],
    ) -> Self {
        let file = folder.join(format!("{name}.toml"));
        fs::write(&file, settings).unwrap();
        let mut command = program_of(program);
        command.arg("--config").arg(&file).envs(variables.iter().map(|(key, value)| (key, value)));
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

    /// The sum of a counter over the labels that its name leaves open.
    pub(crate) async fn counts(&self, http: &reqwest::Client, name: &str) -> f64 {
        let answer = http.get(format!("{}/metrics", self.admin)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let of = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        of.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).fold(0.0, |sum, count| sum + count)
    }

    /// Memory and descriptors.
    pub(crate) fn vitals(&self) -> Vitals {
        let folder = Path::new("/proc").join(self.process.pid().to_string());
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = rss.and_then(|rss| rss.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let files = fs::read_dir(folder.join("fd")).map_or(0, Iterator::count);
        Vitals { rss: kib.unwrap_or(0) / 1024, files }
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

/// The program of this workspace, or of the folder that `FAULTS_BINARIES` names: another build is tested the same way.
fn program_of(name: &str) -> Command {
    match std::env::var_os("FAULTS_BINARIES") {
        Some(folder) => Command::new(Path::new(&folder).join(name)),
        None => binary(name),
    }
}

/// Whether a program knows a word: what this build can do.
pub(crate) fn names(program: &str, word: &str) -> bool {
    let bytes = fs::read(program_of(program).get_program()).unwrap();
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}
