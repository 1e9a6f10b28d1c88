//! What lanes promise, on random schedules.

use super::*;
use proptest::prelude::*;

fn key(user: usize) -> LaneKey {
    Bytes::from(format!("wx{}:o{user}", account_of(user)))
}

fn account_of(user: usize) -> usize {
    user % 3
}

fn lane(account: usize, user: usize) -> LaneKey {
    Bytes::from(format!("{account}:{user}"))
}

/// Everything that may start does.
fn started<W>(lanes: &mut Lanes<W>) -> Vec<W> {
    std::iter::from_fn(|| lanes.start()).collect()
}

#[test]
fn an_account_alone_has_all_places_but_those_of_the_others() {
    let mut lanes = Lanes::new(3, Bounds::divide(24, 3));
    (0..99).for_each(|user| lanes.push(0, &lane(0, user), (0, user)));
    assert_eq!(started(&mut lanes).len(), 22);
    lanes.push(2, &lane(2, 0), (2, 0));
    assert_eq!(started(&mut lanes), [(2, 0)], "its own place");
    lanes.finish(&lane(0, 5));
    assert_eq!(started(&mut lanes).len(), 1);
}

#[test]
fn an_eighth_of_the_places_is_kept_and_never_less_than_one_for_each() {
    let divided = |total, accounts| {
        let Bounds { own, shared } = Bounds::divide(total, accounts);
        (own, shared)
    };
    assert_eq!(divided(256, 1), (0, 256));
    assert_eq!(divided(256, 3), (10, 226));
    assert_eq!(divided(256, 200), (1, 56));
    assert_eq!(divided(2, 2), (1, 0));
}

#[test]
fn forgotten_work_does_not_run_and_its_lane_goes_on() {
    let mut lanes = Lanes::new(1, Bounds::divide(9, 1));
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
    Replace(usize),
    Next,
    Finish(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..7).prop_map(Step::Push),
        1 => (0usize..7).prop_map(Step::Replace),
        3 => Just(Step::Next),
        2 => any::<prop::sample::Index>().prop_map(Step::Finish),
    ]
}

proptest! {
    /// Sick accounts take what they can get and never end anything; whatever the healthy one has to do is done all the same.
    #[test]
    fn a_healthy_account_goes_on_beside_any_number_of_sick_ones(
        total in 1usize..40, sick in 0usize..39, before in 0usize..20, steps in proptest::collection::vec(0usize..60, 0..120),
    ) {
        let sick = sick.min(total - 1);
        let healthy = sick;
        let mut lanes = Lanes::new(sick + 1, Bounds::divide(total, sick + 1));
        for user in 0..before {
            lanes.push(healthy, &lane(healthy, user), (healthy, user));
        }
        let (mut mine, mut done, mut pushed) = (Vec::new(), 0, before);
        for step in steps {
            match step {
                0..20 => { lanes.push(healthy, &lane(healthy, pushed), (healthy, pushed)); pushed += 1; }
                step if sick > 0 => lanes.push(step % sick, &lane(step % sick, step), (step % sick, step)),
                _ => {}
            }
            mine.extend(started(&mut lanes).into_iter().filter(|(account, _)| *account == healthy));
            prop_assert!(lanes.running() <= total);
            if step % 3 == 0 && let Some((_, user)) = mine.pop() { lanes.finish(&lane(healthy, user)); done += 1; }
        }
        while done < pushed {
            mine.extend(started(&mut lanes).into_iter().filter(|(account, _)| *account == healthy));
            let Some((_, user)) = mine.pop() else { panic!("{} of {pushed} are left and nothing may start", pushed - done) };
            lanes.finish(&lane(healthy, user));
            done += 1;
        }
    }

    #[test]
    fn users_stay_in_order_bounds_hold_and_nothing_is_lost(
        steps in proptest::collection::vec(step(), 0..200), own in 0usize..3, shared in 1usize..6,
    ) {
        let mut lanes = Lanes::new(3, Bounds { own, shared });
        let (mut pushed, mut replaced, mut running, mut ended) = (0usize, 0usize, Vec::<(usize, usize)>::new(), Vec::new());
        let check = |running: &[(usize, usize)], user: usize| -> Result<(), TestCaseError> {
            prop_assert!(running.iter().all(|(other, _)| *other != user), "one at a time per user");
            prop_assert!(running.len() < shared + 3 * own);
            prop_assert!(running.iter().filter(|(other, _)| account_of(*other) == account_of(user)).count() < shared + own);
            Ok(())
        };
        for step in steps {
            match step {
                Step::Push(user) => { lanes.push(account_of(user), &key(user), (user, pushed)); pushed += 1; }
                Step::Replace(user) => {
                    replaced += usize::from(lanes.replace(account_of(user), &key(user), (user, pushed), |_| true).is_some());
                    pushed += 1;
                }
                Step::Next => if let Some((user, number)) = lanes.start() {
                    check(&running, user)?;
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
        prop_assert_eq!(ended.len() + replaced, pushed);
        for user in 0..7 {
            let numbers: Vec<_> = ended.iter().filter(|(other, _)| *other == user).map(|(_, number)| *number).collect();
            prop_assert!(numbers.is_sorted(), "user {} out of order: {:?}", user, numbers);
        }
    }
}
