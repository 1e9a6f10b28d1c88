//! A source that sends many requests that do not verify has its refusals held back.
//!
//! Whether a request is a forgery is known only after its signature has been checked, which costs microseconds; and the platform may
//! share an address with an attacker, behind a proxy. So no source is ever shut out, nobody has to be believed about whose request it
//! forwards, and a push that verifies never waits. What is limited is the refusal: beyond the limit it is the same answer, a second
//! later, and until it has come the sender's connection can carry no further forgery.
//!
//! GCRA over a table of fixed size: what a keyed limiter keeps per source would grow with the sources that an attacker has.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

/// A source may be refused so often at once,
const BURST: u64 = 100;
/// and then this often.
const PER_SECOND: u64 = 20;
const HOLD_BACK: Duration = Duration::from_secs(1);
/// Sources are told apart by a hash into so many; two that fall together share their limit.
const SOURCES: usize = 4096;
/// One in so many connections at most is held back: an attacker must not hold them all that way.
const CONNECTIONS_EACH: usize = 8;

/// How often each source has been refused lately.
#[derive(Debug)]
pub(crate) struct Forgeries {
    hasher: RandomState,
    since: Instant,
    /// By source: the microsecond at which what it has sent is forgiven (the theoretical arrival time of GCRA).
    forgiven: Vec<AtomicU64>,
    held: Semaphore,
    count: Counter,
}

impl Forgeries {
    /// For a door with so many connections.
    pub(crate) fn new(connections: usize, count: Counter) -> Self {
        Self {
            hasher: RandomState::new(),
            since: Instant::now(),
            forgiven: (0..SOURCES).map(|_| AtomicU64::new(0)).collect(),
            held: Semaphore::new(connections / CONNECTIONS_EACH),
            count,
        }
    }

    /// Returns at once, or a second later if `source` has been refused too often.
    pub(crate) async fn hold_back(&self, source: IpAddr) {
        let now = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        if !is_too_many(self.slot(source), now) {
            return;
        }
        if let Ok(_held) = self.held.try_acquire() {
            self.count.inc();
            sleep(HOLD_BACK).await;
        }
    }

    fn slot(&self, source: IpAddr) -> &AtomicU64 {
        let hash = self.hasher.hash_one(network(source));
        &self.forgiven[usize::try_from(hash % SOURCES as u64).unwrap_or_default()]
    }
}

/// An address, or the /64 that one sender of IPv6 has for itself.
fn network(source: IpAddr) -> u128 {
    match source.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

/// Counts one more at `now`. What is too many is not counted: a source is forgiven as fast as it would be without it.
fn is_too_many(forgiven: &AtomicU64, now: u64) -> bool {
    const EACH: u64 = 1_000_000 / PER_SECOND;
    let next = |at: u64| {
        let at = at.max(now);
        (at - now < BURST * EACH).then_some(at + EACH)
    };
    forgiven.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let forgiven = AtomicU64::new(0);
        let passed =
            |seconds: u64| (0..1000).filter(|_| !is_too_many(&forgiven, seconds * 1_000_000)).count();
        assert_eq!([passed(0), passed(1), passed(2), passed(100)], [100, 20, 20, 100]);
    }

    #[test]
    fn a_sender_of_ipv6_is_its_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_refusals_of_one_source_are_held_back_and_those_of_another_are_not() {
        let forgeries = Forgeries::new(CONNECTIONS_EACH, Counter::default());
        let (flood, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let started = Instant::now();
        for _ in 0..BURST {
            forgeries.hold_back(flood).await;
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        forgeries.hold_back(flood).await;
        assert_eq!((started.elapsed(), forgeries.count.get()), (HOLD_BACK, 1));
        let then = Instant::now();
        if forgeries.slot(flood).as_ptr() != forgeries.slot(other).as_ptr() {
            forgeries.hold_back(other).await;
            assert_eq!(then.elapsed(), Duration::ZERO);
        }
    }
}
