//! What waits is called for together: at once while few calls are under way, else with the next. So a busy hour costs few calls,
//! and a quiet one waits for nothing.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};

/// Calls under way at once.
const CALLS: usize = 2;
/// Whatever waits behind a call that takes longer goes without its end.
const PATIENCE: Duration = Duration::from_millis(20);
/// The most of one call.
const BATCH: usize = 64;
/// The most that may wait for a call: more than there are events under way.
const WAITING: usize = 16 * 1024;

/// Too much waits for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What waits, and how it is called for. Clones share both.
pub(super) struct Batches<T>(Arc<Shared<T>>);

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    call: Box<dyn Fn(Vec<T>) -> BoxFuture<'static, ()> + Send + Sync>,
}

struct Queue<T> {
    waiting: Vec<T>,
    callers: usize,
}

impl<T> Clone for Batches<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> Batches<T> {
    /// Nothing waits yet; the future of `call` has to come to an end.
    pub(super) fn new<Calling>(call: impl Fn(Vec<T>) -> Calling + Send + Sync + 'static) -> Self
    where
        Calling: Future<Output = ()> + Send + 'static,
    {
        let queue = Mutex::new(Queue { waiting: Vec::new(), callers: 0 });
        Self(Arc::new(Shared { queue, call: Box::new(move |batch| call(batch).boxed()) }))
    }

    /// Has it called for, now or with the next call. To be called within a runtime.
    ///
    /// # Errors
    /// [`Full`]
    pub(super) fn push(&self, one: T) -> Result<(), Full> {
        let mut queue = self.0.queue();
        if queue.waiting.len() >= WAITING {
            return Err(Full);
        }
        queue.waiting.push(one);
        if queue.callers < CALLS {
            queue.callers += 1;
            tokio::spawn(Arc::clone(&self.0).call_until_none_waits());
        }
        Ok(())
    }
}

impl<T: Send + 'static> Shared<T> {
    async fn call_until_none_waits(self: Arc<Self>) {
        while let Some(batch) = self.next() {
            // Should it panic, whoever waits for it notices by himself.
            let mut call = AssertUnwindSafe((self.call)(batch)).catch_unwind();
            if tokio::time::timeout(PATIENCE, &mut call).await.is_err() {
                tokio::spawn(call);
            }
        }
    }

    fn next(&self) -> Option<Vec<T>> {
        let mut queue = self.queue();
        if queue.waiting.is_empty() {
            queue.callers -= 1;
            return None;
        }
        let most = queue.waiting.len().min(BATCH);
        Some(queue.waiting.drain(..most).collect())
    }

    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "batches_tests.rs"]
mod tests;
