//! Logs: JSON lines for machines, plain text for a terminal, always on standard error. And what the process counts of itself.

mod panics;
mod pipe;

use std::{
    io::{IsTerminal as _, stderr},
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use sha2::{Digest as _, Sha256};
use tokio::{runtime::Handle, time::Instant};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use panics::tell_panics;

static TASKS: LazyLock<Gauge> = LazyLock::new(Gauge::default);

/// Metrics of this process itself.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    let dropped = "Lines of the log that were dropped because nobody reads standard error";
    registry.register("process_log_lines_dropped", dropped, pipe::DROPPED.clone());
    registry.register("process_panics", "Panics: defects", panics::COUNT.clone());
    registry.register("process_tasks", "Tasks that have not ended", TASKS.clone());
    registry
});

/// Metrics of this process as they are now.
pub(crate) fn registry() -> &'static Registry {
    TASKS.set(i64::try_from(Handle::current().metrics().num_alive_tasks()).unwrap_or(i64::MAX));
    &REGISTRY
}

static UID_KEY: OnceLock<[u8; 32]> = OnceLock::new();

/// Starts logging. `RUST_LOG` filters it; `quiet` is the filter where that is not set. A second call changes nothing.
pub fn init(quiet: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    let registry = tracing_subscriber::registry().with(filter);
    let started = if stderr().is_terminal() {
        registry.with(fmt::layer().with_writer(stderr).with_target(false)).try_init()
    } else {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(|| pipe::Lossy)).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging had been started before");
    }
}

/// Something that is said at most once in a time, however often it happens.
#[derive(Clone, Debug)]
pub struct Seldom {
    every: Duration,
    said: Option<Instant>,
}

impl Seldom {
    /// Not said yet.
    #[must_use]
    pub fn every(every: Duration) -> Self {
        Self { every, said: None }
    }

    /// Whether it is to be said at `now`; then it counts as said.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.said.is_none_or(|said| now.duration_since(said) >= self.every);
        if due {
            self.said = Some(now);
        }
        due
    }
}

/// A user in a log line: a hash of `<app_id>:<openid>` under a key that the process has made, 16 hex digits.
#[must_use]
pub fn uid(record_key: &str) -> String {
    let key = UID_KEY.get_or_init(rand::random);
    hex::encode(&Sha256::new().chain_update(key).chain_update(record_key).finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_seldom_is_due_at_once_and_then_when_its_time_is_over() {
        let (mut minute, start) = (Seldom::every(Duration::from_secs(60)), Instant::now());
        let due = [0, 1, 59, 60, 61, 120].map(|second| minute.is_due(start + Duration::from_secs(second)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }

    #[test]
    fn a_uid_is_stable_and_tells_nothing() {
        assert_eq!(uid("wx1:o1"), uid("wx1:o1"));
        assert_ne!(uid("wx1:o1"), uid("wx1:o2"));
        assert!(!uid("wx1:o1").contains("o1"));
    }
}
