//! A subject as a process: this program again in a role, on a core of its own where that is asked for.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::roles::{Addresses, Settings};

/// A process gets so long to begin, and so long to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running subject. Dropping it ends it in order.
#[derive(Debug)]
pub(crate) struct Process {
    /// The role.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) addresses: Addresses,
    child: Child,
}

impl Process {
    /// Starts a role and waits until it is ready.
    pub(crate) fn start(name: &'static str, settings: &Settings, core: Option<usize>) -> Result<Self> {
        let program = env::current_exe()?;
        let mut command = match core.filter(|_| can_pin()) {
            Some(core) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["-c", &core.to_string()]).arg(program);
                taskset
            }
            None => Command::new(program),
        };
        command.args(["role", name, &serde_json::to_string(settings)?]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let said = child.stdout.take().context("its output is piped")?;
        BufReader::new(said).read_line(&mut line)?;
        let addresses = serde_json::from_str(&line).with_context(|| format!("{name} did not start"))?;
        let process = Self { name, addresses, child };
        process.wait_until_ready()?;
        Ok(process)
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(self.child.id())
    }

    /// The sum of all its metrics whose name ends so.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let text = get(self.addresses.admin.context("it has no metrics")?, "/metrics")?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| line.split_once(' ')).filter_map(|(key, value)| {
            let key = key.split('{').next().unwrap_or(key).trim_end_matches("_total");
            key.ends_with(name).then(|| value.parse::<f64>().ok())?
        });
        Ok(values.sum())
    }

    fn wait_until_ready(&self) -> Result<()> {
        let Some(admin) = self.addresses.admin else { return Ok(()) };
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if get(admin, "/readyz").is_ok_and(|text| text.contains("\r\n\r\nready")) {
                return Ok(());
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        bail!("{} is not ready after {} s", self.name, PATIENCE.as_secs())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input is its sign to end.
        drop(self.child.stdin.take());
        let started = Instant::now();
        while started.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::park_timeout(Duration::from_millis(20));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            eprintln!("{} did not end in time", self.name);
            self.child.kill().unwrap_or_default();
        }
    }
}

/// One request without a client.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// CPU time of all threads of a process so far: in nanoseconds where the kernel has them, else in ticks of 10 ms.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    let of_thread = |task: fs::DirEntry| -> Option<u64> {
        fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos: u64 = tasks.filter_map(of_thread).sum();
    if nanos > 0 { Duration::from_nanos(nanos) } else { ticks(pid).unwrap_or_default() }
}

/// CPU time of everything on this machine so far.
pub(crate) fn machine_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let columns = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(7).enumerate();
    // The fourth and fifth are idle and waiting for a disk.
    let busy = columns.filter(|(column, _)| !matches!(column, 3 | 4));
    Duration::from_millis(10 * busy.filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum::<u64>())
}

fn ticks(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    let times = after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    Some(Duration::from_millis(10 * times.sum::<u64>()))
}

/// Whether processes can be put on cores of their own.
pub(crate) fn can_pin() -> bool {
    cores() > 1 && Command::new("taskset").arg("--version").output().is_ok()
}

/// Cores of this machine.
pub(crate) fn cores() -> usize {
    fs::read_dir("/sys/devices/system/cpu").map_or(1, |entries| {
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap_or_default();
        let number = |name: &str| name.strip_prefix("cpu").is_some_and(|rest| rest.parse::<u32>().is_ok());
        entries.flatten().map(name).filter(|name| number(name)).count().max(1)
    })
}

/// Puts all threads of running processes on some cores: `1`, `0-3`.
pub(crate) fn pin(pids: &[u32], cores: &str) {
    for pid in pids.iter().filter(|_| can_pin()) {
        let pinned = Command::new("taskset").args(["-a", "-c", "-p", cores, &pid.to_string()]).output();
        if !pinned.is_ok_and(|done| done.status.success()) {
            eprintln!("process {pid} could not be put on core {cores}");
        }
    }
}
