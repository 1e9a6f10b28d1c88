//! Whoever comes late: to a lease that is over, or to an entry that somebody else has brought further.

use std::time::Duration;

use content_service::ledger::{End, Entry, PartEnd, State};
use proto::reply::Outcome;
use tokio::time::Instant;

use super::{Bench, end, part};
use crate::world::until;

#[tokio::test]
async fn after_the_lease_a_part_under_way_is_unknown_and_never_armed_again() {
    let bench = Bench::start().await;
    let (mine, place) = (&bench.mine, bench.place("e", "dead"));
    let mut dead = bench.reserve("e", "dead", 1, true).await;
    let finder = bench.place("e", "finder");
    let mut found = bench.reserve("e", "finder", 1, true).await;
    assert!(matches!(found.state, State::Elsewhere));
    bench.ledger.overdue(&finder, mine, &mut found, false).await.unwrap();
    assert!(matches!(found.state, State::Elsewhere), "the lease is not over");
    bench.clock.advance(Duration::from_secs(60));
    bench.ledger.overdue(&finder, mine, &mut found, false).await.unwrap();
    assert!(matches!(found.state, State::Elsewhere), "nor is it for somebody whose clock is ahead");
    bench.lapse("e").await;
    for _ in 0..2 {
        bench.ledger.overdue(&finder, mine, &mut found, false).await.unwrap();
        assert_eq!((found.state, found.reply.outcome()), (State::Settled, Outcome::Unknown));
    }
    bench.ledger.arm(&finder, mine, &mut found.clone()).await.unwrap();
    bench
        .ledger
        .settle(&place, mine, &mut dead, part(Outcome::Sent), end(Outcome::Sent), false)
        .await
        .unwrap();
    assert_eq!(dead.reply.outcome(), Outcome::Unknown, "who comes back too late learns what was published");
}

/// F12: two owners of one event; the first slept through its lease.
#[tokio::test]
async fn a_zombie_is_refused_every_transition() {
    let bench = Bench::start().await;
    let (mine, place, heir) = (&bench.mine, bench.place("e", "old/1/0/7"), bench.place("e", "new/2/0/7"));
    let zombie = bench.reserve("e", "old/1/0/7", 2, true).await;
    bench.lapse("e").await;
    let mut found = bench.reserve("e", "new/2/0/7", 2, true).await;
    bench.ledger.overdue(&heir, mine, &mut found, false).await.unwrap();
    let told = found.reply.clone();
    assert_eq!(
        (told.outcome(), bench.left().await),
        (Outcome::Unknown, 4),
        "the part behind it was not sent"
    );

    let (sent, ended) = (part(Outcome::Sent), end(Outcome::Sent));
    let mut each: Vec<Entry> = vec![zombie; 5];
    let ledger = &bench.ledger;
    ledger.arm(&place, mine, &mut each[0]).await.unwrap();
    ledger.not_sent(&place, mine, &mut each[1]).await.unwrap();
    ledger.next_part(&place, mine, &mut each[2], sent).await.unwrap();
    ledger.settle(&place, mine, &mut each[3], sent, ended.clone(), false).await.unwrap();
    ledger.give_up(&place, mine, &mut each[4], None, ended).await.unwrap();
    for entry in each {
        assert_eq!((entry.state, entry.reply), (State::Settled, told.clone()));
    }
    assert_eq!(bench.left().await, 4);
}

/// What the repeat of a step is told once somebody else has acted after its answer was lost: where the entry is now.
#[tokio::test]
async fn a_repeat_that_comes_after_somebody_else_is_told_what_became_of_it() {
    let bench = Bench::start().await;
    let (mine, ledger) = (&bench.mine, &bench.ledger);
    let (unknown, sent) = (PartEnd { unknown: 1, ..part(Outcome::Unknown) }, part(Outcome::Sent));

    let (place, heir) = (bench.place("next", "me"), bench.place("next", "heir"));
    let before = bench.reserve("next", "me", 2, true).await;
    ledger.next_part(&place, mine, &mut before.clone(), sent).await.unwrap();
    bench.lapse("next").await;
    let mut found = bench.reserve("next", "heir", 2, true).await;
    ledger.next_part(&place, mine, &mut before.clone(), sent).await.unwrap();
    ledger.overdue(&heir, mine, &mut found, false).await.unwrap();
    assert_eq!(found.state, State::Elsewhere, "the repeat has begun the lease anew, and bytes may leave");
    bench.lapse("next").await;
    ledger.overdue(&heir, mine, &mut found, false).await.unwrap();
    let mut late = before.clone();
    ledger.next_part(&place, mine, &mut late, sent).await.unwrap();
    assert_eq!((late.state, &late.reply), (State::Settled, &found.reply), "no byte leaves after the end");

    for (event, again) in [("back", false), ("again", true)] {
        let place = bench.place(event, "me");
        let before = bench.ledger.reserve(&place, mine, bench.granted(event, 1), true).await.unwrap();
        let step = async || {
            let mut entry = before.clone();
            if again {
                ledger.unknown(&place, mine, &mut entry, unknown, end(Outcome::Unknown), true).await.unwrap();
            } else {
                ledger.not_sent(&place, mine, &mut entry).await.unwrap();
            }
            entry
        };
        assert_eq!(step().await.state, State::Reserved);
        let mut other = bench.reserve(event, "heir", 1, false).await;
        ledger.arm(&bench.place(event, "heir"), mine, &mut other).await.unwrap();
        assert!(matches!(other.state, State::Armed(_)));
        let late = step().await;
        assert_eq!((late.state, late.end, late.again), (State::Elsewhere, None, again), "{event}");
    }

    let before = bench.reserve("reserve", "me", 2, true).await;
    assert!(matches!(before.state, State::Armed(_)));
    bench.lapse("reserve").await;
    let mut found = bench.reserve("reserve", "heir", 2, true).await;
    ledger.overdue(&bench.place("reserve", "heir"), mine, &mut found, false).await.unwrap();
    let late = bench.reserve("reserve", "me", 2, true).await;
    assert_eq!((late.state, &late.reply), (State::Settled, &found.reply), "one and the same is published");
    assert_eq!(late.reply.parts[0].outcome(), Outcome::Unknown);

    let place = bench.place("given up", "me");
    let before = bench.reserve("given up", "me", 1, true).await;
    let unsure = async || {
        let mut entry = before.clone();
        ledger.unknown(&place, mine, &mut entry, unknown, end(Outcome::Unknown), true).await.unwrap();
        entry
    };
    let mut other = unsure().await;
    let given_up = End { reason: "given up".to_owned(), ..end(Outcome::Expired) };
    ledger.give_up(&bench.place("given up", "heir"), mine, &mut other, None, given_up).await.unwrap();
    assert_eq!(unsure().await.reply, other.reply, "all are told the same end");
}

/// The clock of Redis steps back: by it the lease of a dead owner has an hour to go.
#[tokio::test]
async fn whoever_has_seen_an_attempt_for_a_whole_lease_needs_no_clock_of_redis() {
    let bench = Bench::start().await;
    let lease = Duration::from_millis(200);
    let (finder, place, mine) = (bench.finder(lease), bench.place("e", "finder"), &bench.mine);
    bench.reserve("e", "dead", 1, true).await;
    let hour_ms = bench.clock.now_ms() + 3_600_000;
    bench.lease_ends("e", hour_ms).await;
    let mut found = finder.reserve(&place, mine, bench.granted("e", 1), true).await.unwrap();
    let waits = async || {
        let since = Instant::now();
        until("a lease has passed", async || since.elapsed() > lease).await;
    };
    waits().await;
    bench.lease_ends("e", hour_ms + 1).await;
    finder.overdue(&place, mine, &mut found, false).await.unwrap();
    assert_eq!(found.state, State::Elsewhere, "it was begun anew meanwhile");
    finder.overdue(&place, mine, &mut found, false).await.unwrap();
    assert_eq!(found.state, State::Elsewhere, "it is not seen for a whole lease");
    waits().await;
    finder.overdue(&place, mine, &mut found, false).await.unwrap();
    assert_eq!((found.state, found.reply.outcome()), (State::Settled, Outcome::Unknown));
}
