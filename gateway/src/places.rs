//! The places of the door, one for each connection.
//!
//! Who comes when all are taken gets that of the oldest connection whose first request is still to come, so that nobody shuts others out
//! by connecting and saying nothing: the platform's requests come with their connections. It does not matter from where anybody comes;
//! behind a proxy all come from one address.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use crate::config::PLATFORM_PATIENCE;

#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    silent: Mutex<Silent>,
    crowded: AtomicBool,
    /// Connections that were closed for want of places.
    closed: Counter,
}

/// Connections whose first request is still to come, by age.
#[derive(Debug, Default)]
struct Silent {
    next: u64,
    all: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Places {
    pub(crate) fn new(count: usize, closed: Counter) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(count)),
            silent: Mutex::default(),
            crowded: AtomicBool::new(false),
            closed,
        })
    }

    /// A place for a new connection; `None` if it came free so late that the platform has hung up.
    ///
    /// Cancel safe.
    pub(crate) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(&self.free);
        if let Ok(place) = Arc::clone(&free).try_acquire_owned() {
            return Some(place);
        }
        self.close_oldest();
        let crowd = Crowd::of(&self.crowded);
        let place = timeout(PLATFORM_PATIENCE, free.acquire_owned()).await;
        drop(crowd);
        if place.is_err() {
            self.closed.inc();
        }
        place.ok()?.ok()
    }

    /// Whether somebody waits for a place; then nobody keeps one after an answer.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Counts a new connection as silent until [`Silence`] is dropped; the other half says when it has to go.
    pub(crate) fn enter(self: &Arc<Self>) -> (Silence, oneshot::Receiver<()>) {
        let (go, told) = oneshot::channel();
        let mut silent = self.silent();
        let number = silent.next;
        silent.next += 1;
        silent.all.insert(number, go);
        (Silence { number, places: Arc::clone(self) }, told)
    }

    fn close_oldest(&self) {
        let oldest = self.silent().all.pop_first();
        if oldest.is_some_and(|(_, go)| go.send(()).is_ok()) {
            self.closed.inc();
        }
    }

    fn silent(&self) -> MutexGuard<'_, Silent> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody waits, until this is dropped.
struct Crowd<'a>(&'a AtomicBool);

impl<'a> Crowd<'a> {
    fn of(crowded: &'a AtomicBool) -> Self {
        crowded.store(true, Ordering::Relaxed);
        Self(crowded)
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Lasts until a connection's first request, or its end.
#[derive(Debug)]
pub(crate) struct Silence {
    number: u64,
    places: Arc<Places>,
}

impl Silence {
    /// The first request has come; whether its connection may stay. It may not if it was told to go before.
    pub(crate) fn end(self) -> bool {
        self.places.silent().all.remove(&self.number).is_some()
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.places.silent().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_that_is_silent_has_to_go_and_whoever_has_sent_a_request_does_not() {
        let places = Places::new(3, Counter::default());
        let mut inside: Vec<_> = (0..3).map(|_| places.enter()).collect();
        let permits = [places.take().await, places.take().await, places.take().await];
        drop(inside.remove(0).0);
        let (waiting, mut told) = (places.take(), Box::pin(&mut inside[0].1));
        let mut waiting = Box::pin(waiting);
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("nobody has gone yet"),
            gone = &mut told => assert_eq!(gone, Ok(())),
        }
        assert!(places.is_crowded());
        drop(permits);
        assert!(waiting.await.is_some());
        assert!(!places.is_crowded());
        assert!(inside[1].1.try_recv().is_err(), "one was enough");
        assert_eq!(places.closed.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_leaves_no_crowd_and_who_was_told_to_go_does_not_stay() {
        let places = Places::new(1, Counter::default());
        let _taken = places.take().await;
        let [(first, _told), (second, _not_told)] = [places.enter(), places.enter()];
        assert!(timeout(Duration::ZERO, places.take()).await.is_err());
        assert!(!places.is_crowded());
        assert_eq!([first.end(), second.end()], [false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_comes_after_the_platform_has_hung_up_is_none() {
        let places = Places::new(1, Counter::default());
        let _taken = places.take().await;
        let started = Instant::now();
        assert!(places.take().await.is_none());
        assert_eq!((started.elapsed(), places.closed.get()), (PLATFORM_PATIENCE, 1));
        assert!(!places.is_crowded());
    }
}
