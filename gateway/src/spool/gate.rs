//! One user's events, one at a time: a later event waits until the fate of the earlier one is known, and if that one went into the
//! spool, goes there too.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

const SHARDS: usize = 64;

/// The users of whom something is under way. A user is a hash of the record's key: two that share one wait for each other needlessly,
/// once in 2⁶⁴.
#[derive(Debug)]
pub(crate) struct Gate {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<u64, User>>>,
}

#[derive(Debug, Default)]
struct User {
    /// First come, first served.
    queue: Arc<Queue<()>>,
    /// Events under way or waiting for their turn.
    present: usize,
    /// Events in the spool, or on their way into it.
    spooled: usize,
}

/// It is the turn of one event of one user, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    // Dropped before the place: whoever is next takes over a user that is still there.
    _turn: OwnedMutexGuard<()>,
    place: Place,
}

#[derive(Debug)]
struct Place {
    gate: Arc<Gate>,
    user: u64,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), shards }
    }

    /// Waits for the turn. Cancel safe: whoever is dropped has left the queue.
    pub(crate) async fn enter(self: &Arc<Self>, user: u64) -> Turn {
        let queue = {
            let mut users = self.shard(user);
            let entry = users.entry(user).or_default();
            entry.present += 1;
            Arc::clone(&entry.queue)
        };
        let place = Place { gate: Arc::clone(self), user };
        Turn { _turn: queue.lock_owned().await, place }
    }

    /// The name under which the gate knows a user.
    pub(crate) fn user(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// One more event of the user is in the spool, or on its way.
    pub(crate) fn spooled(&self, user: u64) {
        self.shard(user).entry(user).or_default().spooled += 1;
    }

    /// One of them is not there any more.
    pub(crate) fn left(&self, user: u64) {
        self.change(user, |user| user.spooled = user.spooled.saturating_sub(1));
    }

    fn change(&self, name: u64, change: impl FnOnce(&mut User)) {
        let mut users = self.shard(name);
        if let Some(user) = users.get_mut(&name) {
            change(user);
            if user.present == 0 && user.spooled == 0 {
                users.remove(&name);
            }
        }
    }

    fn shard(&self, user: u64) -> MutexGuard<'_, HashMap<u64, User>> {
        let index = usize::try_from(user % SHARDS as u64).unwrap_or_default();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Earlier events of the user are in the spool.
    pub(crate) fn is_behind_spooled(&self) -> bool {
        let Place { gate, user } = &self.place;
        gate.shard(*user).get(user).is_some_and(|user| user.spooled > 0)
    }

    /// The name under which the gate knows the user.
    pub(crate) fn user(&self) -> u64 {
        self.place.user
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.change(self.user, |user| user.present -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_empty(gate: &Gate) -> bool {
        gate.shards.iter().all(|shard| shard.lock().unwrap().is_empty())
    }

    #[tokio::test]
    async fn one_at_a_time_in_the_order_of_arrival_and_other_users_beside() {
        let gate = Arc::new(Gate::new());
        let first = gate.enter(gate.user("a")).await;
        let mut second = Box::pin(gate.enter(gate.user("a")));
        assert!(poll_once(&mut second).is_none());
        let mut third = Box::pin(gate.enter(gate.user("a")));
        assert!(poll_once(&mut third).is_none());
        drop(gate.enter(gate.user("b")).await);
        drop(first);
        assert!(poll_once(&mut third).is_none(), "the second comes first");
        drop(poll_once(&mut second).expect("its turn"));
        drop(poll_once(&mut third).expect("its turn"));
        assert!(is_empty(&gate));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_holds_up_nobody() {
        let gate = Arc::new(Gate::new());
        let first = gate.enter(gate.user("a")).await;
        let mut gone = Box::pin(gate.enter(gate.user("a")));
        assert!(poll_once(&mut gone).is_none());
        let mut third = Box::pin(gate.enter(gate.user("a")));
        assert!(poll_once(&mut third).is_none());
        drop(first);
        drop(gone);
        drop(poll_once(&mut third).expect("its turn"));
        assert!(is_empty(&gate));
    }

    #[tokio::test]
    async fn behind_a_spooled_event_until_it_has_left() {
        let gate = Arc::new(Gate::new());
        let user = gate.user("a");
        gate.spooled(user);
        assert!(gate.enter(gate.user("a")).await.is_behind_spooled());
        assert!(!gate.enter(gate.user("b")).await.is_behind_spooled());
        gate.left(user);
        assert!(!gate.enter(gate.user("a")).await.is_behind_spooled());
        assert!(is_empty(&gate));
    }

    /// Polls once.
    fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
