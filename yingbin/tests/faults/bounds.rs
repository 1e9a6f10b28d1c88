//! What has to hold when a fault is over (I6–I8), decided from what was measured. Pure, so that it can be tested itself.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{fs, io, path::Path, time::Duration};

/// Bound on the time from a push to its reply when everything is well again (I6), milliseconds.
pub(crate) const WELL_MS: i64 = 5_000;
/// Bounds of a process (I7): resident MiB, and descriptors: 200, and two for each send in flight.
pub(crate) const MOST_RSS: u64 = 400;
pub(crate) const MOST_FILES: usize = 200 + 2 * 64;
/// Tasks of a process that has nothing to do: those of its rooms, and two for each connection that is kept.
pub(crate) const MOST_TASKS: f64 = 200.0;

/// What a process has of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vitals {
    /// Resident memory, MiB.
    pub(crate) rss: u64,
    /// The most that it has been.
    pub(crate) peak: u64,
    /// Open descriptors.
    pub(crate) files: usize,
}

impl Vitals {
    /// From the folder of a process in `/proc`.
    pub(crate) fn read(process: &Path) -> io::Result<Self> {
        let status = fs::read_to_string(process.join("status"))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<u64>().ok());
            kib.map(|kib| kib / 1024).ok_or_else(|| io::Error::other(format!("no {name}: it has ended")))
        };
        let (rss, peak) = (mib("VmRSS")?, mib("VmHWM")?);
        let files = fs::read_dir(process.join("fd"))?.collect::<io::Result<Vec<_>>>()?.len();
        Ok(Self { rss, peak, files })
    }
}

/// What was measured when everything was over.
#[derive(Clone, Debug)]
pub(crate) struct After {
    /// From the end of the load until every event was handled and committed, and how long that may take.
    pub(crate) settled: Duration,
    pub(crate) within: Duration,
    /// The slowest reply to what was pushed then, milliseconds.
    pub(crate) tail_ms: Option<i64>,
    pub(crate) vitals: Vec<Vitals>,
    /// Tasks of each process.
    pub(crate) tasks: Vec<f64>,
    /// By how much each metric of the fault has risen.
    pub(crate) raised: Vec<(&'static str, f64)>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Unwell {
    /// I6: the lag was there for too long.
    Lag(Duration),
    /// I6: what was pushed when all was over was answered too late, milliseconds.
    Tail(i64),
    /// I7: a process is too large.
    Fat(Vitals),
    /// I7: a process has too many descriptors.
    Files(Vitals),
    /// I7: a process has tasks that do not end.
    Tasks(f64),
    /// I7: no process was looked at.
    Nobody,
    /// I8: a metric by which the fault is to be seen has not risen.
    Unseen(&'static str),
}

/// Everything that is not.
pub(crate) fn unwell(after: &After) -> Vec<Unwell> {
    let mut found = Vec::new();
    if after.settled > after.within {
        found.push(Unwell::Lag(after.settled));
    }
    found.extend(after.tail_ms.filter(|ms| *ms >= WELL_MS).map(Unwell::Tail));
    if after.vitals.is_empty() {
        found.push(Unwell::Nobody);
    }
    for vitals in &after.vitals {
        found.extend((vitals.rss >= MOST_RSS).then_some(Unwell::Fat(*vitals)));
        found.extend((vitals.files >= MOST_FILES).then_some(Unwell::Files(*vitals)));
    }
    found.extend(after.tasks.iter().copied().filter(|tasks| *tasks >= MOST_TASKS).map(Unwell::Tasks));
    let quiet = after.raised.iter().filter(|(_, by)| *by <= 0.0);
    found.extend(quiet.map(|(name, _)| Unwell::Unseen(name)));
    found
}

/// By how much a line through these points (hours, amount; least squares) rises from the first to the last.
pub(crate) fn rise(points: &[(f64, f64)]) -> f64 {
    let (Some((from, _)), Some((to, _))) = (points.first(), points.last()) else { return 0.0 };
    slope(points) * (to - from)
}

/// By how much it rises in an hour.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.iter().map(|_| 1.0).sum::<f64>();
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if spread == 0.0 { 0.0 } else { together / spread }
}

/// A process that is not restarted, in the second half of a soak: it gains less than so much there (F87), where that lasts an hour.
pub(crate) const LEAK_MIB_AN_HOUR: f64 = 1.0;
/// Nearly an hour: the last look is a fault before the end.
const AN_HOUR: f64 = 0.98;
/// What an allocator may do in less, and connections that come and go in any time.
pub(crate) const NOISE_MIB: f64 = 12.0;
pub(crate) const NOISE_FILES: f64 = 12.0;
/// Of fewer looks no line tells anything.
const FEWEST_LOOKS: usize = 10;

/// Whether memory (MiB) or descriptors over the hours may be those of a process that leaks.
pub(crate) fn may_leak(memory: &[(f64, f64)], files: &[(f64, f64)]) -> bool {
    let hours = memory.first().zip(memory.last()).map_or(0.0, |(first, last)| last.0 - first.0);
    let grows = if hours < AN_HOUR { rise(memory) > NOISE_MIB } else { slope(memory) >= LEAK_MIB_AN_HOUR };
    grows || rise(files) > NOISE_FILES || memory.len().min(files.len()) < FEWEST_LOOKS
}

/// What 99 in 100 of these, lowest first, do not exceed.
pub(crate) fn p99<T: Copy>(sorted: &[T]) -> T {
    *sorted.get((sorted.len() * 99).div_ceil(100).saturating_sub(1)).expect("something was measured")
}
