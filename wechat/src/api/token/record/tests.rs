//! What several replicas make of one token, in every order.

use super::*;

const T0: i64 = 1_800_000_000_000;
const ME: u64 = 1;
const OTHER: u64 = 2;

fn refused(token: &str, errcode: i32) -> Refused {
    Refused { token: token.to_owned(), errcode }
}

fn away() -> TokenError {
    TokenError::Unreachable("away".to_owned())
}

#[test]
fn a_token_is_renewed_before_its_end_and_not_at_once() {
    let kept = |seconds| Record::default().given("T".to_owned(), seconds, T0).renew_at_ms - T0;
    let kept = [0, 1, 300, 345, 7200, u64::MAX].map(kept);
    assert_eq!(kept, [0, 500, 150_000, 172_500, 6_960_000, 6_960_000]);
}

#[test]
fn one_fetches_and_the_others_use_the_old_one_or_wait() {
    let none = Record::default();
    assert_eq!(none.turn(ME, None, T0), Turn::Fetch);
    let fetching = none.fetching(ME, T0);
    assert_eq!(fetching.turn(OTHER, None, T0 + 1_000), Turn::Wait(9_000));
    assert_eq!(fetching.turn(ME, None, T0 + 1_000), Turn::Fetch, "our own fetch was given up");
    assert_eq!(fetching.turn(OTHER, None, T0 + 10_000), Turn::Fetch, "whoever fetched has died");
    let given = fetching.given("T1".to_owned(), 7_200, T0);
    assert_eq!(given.turn(OTHER, None, T0 + 6_959_999), Turn::Use);
    assert_eq!(given.turn(OTHER, None, T0 + 6_960_000), Turn::Fetch);
    let renewing = given.fetching(ME, T0 + 6_960_000);
    assert_eq!(renewing.turn(OTHER, None, T0 + 6_960_001), Turn::Use, "it is valid for four minutes more");
}

#[test]
fn a_refused_token_is_fetched_again_once_and_not_by_who_held_an_older_one() {
    let given = Record::default().given("T2".to_owned(), 7_200, T0);
    assert_eq!(given.turn(ME, Some(&refused("T2", 42_001)), T0 + 200), Turn::Fetch);
    assert_eq!(given.turn(ME, Some(&refused("T2", 42_001)), T0 + 40), Turn::Wait(60));
    assert_eq!(given.turn(ME, Some(&refused("T1", 40_001)), T0 + 200), Turn::Use);
}

#[test]
fn a_token_that_is_replaced_again_and_again_is_fetched_twice_in_a_minute() {
    let twice =
        Record::default().given("T1".to_owned(), 7_200, T0).given("T2".to_owned(), 7_200, T0 + 10_000);
    let replaced = refused("T2", REPLACED);
    assert_eq!(twice.turn(ME, Some(&replaced), T0 + 59_999), Turn::Use);
    assert_eq!(twice.turn(ME, Some(&replaced), T0 + 60_000), Turn::Fetch);
    assert_eq!(twice.turn(ME, Some(&refused("T2", 42_001)), T0 + 20_000), Turn::Fetch, "it has expired");
}

#[test]
fn a_token_that_is_refused_and_given_again_is_fetched_twice_in_a_minute_whatever_the_code() {
    let given = |record: Record, at_ms| record.given("T".to_owned(), 7_200, at_ms);
    let same = given(given(Record::default(), T0), T0 + 1_000);
    for errcode in [42_001, 40_014, REPLACED] {
        let refused = refused("T", errcode);
        assert_eq!(same.turn(ME, Some(&refused), T0 + 59_999), Turn::Use, "{errcode}");
        assert_eq!(same.turn(ME, Some(&refused), T0 + 60_000), Turn::Fetch, "{errcode}");
    }
}

#[test]
fn while_the_endpoint_fails_it_is_left_alone_and_a_valid_token_serves() {
    let pauses = [1, 2, 3, 4, u32::MAX].map(pause_after);
    assert_eq!(pauses, [1_000, 2_000, 4_000, 5_000, 5_000]);
    let failed = Record::default().failed(away(), T0);
    assert_eq!(failed.turn(OTHER, None, T0 + 999), Turn::Fail(away()));
    assert_eq!(failed.turn(OTHER, None, T0 + 1_000), Turn::Fetch);
    assert_eq!(failed.failed(away(), T0).turn(ME, None, T0 + 1_999), Turn::Fail(away()));
    let late = Record::default().given("T".to_owned(), 7_200, T0).failed(away(), T0 + 6_960_000);
    assert_eq!(late.turn(ME, None, T0 + 6_960_500), Turn::Use);
    let over = late.failed(away(), T0 + 7_199_000);
    assert_eq!(over.turn(ME, None, T0 + 7_200_000), Turn::Fail(away()));
}

#[test]
fn what_a_wrong_clock_wrote_holds_nobody_up() {
    let day = 86_400_000;
    let from_tomorrow = Record::default().failed(away(), T0 + day).fetching(OTHER, T0 + day);
    assert_eq!(from_tomorrow.turn(ME, None, T0), Turn::Fetch);
    let given = Record::default().given("T".to_owned(), 7_200, T0 + day);
    assert_eq!(given.turn(ME, None, T0), Turn::Fetch);
}
