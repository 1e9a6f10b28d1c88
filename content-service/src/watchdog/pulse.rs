//! The signs of life that one event's handling gives by itself: each poll, each step, and each wait that is meant.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

tokio::task_local! {
    /// The event that this task works on. Steps and waits are known deep below the loop that keeps the list of what runs, in rooms
    /// that are told of no record.
    static PULSE: Arc<Pulse>;
}

/// What is known of one event under way.
#[derive(Debug)]
pub(super) struct Pulse {
    partition: i32,
    offset: i64,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    step: &'static str,
    seen: Instant,
    /// A thread is in it now.
    polled: bool,
    /// Waits under way that may last.
    waits: u32,
}

/// The step of the event that this task works on, for the log and for the fault tests.
pub fn step(name: &'static str) {
    fail::fail_point!(name, |_| std::process::abort());
    on_this_task(|state| state.step = name);
}

/// A wait that may last: for a time that was chosen, or for what others hold who are watched themselves. Cancel safe if `wait` is.
pub async fn meant<T>(wait: impl Future<Output = T>) -> T {
    let _waits = Waits::begin();
    wait.await
}

/// Runs work under a pulse.
pub(super) async fn beating<T>(pulse: Arc<Pulse>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let heart = Arc::clone(&pulse);
    let polls = poll_fn(move |context| {
        heart.beat(true);
        let polled = work.as_mut().poll(context);
        heart.beat(false);
        polled
    });
    PULSE.scope(pulse, polls).await
}

fn on_this_task(change: impl FnOnce(&mut State)) {
    // Whatever runs in a task of its own, such as a fetch for the cache, is nobody's step.
    PULSE.try_with(|pulse| change(&mut pulse.state())).unwrap_or_default();
}

struct Waits;

impl Waits {
    fn begin() -> Self {
        on_this_task(|state| state.waits += 1);
        Self
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        on_this_task(|state| state.waits = state.waits.saturating_sub(1));
    }
}

impl Pulse {
    pub(super) fn new(partition: i32, offset: i64) -> Self {
        let state = State { step: "start", seen: Instant::now(), polled: false, waits: 0 };
        Self { partition, offset, state: Mutex::new(state) }
    }

    fn beat(&self, polled: bool) {
        let mut state = self.state();
        (state.seen, state.polled) = (Instant::now(), polled);
    }

    /// Why it counts as blocked: for `bound` since `awake` it has neither come back from a poll nor been polled, and does not mean to
    /// wait.
    pub(super) fn blocked(&self, now: Instant, awake: Instant, bound: Duration) -> Option<String> {
        let State { step, seen, polled, waits } = *self.state();
        let still = now.saturating_duration_since(seen.max(awake));
        if still < bound || (!polled && waits > 0) {
            return None;
        }
        let Self { partition, offset, .. } = self;
        let how = if polled { "blocks its thread" } else { "was not woken" };
        Some(format!("partition {partition}, offset {offset}, step {step}: {how} for {still:.1?}"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::future::pending;

    const BOUND: Duration = Duration::from_secs(10);

    /// What is said of work after its first poll, and after so many seconds.
    fn after(seconds: u64, work: impl Future<Output = ()>) -> Option<String> {
        let pulse = Arc::new(Pulse::new(3, 7));
        let begun = Instant::now();
        let mut work = pin!(beating(Arc::clone(&pulse), work));
        assert!(work.as_mut().now_or_never().is_none());
        pulse.blocked(begun + Duration::from_secs(seconds), begun, BOUND)
    }

    #[test]
    fn work_that_nobody_wakes_is_named_with_its_step_and_not_before_its_bound() {
        let stuck = || async {
            step("send");
            pending().await
        };
        assert_eq!(after(9, stuck()), None);
        let told = after(11, stuck()).expect("it is blocked");
        assert!(told.starts_with("partition 3, offset 7, step send: was not woken for 1"), "{told}");
    }

    #[test]
    fn who_means_to_wait_may_and_is_watched_again_afterwards() {
        assert_eq!(after(3600, meant(pending())), None);
        let told = after(11, async {
            meant(async {}).await;
            pending().await
        });
        assert!(told.is_some());
        let given_up = async {
            assert!(meant(pending::<()>()).now_or_never().is_none());
            pending().await
        };
        assert!(after(11, given_up).is_some(), "a wait that was dropped has ended");
    }

    #[test]
    fn a_thread_in_it_is_blocked_whatever_was_meant() {
        let pulse = Arc::new(Pulse::new(0, 0));
        let (inner, begun) = (Arc::clone(&pulse), Instant::now());
        let blocked = async move {
            let _waits = Waits::begin();
            inner.blocked(begun + 2 * BOUND, begun, BOUND)
        };
        let told = beating(pulse, blocked).now_or_never().flatten().expect("it is blocked");
        assert!(told.contains("blocks its thread"), "{told}");
    }

    #[test]
    fn a_process_that_slept_does_not_blame_its_work() {
        let pulse = Pulse::new(0, 0);
        let awake = Instant::now() + Duration::from_secs(3600);
        assert_eq!(pulse.blocked(awake + BOUND / 2, awake, BOUND), None);
    }
}
