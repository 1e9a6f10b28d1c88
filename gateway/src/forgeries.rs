//! A source that sends many requests that do not verify has its refusals held back.
//!
//! Whether a request is a forgery is known only after its signature has been checked, which costs microseconds; and the platform may
//! share an address with an attacker, behind a proxy. So no source is ever shut out, nobody has to be believed about whose request it
//! forwards, and a push that verifies never waits. What is limited is the refusal: beyond the limit it is the same answer, a second
//! later, and until it has come the sender's connection can carry no further forgery. So many refusals of a source wait at once; what is
//! more than that is answered at once and its connection closed, so that each further forgery costs a connection. It is answered all the
//! same: a proxy in front, behind which all forgeries are of one source, would take requests without an answer for a broken gateway.
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
/// One in so many of those at most is of one source.
const SHARE: usize = 4;

/// How often each source has been refused lately.
#[derive(Debug)]
pub(crate) struct Forgeries {
    hasher: RandomState,
    since: Instant,
    sources: Vec<Source>,
    /// Refusals that may be held back at once.
    places: Semaphore,
    held: Counter,
    closed: Counter,
}

#[derive(Debug)]
struct Source {
    /// The microsecond at which what it has sent is forgiven (the theoretical arrival time of GCRA).
    forgiven: AtomicU64,
    /// Its share of the places.
    places: Semaphore,
}

impl Forgeries {
    /// For a door with so many connections.
    pub(crate) fn new(connections: usize, held: Counter, closed: Counter) -> Self {
        let places = connections / CONNECTIONS_EACH;
        let share = places.div_ceil(SHARE);
        let source = |_| Source { forgiven: AtomicU64::new(0), places: Semaphore::new(share) };
        Self {
            hasher: RandomState::new(),
            since: Instant::now(),
            sources: (0..SOURCES).map(source).collect(),
            places: Semaphore::new(places),
            held,
            closed,
        }
    }

    /// Whether the connection of a refusal to `source` may carry more. If it has been refused too often, that is known a second later, or
    /// the answer is no at once, since too many wait already.
    pub(crate) async fn may_stay(&self, source: IpAddr) -> bool {
        let source = self.source(source);
        let now = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        if !is_too_many(&source.forgiven, now) {
            return true;
        }
        let (Ok(_share), Ok(_place)) = (source.places.try_acquire(), self.places.try_acquire()) else {
            self.closed.inc();
            return false;
        };
        self.held.inc();
        sleep(HOLD_BACK).await;
        true
    }

    fn source(&self, source: IpAddr) -> &Source {
        let hash = self.hasher.hash_one(network(source));
        &self.sources[usize::try_from(hash % SOURCES as u64).unwrap_or_default()]
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
    use std::ptr;

    use futures::future::join_all;

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

    /// Two sources that share no limit.
    fn two(forgeries: &Forgeries) -> [IpAddr; 2] {
        let flood = [192, 0, 2, 1].into();
        let is_apart = |other: &IpAddr| !ptr::eq(forgeries.source(flood), forgeries.source(*other));
        [flood, (2..).map(|n| [192, 0, 2, n].into()).find(is_apart).unwrap()]
    }

    #[tokio::test(start_paused = true)]
    async fn the_refusals_of_one_source_are_held_back_and_those_of_another_are_not() {
        let forgeries = Forgeries::new(CONNECTIONS_EACH, Counter::default(), Counter::default());
        let [flood, other] = two(&forgeries);
        let started = Instant::now();
        for _ in 0..BURST {
            assert!(forgeries.may_stay(flood).await);
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert!(forgeries.may_stay(flood).await);
        assert_eq!((started.elapsed(), forgeries.held.get()), (HOLD_BACK, 1));
        let then = Instant::now();
        assert!(forgeries.may_stay(other).await);
        assert_eq!(then.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_holds_its_share_of_the_places_and_the_rest_of_it_has_to_connect_anew() {
        let forgeries = Forgeries::new(2 * SHARE * CONNECTIONS_EACH, Counter::default(), Counter::default());
        let [flood, other] = two(&forgeries);
        let all = async |source| {
            let stay = join_all((0..BURST + 10).map(|_| forgeries.may_stay(source))).await;
            stay.into_iter().filter(|stays| *stays).count() as u64
        };
        assert_eq!(tokio::join!(all(flood), all(other)), (BURST + 2, BURST + 2));
        assert_eq!((forgeries.held.get(), forgeries.closed.get()), (4, 16));
    }
}
