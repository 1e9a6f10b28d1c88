//! What the ledger takes out of a user's right, where the platform has changed that meanwhile.

use content_service::ledger::{Granted, PartEnd, Proposal, State};
use proto::reply::Outcome;

use super::{Bench, end, part, proposal};

#[tokio::test]
async fn who_leaves_has_no_right_and_what_is_under_way_still_counts_when_they_are_back() {
    let bench = Bench::start().await;
    let (mine, flying) = (&bench.mine, bench.place("e", "me"));
    let mut entry = bench.reserve("e", "me", 1, true).await;
    assert_eq!(bench.left().await, 4);
    let leaves = Proposal { revokes: true, end: Some(end(Outcome::Suppressed)), ..proposal("leaves", 0) };
    for _ in 0..2 {
        let left = bench.ledger.reserve(&bench.place("leaves", "me"), mine, leaves.clone(), false).await;
        assert_eq!((left.unwrap().state, bench.left().await), (State::Settled, 0));
    }
    let poor = bench.ledger.reserve(&bench.place("poor", "me"), mine, proposal("poor", 1), true).await;
    assert_eq!(poor.unwrap().end.unwrap().reason, "send right lapsed");

    let since_ms = bench.clock.now_ms();
    let granted = Some(Granted { name: "subscribe", messages: 3, since_ms, until_ms: since_ms + 57_000 });
    let back = Proposal { granted, ..proposal("back", 3) };
    let back = bench.ledger.reserve(&bench.place("back", "me"), mine, back, true).await;
    assert_eq!(back.unwrap().end.unwrap().reason, "send right used up", "one of three is out");
    let (part, end) = (part(Outcome::Sent), end(Outcome::Sent));
    bench.ledger.settle(&flying, mine, &mut entry, part, end, false).await.unwrap();
    let rest = bench.ledger.reserve(&bench.place("rest", "me"), mine, proposal("rest", 2), false).await;
    assert_eq!((rest.unwrap().state, bench.left().await), (State::Reserved, 0));
}

/// This machine's clock is two and a half seconds behind that of the platform.
#[tokio::test]
async fn what_was_sent_after_an_action_counts_also_where_the_clock_is_behind() {
    let bench = Bench::start().await;
    let (mine, behind_ms) = (&bench.mine, 2_500);
    let acts = async |event: &str, parts, acted_ms| {
        let (name, messages, since_ms) = ("menu", 3, acted_ms);
        let granted = Some(Granted { name, messages, since_ms, until_ms: acted_ms + 57_000 });
        let proposal = Proposal { granted, ..proposal(event, parts) };
        bench.ledger.reserve(&bench.place(event, "me"), mine, proposal, true).await.unwrap()
    };
    let now_ms = bench.clock.now_ms();
    let platform_ms = now_ms + behind_ms;
    let mut first = acts("first", 1, platform_ms).await;
    // The user acts again, and only then the answer to the first arrives.
    let (sent, ended) = (PartEnd { at_ms: now_ms + 1, ..part(Outcome::Sent) }, end(Outcome::Sent));
    bench.ledger.settle(&bench.place("first", "me"), mine, &mut first, sent, ended, false).await.unwrap();
    let second = acts("second", 3, platform_ms).await;
    assert_eq!(second.end.unwrap().reason, "send right used up", "the platform gives two more");
    assert!(matches!(acts("third", 2, platform_ms).await.state, State::Armed(_)));
}

#[tokio::test]
async fn a_time_before_all_times_is_no_more_than_a_right_that_has_lapsed() {
    let bench = Bench::start().await;
    let now_ms = bench.clock.now_ms();
    for (event, since_ms) in [("ahead", now_ms + 2_500), ("hostile", i64::MIN)] {
        let granted = Some(Granted { name: "menu", messages: 3, since_ms, until_ms: now_ms - 1 });
        let proposal = Proposal { granted, ..proposal(event, 1) };
        let entry = bench.ledger.reserve(&bench.place(event, "me"), &bench.mine, proposal, true).await;
        assert_eq!(entry.unwrap().end.unwrap().reason, "send right lapsed", "{event}");
    }
}
