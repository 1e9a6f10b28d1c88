//! Supervision: the named tasks of a service live and end together.

use std::{collections::HashMap, future::Future, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// The tasks of one service. The first that ends before the shutdown ends all, and is named.
#[derive(Debug)]
pub struct Tasks {
    shutdown: CancellationToken,
    running: JoinSet<Result<()>>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// No task yet. `shutdown` tells them when to end.
    #[must_use]
    pub fn new(shutdown: &CancellationToken) -> Self {
        Self { shutdown: shutdown.child_token(), running: JoinSet::new(), names: HashMap::new() }
    }

    /// What the tasks have to watch.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Starts a task.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = Result<()>> + Send + 'static) {
        let handle = self.running.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Runs until the shutdown, then gives the tasks `drain` to end.
    ///
    /// # Errors
    /// A task ended or failed before the shutdown, failed while ending, or was still running after `drain`.
    pub async fn run(mut self, drain: Duration) -> Result<()> {
        let shutdown = self.shutdown.clone();
        let early = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            Some(ended) = self.running.join_next_with_id() => self.ended_early(ended),
        };
        shutdown.cancel();
        let late = self.drain(drain).await;
        early.and(late)
    }

    async fn drain(&mut self, drain: Duration) -> Result<()> {
        let mut first = Ok(());
        let all = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                let (name, result) = name_of(&mut self.names, ended);
                if let Err(error) = result.with_context(|| format!("{name} failed while ending")) {
                    tracing::error!(error = format!("{error:#}"), "task failed while ending");
                    first = Err(error);
                }
            }
        };
        if tokio::time::timeout(drain, all).await.is_err() {
            let late: Vec<_> = self.names.values().copied().collect();
            self.running.abort_all();
            bail!("still running {} s after the shutdown: {}", drain.as_secs(), late.join(", "));
        }
        first
    }

    fn ended_early(&mut self, ended: Result<(Id, Result<()>), JoinError>) -> Result<()> {
        if self.shutdown.is_cancelled() {
            return Ok(());
        }
        let (name, result) = name_of(&mut self.names, ended);
        result.with_context(|| format!("{name} failed"))?;
        Err(anyhow!("{name} ended, which it must not before the shutdown"))
    }
}

fn name_of(
    names: &mut HashMap<Id, &'static str>,
    ended: Result<(Id, Result<()>), JoinError>,
) -> (&'static str, Result<()>) {
    match ended {
        Ok((id, result)) => (names.remove(&id).unwrap_or("task"), result),
        Err(error) => (names.remove(&error.id()).unwrap_or("task"), Err(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_early_ends_all_and_is_named() {
        let mut tasks = Tasks::new(&CancellationToken::new());
        let token = tasks.token();
        tasks.spawn("patient", async move {
            token.cancelled().await;
            Ok(())
        });
        tasks.spawn("hasty", async { bail!("no broker") });
        let error = tasks.run(Duration::from_secs(1)).await.expect_err("hasty failed");
        assert_eq!(format!("{error:#}"), "hasty failed: no broker");
    }

    #[tokio::test(start_paused = true)]
    async fn a_straggler_is_named() {
        let shutdown = CancellationToken::new();
        let mut tasks = Tasks::new(&shutdown);
        tasks.spawn("stuck", std::future::pending());
        shutdown.cancel();
        let error = tasks.run(Duration::from_secs(5)).await.expect_err("stuck");
        assert_eq!(error.to_string(), "still running 5 s after the shutdown: stuck");
    }

    #[tokio::test(start_paused = true)]
    async fn an_orderly_end_is_no_error() {
        let shutdown = CancellationToken::new();
        let mut tasks = Tasks::new(&shutdown);
        let token = tasks.token();
        tasks.spawn("patient", async move {
            token.cancelled().await;
            Ok(())
        });
        shutdown.cancel();
        tasks.run(Duration::from_secs(1)).await.expect("orderly");
    }
}
