//! Tells profile-service what was shown: whatever comes while it is being told goes together with the next call, so that a busy
//! hour costs fewer calls and a quiet one waits for nothing.

use std::{sync::Arc, time::Duration};

use proto::profile::Shown;
use runtime::trace::TraceParent;
use tokio::sync::{
    Semaphore,
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::profiles::Profiles;

/// Calls under way at once: whatever comes behind a slow one need not wait for it.
const CALLS: usize = 2;
/// Records of one call.
const BATCH: usize = 64;
/// Records that may wait for a call.
const WAITING: usize = 1024;

/// Takes what was shown. Clones share its calls.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Waiting>,
    deadline: Duration,
}

/// What was shown to somebody, and whoever waits until that is known.
#[derive(Debug)]
struct Waiting {
    shown: Shown,
    trace: TraceParent,
    answer: oneshot::Sender<Result<(), Status>>,
}

impl Recorder {
    /// A recorder and the task that does its work until `shutdown`.
    pub fn new(
        profiles: Profiles,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let recorder = Self { queue, deadline: profiles.deadline() };
        let work = async move {
            shutdown.run_until_cancelled(work(profiles, waiting)).await.unwrap_or_default();
        };
        (recorder, work)
    }

    /// Tells what was shown. Dropping the future does not take it back.
    ///
    /// # Errors
    /// profile-service is away, late, or does not take it. Unless it was refused as invalid or never told, it may be recorded all the
    /// same.
    pub async fn record(&self, shown: Shown, trace: TraceParent) -> Result<(), Status> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { shown, trace, answer }).map_err(|refused| match refused {
            TrySendError::Full(_) => Status::resource_exhausted("too much waits to be recorded"),
            TrySendError::Closed(_) => Status::unavailable("the service is ending"),
        })?;
        match tokio::time::timeout(self.deadline, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Status::unavailable("no answer came for it")),
            Err(_) => Err(Status::deadline_exceeded("no answer in time")),
        }
    }
}

async fn work(profiles: Profiles, mut waiting: mpsc::Receiver<Waiting>) {
    let calls = Arc::new(Semaphore::new(CALLS));
    while let Ok(call) = Arc::clone(&calls).acquire_owned().await {
        let mut batch = Vec::new();
        if waiting.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let profiles = profiles.clone();
        tokio::spawn(async move {
            tell(&profiles, batch).await;
            drop(call);
        });
    }
}

/// One call, which carries the trace of its first record.
async fn tell(profiles: &Profiles, mut batch: Vec<Waiting>) {
    batch.retain(|waiting| !waiting.answer.is_closed());
    let Some(trace) = batch.first().map(|first| first.trace) else { return };
    let (shown, waiting): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|Waiting { shown, answer, .. }| (shown, answer)).unzip();
    // Whoever has stopped waiting since does not want to know.
    match profiles.record_shown(&shown, trace).await {
        Ok(answers) => waiting.into_iter().zip(answers).for_each(|(one, answer)| drop(one.send(answer))),
        Err(status) => waiting.into_iter().for_each(|one| drop(one.send(Err(status.clone())))),
    }
}
