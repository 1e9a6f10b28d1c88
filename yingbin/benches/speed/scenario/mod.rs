//! What is measured, part by part.

pub(crate) mod api;
pub(crate) mod gateway;
pub(crate) mod message;
mod meter;
pub(crate) mod slope;
pub(crate) mod start;
mod subject;

use std::time::Duration;

/// Users who have been there before the clock runs.
const WARM: u64 = 4_000;
/// Events under way in a closed loop.
const IN_FLIGHT: usize = 64;
/// Pushes a second in an open loop from push to message.
const RATE: u32 = 100;

/// More pushes than any closed loop uses up.
fn enough(lasts: Duration) -> u64 {
    lasts.as_secs().max(1) * 12_000
}
