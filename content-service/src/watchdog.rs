//! Finds what is blocked, from a thread of its own: a runtime that stands still cannot watch itself.
//!
//! Blocked are an event that nobody wakes or that keeps its thread, a thread of the runtime, and a consuming loop that does not turn.
//! What is found is logged and counted, liveness fails, and the process ends, in order if it still can, so that another one takes
//! over; the other lanes go on until then.

mod pulse;
mod workers;

use std::{
    collections::HashMap,
    io,
    process::exit,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::watch};

pub use pulse::{meant, step};

use crate::metrics::Metrics;
use pulse::Pulse;
use workers::Workers;

/// The exit code of a process that could not end in order any more (`EX_SOFTWARE`).
pub const STUCK: i32 = 70;
/// Longest pause between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// How long each may give no sign of life.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// An event, and a thread of the runtime: longer than the longest call of any room.
    pub still: Duration,
    /// The consuming loop: longer than a rebalance.
    pub turn: Duration,
    /// For an end in order, once something was found.
    pub grace: Duration,
}

/// Signs of life. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Signs(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The last turn of the consuming loop, while it is meant to turn.
    turned: Mutex<Option<Instant>>,
    running: Mutex<HashMap<u64, Arc<Pulse>>>,
    next: AtomicU64,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    _stop: Sender<()>,
    found: watch::Receiver<Option<String>>,
}

impl Signs {
    /// The consuming loop has turned.
    pub fn turned(&self) {
        *locked(&self.0.turned) = Some(Instant::now());
    }

    /// The consuming loop has ended, and does not turn any more.
    pub fn rests(&self) {
        *locked(&self.0.turned) = None;
    }

    /// Runs the handling of a record as something that is watched.
    pub async fn watched<T>(&self, partition: i32, offset: i64, work: impl Future<Output = T>) -> T {
        let (id, pulse) =
            (self.0.next.fetch_add(1, Ordering::Relaxed), Arc::new(Pulse::new(partition, offset)));
        locked(&self.0.running).insert(id, Arc::clone(&pulse));
        let _listed = Listed(&self.0, id);
        pulse::beating(pulse, work).await
    }

    fn blocked(&self, now: Instant, awake: Instant, bounds: &Bounds) -> Vec<(&'static str, String)> {
        let turned = *locked(&self.0.turned);
        let still = turned.map(|turned| now.saturating_duration_since(turned.max(awake)));
        let loops = still
            .filter(|still| *still >= bounds.turn)
            .map(|still| ("consumer", format!("the consuming loop has not turned for {still:.1?}")));
        let running = locked(&self.0.running);
        let events = running.values().filter_map(|pulse| pulse.blocked(now, awake, bounds.still));
        loops.into_iter().chain(events.map(|event| ("event", event))).collect()
    }
}

struct Listed<'a>(&'a Inner, u64);

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        locked(&self.0.running).remove(&self.1);
    }
}

impl Watchdog {
    /// Watches `runtime` and `signs`.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(signs: Signs, bounds: Bounds, runtime: &Handle, metrics: &Metrics) -> io::Result<Self> {
        let ((_stop, stopped), (told, found)) = (channel(), watch::channel(None));
        let workers = Workers::of(runtime);
        let round = Round { signs, bounds, workers, metrics: metrics.clone(), told, stopped };
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || round.watch())?;
        Ok(Self { _stop, found })
    }

    /// For liveness.
    pub fn check(&self) -> impl Fn() -> Result<(), String> + Send + Sync + use<> {
        let found = self.found.clone();
        move || found.borrow().clone().map_or(Ok(()), Err)
    }

    /// Resolves with what is blocked, as soon as something is. Cancel safe.
    pub fn found(&self) -> impl Future<Output = String> + Send + use<> {
        let mut found = self.found.clone();
        async move {
            let found = found.wait_for(Option::is_some).await.map(|found| found.clone());
            found.ok().flatten().unwrap_or_else(|| "the watchdog has ended".to_owned())
        }
    }
}

/// What the thread has.
struct Round {
    signs: Signs,
    bounds: Bounds,
    workers: Workers,
    metrics: Metrics,
    told: watch::Sender<Option<String>>,
    stopped: Receiver<()>,
}

impl Round {
    fn watch(mut self) {
        let look = LOOK.min(self.bounds.still / 4);
        let (mut last, mut awake) = (Instant::now(), Instant::now());
        while self.goes_on(look) {
            let now = Instant::now();
            if now.saturating_duration_since(last) > look + LOOK {
                // The process itself was stopped or starved: nobody could give a sign.
                awake = now;
            }
            last = now;
            if let Some(told) = self.look(now, awake) {
                self.told.send_replace(Some(told));
                if self.goes_on(self.bounds.grace) {
                    tracing::error!(grace = ?self.bounds.grace, "what is blocked keeps the process from its end: it exits");
                    exit(STUCK);
                }
                return;
            }
        }
    }

    /// Nobody has stopped it while it waited.
    fn goes_on(&self, wait: Duration) -> bool {
        self.stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout)
    }

    /// Everything that is blocked now: logged, counted, and in one sentence.
    fn look(&mut self, now: Instant, awake: Instant) -> Option<String> {
        let mut blocked = self.signs.blocked(now, awake, &self.bounds);
        let threads = self.workers.blocked(now, awake, self.bounds.still);
        blocked.extend(threads.into_iter().map(|thread| ("thread", thread)));
        for (what, why) in &blocked {
            self.metrics.blocked(what);
            tracing::error!(what, why, "blocked: a defect; the process ends so that another takes over");
        }
        let sentences: Vec<String> =
            blocked.into_iter().map(|(what, why)| format!("{what}: {why}")).collect();
        (!sentences.is_empty()).then(|| sentences.join("; "))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
