//! The threads of the runtime: one is blocked when it neither parks nor ends a round of tasks.

use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeMetrics};

/// What was seen of each worker last.
#[derive(Debug)]
pub(super) struct Workers {
    runtime: RuntimeMetrics,
    seen: Vec<(Counts, Instant)>,
}

/// Both stand still while a task keeps the thread: parks and unparks, and the time spent in rounds that are over.
type Counts = (u64, Duration);

impl Workers {
    pub(super) fn of(runtime: &Handle) -> Self {
        let runtime = runtime.metrics();
        let seen = (0..runtime.num_workers()).map(|worker| (counts(&runtime, worker), Instant::now()));
        Self { seen: seen.collect(), runtime }
    }

    /// Workers that have been in one task for `bound` since `awake`.
    pub(super) fn blocked(&mut self, now: Instant, awake: Instant, bound: Duration) -> Vec<String> {
        let mut blocked = Vec::new();
        for (worker, seen) in self.seen.iter_mut().enumerate() {
            let counts = counts(&self.runtime, worker);
            let parked = counts.0 % 2 == 1;
            if parked || counts != seen.0 {
                *seen = (counts, now);
            }
            let still = now.saturating_duration_since(seen.1.max(awake));
            if still >= bound {
                blocked.push(format!("thread {worker} of the runtime has been in one task for {still:.1?}"));
            }
        }
        blocked
    }
}

fn counts(runtime: &RuntimeMetrics, worker: usize) -> Counts {
    (runtime.worker_park_unpark_count(worker), runtime.worker_total_busy_duration(worker))
}
