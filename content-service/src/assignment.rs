//! The right to work on a partition, and the moment at which it ends.

use std::time::Duration;

use runtime::{backoff::Backoff, redis::RedisError};
use tokio_util::sync::CancellationToken;

use crate::{metrics::Metrics, watchdog::meant};

/// The partition is being given up, or the process is ending: the event is left as it is for its next owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the partition is given up")]
pub struct Abandoned;

/// One assignment of one partition to this process. Clones share its fate.
#[derive(Clone, Debug)]
pub struct Assignment {
    generation: u64,
    stopping: CancellationToken,
    lost: CancellationToken,
}

impl Assignment {
    /// The `generation`-th assignment that this process has had.
    #[must_use]
    pub fn new(generation: u64) -> Self {
        Self { generation, stopping: CancellationToken::new(), lost: CancellationToken::new() }
    }

    /// Its number, part of the fence in the ledger.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// From now on nobody waits for anything: what is under way ends, what is waiting is abandoned.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// The partition belongs to somebody else now: no first byte may leave any more.
    pub fn lose(&self) {
        self.stop();
        self.lost.cancel();
    }

    /// Still ours, as far as this process knows.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.lost.is_cancelled()
    }

    /// Resolves when the partition is being given up. Cancel safe.
    pub async fn stopped(&self) {
        self.stopping.cancelled().await;
    }

    /// Waits before another try. Cancel safe.
    ///
    /// # Errors
    /// [`Abandoned`] at once when the partition is being given up.
    pub async fn pause(&self, time: Duration) -> Result<(), Abandoned> {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(Abandoned),
            () = meant(tokio::time::sleep(time)) => Ok(()),
        }
    }

    /// Waits before another try of what may have been done already, so that it must not be left: for as long as the partition is
    /// ours, also while it is being given up. Cancel safe.
    ///
    /// # Errors
    /// [`Abandoned`] at once when the partition is lost.
    pub async fn pause_while_held(&self, time: Duration) -> Result<(), Abandoned> {
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Err(Abandoned),
            () = meant(tokio::time::sleep(time)) => Ok(()),
        }
    }
}

/// Repeats a call of the ledger's Redis until it is answered. A repeat must be harmless.
///
/// # Errors
/// [`Abandoned`] when the partition is given up first.
pub async fn until_answered<T, Calling: Future<Output = Result<T, RedisError>>>(
    mine: &Assignment,
    metrics: &Metrics,
    call: impl Fn() -> Calling,
) -> Result<T, Abandoned> {
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => metrics.ledger_waits(&error),
        }
        mine.pause(backoff.pause()).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_when_the_partition_is_given_up() {
        let assignment = Assignment::new(1);
        assert_eq!(assignment.pause(Duration::from_secs(1)).await, Ok(()));
        let other = assignment.clone();
        let waiting = tokio::spawn(async move { other.pause(Duration::from_secs(3600)).await });
        assignment.stop();
        assert_eq!(waiting.await.unwrap(), Err(Abandoned));
        assert!(assignment.holds(), "what is under way may still end");
        assert_eq!(assignment.pause_while_held(Duration::from_secs(1)).await, Ok(()));
        assignment.lose();
        assert_eq!(assignment.pause_while_held(Duration::from_secs(3600)).await, Err(Abandoned));
        assert!(!assignment.holds());
    }
}
