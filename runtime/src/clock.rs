//! The time of day that every service of a process shares; deadlines run on the monotonic clock instead.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The system's time of day plus an offset that a simulation may move. Clones share the offset.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The system's own time.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        system_ms() + self.offset_ms.load(Ordering::Relaxed)
    }

    /// Unix milliseconds by the machine's own time, wherever a simulation may have moved the clock.
    #[must_use]
    pub fn machine_ms(&self) -> i64 {
        system_ms()
    }

    /// Moves the time of everybody who holds a clone.
    pub fn advance(&self, by: Duration) {
        self.offset_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Sets the time of everybody who holds a clone; it runs on from there.
    pub fn set_ms(&self, now_ms: i64) {
        self.offset_ms.store(now_ms - system_ms(), Ordering::Relaxed);
    }
}

fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_move_together() {
        let clock = Clock::system();
        let other = clock.clone();
        clock.set_ms(1_000);
        assert!((1_000..6_000).contains(&other.now_ms()));
        other.advance(Duration::from_secs(3_600));
        assert!((3_601_000..3_606_000).contains(&clock.now_ms()));
    }
}
