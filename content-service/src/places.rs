//! Places among the sends in flight: each account has some of its own, and shares the others.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    lanes::Bounds,
    watchdog::{meant, step},
};

/// The places that one account may take.
#[derive(Clone, Debug)]
pub struct Places {
    own: Arc<Semaphore>,
    shared: Arc<Semaphore>,
}

impl Places {
    /// Places for `accounts` accounts. A bound on sends divides them as [`Bounds`] says, so that a sick account leaves every other
    /// one its own.
    #[must_use]
    pub fn divide(bounds: Bounds, accounts: usize) -> Vec<Self> {
        let shared = Arc::new(Semaphore::new(bounds.shared));
        let one = || Self { own: Arc::new(Semaphore::new(bounds.own)), shared: Arc::clone(&shared) };
        (0..accounts).map(|_| one()).collect()
    }

    /// Waits for a place. Dropping what it returns gives the place back. Cancel safe.
    pub async fn take(&self) -> OwnedSemaphorePermit {
        let (own, shared) = (Arc::clone(&self.own), Arc::clone(&self.shared));
        step("wait for a place");
        let place = meant(async {
            tokio::select! {
                biased;
                place = own.acquire_owned() => place,
                place = shared.acquire_owned() => place,
            }
        });
        place.await.expect("nobody closes these semaphores")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn an_account_whose_sends_hang_leaves_every_other_its_own_place() {
        let places = Places::divide(Bounds::divide(8, 3), 3);
        let taken = |account: usize| -> Vec<_> {
            std::iter::from_fn(|| places[account].take().now_or_never()).collect()
        };
        let hanging = taken(0);
        assert_eq!(hanging.len(), 6);
        let (one, two) = (taken(1), taken(2));
        assert_eq!((one.len(), two.len()), (1, 1));
        drop(one);
        assert_eq!(taken(1).len(), 1);
        drop(hanging);
        assert_eq!(taken(2).len(), 5, "what is shared is anybody's again");
    }
}
