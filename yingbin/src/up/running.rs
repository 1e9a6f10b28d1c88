//! Services that run as tasks of one process and end one after the other.

use std::{future::Future, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A service gets so long to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// One service.
#[derive(Debug)]
pub(super) struct Running {
    name: &'static str,
    shutdown: CancellationToken,
    task: JoinHandle<Result<()>>,
}

impl Running {
    /// Starts it.
    pub(super) fn start<F>(name: &'static str, serve: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(shutdown.clone()));
        Self { name, shutdown, task }
    }

    /// It has ended, whether in order or not.
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for an end that nobody asked for.
    pub(super) async fn failure(&mut self) -> anyhow::Error {
        match (&mut self.task).await {
            Ok(Ok(())) => anyhow!("{} ended, which it must not before the shutdown", self.name),
            Ok(Err(error)) => error.context(format!("{} failed", self.name)),
            Err(error) => anyhow!(error).context(format!("{} failed", self.name)),
        }
    }

    /// Ends it in order.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.shutdown.cancel();
        if self.task.is_finished() {
            return Ok(());
        }
        match tokio::time::timeout(PATIENCE, &mut self.task).await {
            Ok(ended) => {
                ended.map_err(Into::into).flatten().with_context(|| format!("{} while ending", self.name))
            }
            Err(_) => {
                self.task.abort();
                Err(anyhow!(
                    "{} was still running {} s after it was asked to end",
                    self.name,
                    PATIENCE.as_secs()
                ))
            }
        }
    }
}
