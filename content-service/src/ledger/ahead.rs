//! How far the platform's clock is ahead of ours, as far as events show it: one that comes from the future.
//!
//! What was sent after an action of the user came out of what that granted, so the ledger compares our times with the platform's. Where
//! the clocks agree nothing is ahead, since the platform's times are cut to whole seconds.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// More than that is nobody's clock but a mistake in an event.
const MOST_MS: i64 = 30_000;
/// The platform's times are whole seconds, and events take a while to get here: it is further ahead than it shows.
const UNSEEN_MS: i64 = 1_000;
/// A clock that was set is believed after this time.
const KEPT: Duration = Duration::from_secs(600);

/// The furthest seen lately, and when.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<Option<(i64, Instant)>>);

impl Ahead {
    /// How far it is ahead at most, once an event has come whose user acted then by the platform's clock.
    pub(super) fn with(&self, acted_ms: i64, now_ms: i64) -> i64 {
        let shown = acted_ms.saturating_sub(now_ms);
        let ahead = if (1..=MOST_MS).contains(&shown) { shown + UNSEEN_MS } else { 0 };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some((furthest, at)) if furthest >= ahead && at.elapsed() < KEPT => furthest,
            _ => {
                *known = Some((ahead, Instant::now()));
                ahead
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_furthest_counts_for_a_while_and_a_mistake_never() {
        let ahead = Ahead::default();
        let shown = |acted_ms| ahead.with(acted_ms, 100_000);
        assert_eq!([shown(99_999), shown(100_000)], [0, 0]);
        assert_eq!([shown(102_500), shown(101_000), shown(99_000), shown(9_000_000)], [3_500; 4]);
        tokio::time::advance(KEPT).await;
        assert_eq!([shown(9_000_000), shown(100_500)], [0, 1_500]);
    }
}
