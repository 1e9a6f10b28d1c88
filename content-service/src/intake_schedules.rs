//! Every order in which records can be taken, left behind and ended, with a rewind or a partition that is given up in between.
//!
//! The intake is pure behind one lock, so the order of its calls is all the concurrency there is: orders are walked through
//! exhaustively here, which says more than threads under `loom` would, on the code as it is.

use super::model::{Disturbance, Log, Run};

/// Walks through all choices: each run repeats the prefix of the one before it and differs in its last choice that can.
#[derive(Default)]
pub(super) struct Choices {
    made: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    pub(super) fn pick(&mut self, options: usize) -> usize {
        if self.at == self.made.len() {
            self.made.push((0, options));
        }
        self.at += 1;
        self.made[self.at - 1].0
    }

    /// Goes on to the next run; `false`: there is none.
    fn next(&mut self) -> bool {
        self.at = 0;
        while self.made.last().is_some_and(|(chosen, options)| chosen + 1 == *options) {
            self.made.pop();
        }
        self.made.last_mut().map(|last| last.0 += 1).is_some()
    }
}

const LONG: Log = [&["u", "v", "u"], &["w", "w"]];
const DEEP: Log = [&["u", "v", "u"], &[]];
const HOT: Log = [&["u", "u", "u", "u"], &[]];
const SLOW: Log = [&["u", "v", "u", "u"], &[]];
const WIDE: Log = [&["u", "v"], &["w"]];

/// Every order of what `run` begins; the number of orders, and the sum of what each comes to.
fn orders(mut run: impl FnMut() -> Run, of: fn(&Run) -> usize) -> (usize, usize) {
    let (mut choices, mut orders, mut sum) = (Choices::default(), 0, 0);
    loop {
        sum += of(&run().ends(&mut choices));
        orders += 1;
        if !choices.next() {
            return (orders, sum);
        }
    }
}

fn walk(log: Log, disturbance: Disturbance, places: usize) -> usize {
    orders(|| Run::new(log, disturbance, places), |_| 0).0
}

#[test]
fn in_every_order_users_keep_theirs_and_the_marks_pass_nothing_undone() {
    let orders = [9, 2, 1].map(|places| walk(LONG, Disturbance::None, places));
    assert!(orders.iter().all(|orders| *orders > 50), "{orders:?}");
}

#[test]
fn with_users_of_whom_only_one_event_may_wait_too() {
    let superseded = [Disturbance::None, Disturbance::GivenUp].map(|disturbance| {
        let hot = || {
            let mut run = Run::new(HOT, disturbance, 2);
            run.intake.longest_lane = 1;
            run
        };
        orders(hot, |run| run.superseded).1
    });
    assert!(superseded.iter().all(|superseded| *superseded > 5), "{superseded:?}");
}

#[test]
fn with_a_rewind_in_every_place_too() {
    let orders = [DEEP, WIDE].map(|log| walk(log, Disturbance::Rewind(1), 9));
    assert!(orders.iter().all(|orders| *orders > 100), "{orders:?}");
}

#[test]
fn with_a_partition_that_is_given_up_anywhere_and_comes_back_too() {
    let orders = [DEEP, WIDE].map(|log| walk(log, Disturbance::GivenUp, 9));
    assert!(orders.iter().all(|orders| *orders > 100), "{orders:?}");
}

#[test]
fn with_an_account_that_is_left_behind_too() {
    for (log, disturbance) in [
        (SLOW, Disturbance::None),
        (SLOW, Disturbance::Retention),
        (DEEP, Disturbance::Rewind(1)),
        (SLOW, Disturbance::Rewind(3)),
        (DEEP, Disturbance::GivenUp),
    ] {
        let (orders, again) = orders(|| Run::cramped(log, disturbance), |run| run.again);
        assert!(orders > 100 && again > 100, "{orders} orders, read again {again} times");
    }
}
