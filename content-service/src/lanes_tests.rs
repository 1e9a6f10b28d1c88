//! What lanes promise, on random schedules.

use super::*;
use proptest::prelude::*;

fn key(user: usize) -> LaneKey {
    Bytes::from(format!("wx{}:o{user}", account_of(user)))
}

fn account_of(user: usize) -> usize {
    user % 3
}

#[test]
fn an_account_at_its_bound_leaves_room_for_the_others() {
    let mut lanes = Lanes::new(2, Bounds { total: 4, per_account: 2 });
    for user in 0..8 {
        lanes.push(0, &Bytes::from(format!("a{user}")), ("a", user));
    }
    lanes.push(1, &Bytes::from_static(b"b"), ("b", 0));
    let started: Vec<_> = std::iter::from_fn(|| lanes.start()).collect();
    assert_eq!(started, [("a", 0), ("b", 0), ("a", 1)]);
    lanes.finish(&Bytes::from_static(b"a1"));
    assert_eq!(lanes.start(), Some(("a", 2)));
    assert_eq!(lanes.start(), None);
}

#[test]
fn forgotten_work_does_not_run_and_its_lane_goes_on() {
    let mut lanes = Lanes::new(1, Bounds { total: 9, per_account: 9 });
    let (one, two) = (Bytes::from_static(b"1"), Bytes::from_static(b"2"));
    lanes.push(0, &one, 10);
    assert_eq!(lanes.start(), Some(10));
    lanes.push(0, &one, 11);
    lanes.push(0, &two, 20);
    lanes.forget(|work| *work != 10);
    lanes.push(0, &one, 12);
    assert_eq!(lanes.start(), None, "10 still runs in lane 1, and lane 2 has been emptied");
    lanes.finish(&one);
    assert_eq!(lanes.start(), Some(12));
    lanes.finish(&one);
    assert!(lanes.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Next,
    Finish(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..7).prop_map(Step::Push),
        3 => Just(Step::Next),
        2 => any::<prop::sample::Index>().prop_map(Step::Finish),
    ]
}

proptest! {
    #[test]
    fn users_stay_in_order_bounds_hold_and_nothing_is_lost(
        steps in proptest::collection::vec(step(), 0..200), total in 1usize..6, per_account in 1usize..4,
    ) {
        let mut lanes = Lanes::new(3, Bounds { total, per_account });
        let (mut pushed, mut running, mut ended) = (0usize, Vec::<(usize, usize)>::new(), Vec::new());
        let check = |running: &[(usize, usize)], number: usize, user: usize| -> Result<(), TestCaseError> {
            prop_assert!(running.iter().all(|(other, _)| *other != user), "one at a time per user");
            prop_assert!(running.len() < total);
            prop_assert!(running.iter().filter(|(other, _)| account_of(*other) == account_of(user)).count() < per_account);
            let _ = number;
            Ok(())
        };
        for step in steps {
            match step {
                Step::Push(user) => { lanes.push(account_of(user), &key(user), (user, pushed)); pushed += 1; }
                Step::Next => if let Some((user, number)) = lanes.start() {
                    check(&running, number, user)?;
                    running.push((user, number));
                },
                Step::Finish(pick) => if !running.is_empty() {
                    let (user, number) = running.remove(pick.index(running.len()));
                    lanes.finish(&key(user));
                    ended.push((user, number));
                },
            }
            prop_assert_eq!(lanes.running(), running.len());
        }
        loop {
            while let Some(work) = lanes.start() { running.push(work); }
            let Some((user, number)) = running.pop() else { break };
            lanes.finish(&key(user));
            ended.push((user, number));
        }
        prop_assert!(lanes.is_empty());
        prop_assert_eq!(ended.len(), pushed);
        for user in 0..7 {
            let numbers: Vec<_> = ended.iter().filter(|(other, _)| *other == user).map(|(_, number)| *number).collect();
            prop_assert!(numbers.is_sorted(), "user {} out of order: {:?}", user, numbers);
        }
    }
}
