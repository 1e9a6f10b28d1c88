//! What stops an account, who may try it, and what opens it again.

use futures::FutureExt as _;

use super::*;

const T0: i64 = 1_800_000_000_000;

fn breaker() -> Breaker {
    Breaker::new(Arc::default())
}

fn stopped(breaker: &Breaker, stop: &Stop) -> Option<Stop> {
    breaker.hear(&Word::Stopped { errcode: 48_001, stop: stop.clone() }, "o", None, T0)
}

#[test]
fn the_longer_stop_holds_and_is_told_once() {
    let (breaker, day) = (breaker(), Stop { probe_ms: T0 + 60_000, ..Stop::until(T0 + 9_000_000, "day") });
    let minute = Stop::until(T0 + 70_000, "minute");
    assert_eq!(stopped(&breaker, &day), Some(day.clone()));
    assert_eq!(stopped(&breaker, &minute), None, "it is stopped already");
    let both = Stop { probe_ms: T0 + 70_000, ..day };
    assert_eq!(breaker.held(), Some(both.clone()));
    assert_eq!(breaker.stopped(T0 + 69_999), Some(both.clone()));
    assert_eq!(breaker.stopped(T0 + 70_000), None, "one may try");
    assert_eq!(breaker.news(), Some(News::Stopped(both)));
}

#[test]
fn only_the_event_that_tries_lifts_a_stop() {
    let (breaker, stop) = (breaker(), Stop::until(T0 + 60_000, "errcode 48001"));
    stopped(&breaker, &stop);
    breaker.hear(&Word::Open, "o", None, T0 + 1);
    assert_eq!(breaker.held(), Some(stop), "it was under way when the account was stopped");
    breaker.hear(&Word::Open, "o", Some(T0), T0 + 1);
    assert!(breaker.held().is_some(), "the account was stopped once more since it took its right");
    breaker.hear(&Word::Open, "o", Some(T0 + 60_000), T0 + 60_001);
    assert_eq!((breaker.held(), breaker.news()), (None, Some(News::Lifted { probe_ms: T0 + 60_000 })));
}

#[test]
fn what_happened_here_is_not_overwritten_by_what_others_do_not_know_yet() {
    let (breaker, stop) = (breaker(), Stop::until(T0 + 60_000, "errcode 48001"));
    stopped(&breaker, &stop);
    breaker.learn(None, T0);
    assert_eq!(breaker.held(), Some(stop.clone()));
    breaker.told(&News::Lifted { probe_ms: 0 });
    breaker.told(&News::Stopped(stop));
    breaker.learn(None, T0);
    assert_eq!((breaker.held(), breaker.news()), (None, None));
}

#[test]
fn a_stop_that_another_replica_met_is_new_here_once() {
    let (breaker, stop) = (breaker(), Stop::for_code(T0 + 60_000, 48_001));
    assert_eq!(breaker.learn(Some(stop.clone()), T0), Some(stop.clone()));
    assert_eq!(breaker.learn(Some(stop.clone()), T0), None);
    let tried = Stop { probe_ms: T0 + 120_000, until_ms: T0 + 120_000, ..stop.clone() };
    assert_eq!(breaker.learn(Some(tried.clone()), T0), None, "it was tried once more");
    assert_eq!(breaker.held(), Some(tried));
    let other = Stop::for_code(T0 + 120_000, 45_009);
    assert_eq!(breaker.learn(Some(other.clone()), T0), Some(other.clone()));
    let later = [(other, None), (stop.clone(), Some(stop))];
    for (known, told) in later {
        assert_eq!(Breaker::new(Arc::default()).learn(Some(known), T0 + 120_000), told, "only what lasts");
    }
}

#[test]
fn a_right_that_was_not_used_goes_back_unless_it_is_no_longer_the_last() {
    let breaker = breaker();
    breaker.learn(Some(Stop::for_code(T0 + 60_000, 48_001)), T0);
    breaker.give_back(T0, T0 + 1);
    assert!(breaker.stopped(T0 + 1).is_some(), "another has taken it since");
    breaker.give_back(T0 + 60_000, T0 + 1);
    assert_eq!(breaker.stopped(T0 + 1), None, "one may try");
    assert_eq!(breaker.news(), Some(News::Returned { probe_ms: T0 + 60_000, now_ms: T0 + 1 }));
}

#[test]
fn a_platform_out_of_reach_stops_the_account_after_sixteen_events_in_a_row() {
    let breaker = breaker();
    let word = Word::Unreached { errcode: None, why: "away".into() };
    let fail = || breaker.hear(&word, "o", None, T0);
    assert_eq!((0..15).filter_map(|_| fail()).count(), 0);
    for answer in [Word::Open, Word::Answered] {
        breaker.hear(&answer, "o", None, T0);
        assert_eq!((0..15).filter_map(|_| fail()).count(), 0, "{answer:?} ends the run");
    }
    assert_eq!(fail(), Some(Stop::unreached(T0, "away")));
}

#[test]
fn a_platform_that_answers_lifts_a_stop_for_its_silence_and_no_other() {
    for (stop, lifted) in [(Stop::unreached(T0, "away"), true), (Stop::for_code(T0 + 10_000, 48_001), false)]
    {
        let (breaker, probe_ms) = (breaker(), stop.probe_ms);
        breaker.learn(Some(stop), T0);
        breaker.hear(&Word::Answered, "o", None, probe_ms);
        assert!(breaker.held().is_some(), "only who tries lifts it");
        breaker.hear(&Word::Answered, "o", Some(probe_ms), probe_ms);
        assert_eq!(breaker.held().is_none(), lifted);
        assert!(!breaker.was_open(), "it is not known that it may send");
    }
}

#[test]
fn five_limited_users_in_a_row_are_a_limited_account_and_one_user_is_not() {
    let breaker = breaker();
    let limited = |user: &str| breaker.hear(&Word::Limited, user, None, T0);
    assert!((0..20).all(|_| limited("the same").is_none()));
    breaker.hear(&Word::Open, "o", None, T0);
    assert!(["a", "b", "c", "d"].iter().all(|user| limited(user).is_none()));
    breaker.hear(&Word::Answered, "o", None, T0);
    let stops: Vec<bool> = ["a", "b", "c", "d", "e"].map(|user| limited(user).is_some()).into();
    assert_eq!(stops, [false, false, false, false, true]);
}

#[test]
fn who_waits_hears_of_a_stop_that_came_before_he_listened_and_of_its_end() {
    let (breaker, stop) = (breaker(), Stop::until(T0 + 60_000, "errcode 48001"));
    assert!(breaker.until_stopped(|| T0).now_or_never().is_none());
    stopped(&breaker, &stop);
    assert!(breaker.until_stopped(|| T0).now_or_never().is_some());
    assert!(breaker.until_over(&stop.why).now_or_never().is_none());
    breaker.learn(Some(stop.clone()), T0);
    assert!(breaker.until_over("errcode 45011").now_or_never().is_some(), "it is another stop");
    breaker.hear(&Word::Open, "o", Some(T0 + 60_000), T0);
    assert!(breaker.until_over(&stop.why).now_or_never().is_some());
}
