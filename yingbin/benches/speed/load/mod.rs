//! Load: open loops whose latency counts from the intended send time, and closed loops.

mod messages;
mod open;
mod saturate;
mod wire;

use std::time::Duration;

pub(crate) use messages::in_flight;
pub(crate) use open::open_loop;
pub(crate) use saturate::saturate;

/// What one loop saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// From the (intended) send time to the end, for each.
    pub(crate) latencies: Vec<Duration>,
    /// From the first to the last.
    pub(crate) elapsed: Duration,
}

impl Seen {
    /// Ends a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}
