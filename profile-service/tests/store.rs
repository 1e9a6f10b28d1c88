//! The store on a real Redis: exactly once under several writers, one round trip, deadlines, forgetting.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use profile_service::{
    people::{Error, People},
    store::Store,
};
use proto::{
    event::{Unsubscribed, event::Kind},
    profile::{Shown, UpdateRequest},
};
use runtime::clock::Clock;
use support::{
    THEN, by_card, by_user, card, clicked, entered, event, in_time, purchase, redis::Server, user,
};

const CACHE: u64 = 1 << 20;
const DEADLINE: Duration = Duration::from_millis(100);

/// One process's worth of the service.
fn people(server: &Server, cache_bytes: u64) -> Arc<People> {
    let store = Store::new(server.connect(), DEADLINE, cache_bytes);
    Arc::new(People::new(store, Clock::system()))
}

async fn write_all(people: Arc<People>, writer: &str, together: bool) {
    let write = |n: i64| {
        let event = clicked(&format!("{writer}-{n}"), "o1", THEN + n, "taiwan");
        let people = Arc::clone(&people);
        async move {
            // Whoever delivers events tries again.
            while people.enrich(&event, &[]).await.is_err() {}
        }
    };
    if together {
        futures::future::join_all((0..200).map(write)).await;
    } else {
        for n in 0..200 {
            write(n).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_at_once_learn_every_id_exactly_once() {
    for together in [false, true] {
        let server = Server::start().await;
        let (one, two) = (people(&server, CACHE), people(&server, CACHE));
        // Each event is delivered to both, and each has some of its own.
        tokio::join!(
            write_all(Arc::clone(&one), "shared", together),
            write_all(Arc::clone(&two), "shared", together),
        );
        let profile = one.get(by_user("o1").as_ref()).await.unwrap();
        assert_eq!((profile.version, profile.applied.len()), (200, 200));
        assert!((profile.tastes[0].value - 200.0).abs() < 1e-3, "{}", profile.tastes[0].value);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_with_their_own_events_lose_none() {
    let server = Server::start().await;
    let (one, two) = (people(&server, CACHE), people(&server, CACHE));
    tokio::join!(write_all(Arc::clone(&one), "one", false), write_all(two, "two", false));
    let profile = one.get(by_user("o1").as_ref()).await.unwrap();
    assert_eq!(profile.version, 400);
    assert!((profile.tastes[0].value - 400.0).abs() < 1e-3, "{}", profile.tastes[0].value);
}

#[tokio::test]
async fn the_good_path_costs_one_round_trip() {
    let server = Server::start().await;
    let people = people(&server, CACHE);
    people.enrich(&entered("warm", "o0", THEN), &[]).await.unwrap();
    let trips = || people.store().trips();

    let before = trips();
    people.enrich(&entered("e1", "o1", THEN), &[]).await.unwrap();
    assert_eq!(trips() - before, 1, "somebody new");
    people.enrich(&entered("e2", "o1", THEN + 1), &[]).await.unwrap();
    assert_eq!(trips() - before, 2, "somebody known");
    let shown = Shown { id: "e2:shown".into(), user: Some(user("o1")), at_ms: THEN, ..Shown::default() };
    assert!(people.record_shown(&shown).await.unwrap().applied);
    assert_eq!(trips() - before, 3, "what was shown");
    assert!(!people.record_shown(&shown).await.unwrap().applied);
    assert_eq!(trips() - before, 4, "a repeat is read, not remembered");
}

#[tokio::test]
async fn somebody_forgotten_by_the_cache_costs_two() {
    let server = Server::start().await;
    people(&server, CACHE).enrich(&entered("e1", "o1", THEN), &[]).await.unwrap();
    let other = people(&server, 0);
    let enrichment = other.enrich(&entered("e2", "o1", THEN + 1), &[]).await.unwrap();
    assert_eq!((other.store().trips(), enrichment.profile.unwrap().version), (2, 2));
}

#[tokio::test]
async fn a_repeat_is_answered_with_what_another_process_has_learned_since() {
    let server = Server::start().await;
    let (one, two) = (people(&server, CACHE), people(&server, CACHE));
    one.enrich(&entered("e1", "o1", THEN), &[]).await.unwrap();
    two.enrich(&clicked("e2", "o1", THEN + 1, "kuytun"), &[]).await.unwrap();
    let again = one.enrich(&entered("e1", "o1", THEN), &[]).await.unwrap();
    assert!(again.visit_started, "the event started the visit, whenever it is asked");
    assert_eq!(again.profile.unwrap().tastes.len(), 1);
}

#[tokio::test]
async fn a_store_that_lost_its_memory_is_believed() {
    let mut server = Server::start().await;
    let people = people(&server, CACHE);
    people.enrich(&clicked("e1", "o1", THEN, "taiwan"), &[]).await.unwrap();
    server.kill();
    server.start_again().await;
    let mut enriched = people.enrich(&entered("e2", "o1", THEN + 1), &[]).await;
    while enriched.is_err() {
        enriched = people.enrich(&entered("e2", "o1", THEN + 1), &[]).await;
    }
    assert_eq!(
        enriched.unwrap().profile.unwrap().version,
        1,
        "nothing of what only the cache knows comes back"
    );
}

#[tokio::test]
async fn a_redis_that_is_away_or_hangs_is_an_error_in_time_and_it_recovers() {
    let mut server = Server::start().await;
    let people = people(&server, CACHE);
    people.enrich(&entered("e1", "o1", THEN), &[]).await.unwrap();

    server.signal("-STOP");
    assert_late(&people, "hangs").await;
    server.signal("-CONT");
    until_enriched(&people, "e2").await;

    server.kill();
    assert_late(&people, "killed").await;
    server.start_again().await;
    until_enriched(&people, "e3").await;
}

async fn assert_late(people: &People, what: &str) {
    let mut took = Vec::new();
    for n in 0..5 {
        let started = Instant::now();
        let result = people.enrich(&entered(&format!("{what} {n}"), "o1", THEN + 1), &[]).await;
        took.push(started.elapsed());
        assert!(matches!(result, Err(Error::Store(_))), "{what} {n}");
    }
    in_time(&took, DEADLINE + Duration::from_millis(50));
}

async fn until_enriched(people: &People, id: &str) {
    let started = Instant::now();
    while people.enrich(&entered(id, "o1", THEN + 1), &[]).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(3), "no recovery");
    }
}

#[tokio::test]
async fn unsubscribed_leaves_nothing_but_the_moment_and_old_events_bring_nothing_back() {
    let server = Server::start().await;
    let people = people(&server, CACHE);
    let update =
        UpdateRequest { user: Some(user("o1")), external_ids: vec![card("42")], ..UpdateRequest::default() };
    people.update(&update).await.unwrap();
    people.enrich(&clicked("e1", "o1", THEN, "taiwan"), &[]).await.unwrap();
    assert_eq!(server.keys().await, ["p:{wx1:o1}", "x:skypearl:42"]);

    let left = event("left", "o1", THEN + 60_000, Kind::Unsubscribed(Unsubscribed {}));
    let enrichment = people.enrich(&left, &[]).await.unwrap();
    let empty = proto::profile::Profile { user: Some(user("o1")), ..Default::default() };
    assert_eq!((enrichment.profile, enrichment.visit_started), (Some(empty.clone()), false));
    assert_eq!(people.get(by_user("o1").as_ref()).await, Err(Error::Nobody));
    assert_eq!(people.get(by_card("42").as_ref()).await, Err(Error::Nobody));
    assert_eq!(server.keys().await, ["p:{wx1:o1}"]);
    let mut ttl = redis::Cmd::new();
    ttl.arg("PTTL").arg("p:{wx1:o1}");
    let week = 7 * 86_400_000;
    assert!((week - 60_000..=week).contains(&server.connect().query::<i64>(&ttl).await.unwrap()));

    let again = people.enrich(&clicked("e1", "o1", THEN, "taiwan"), &[]).await.unwrap();
    assert_eq!(again.profile, Some(empty));
    let back = people.enrich(&entered("back", "o1", THEN + 61_000), &[]).await.unwrap();
    assert!(back.visit_started);
    assert_eq!(back.profile.unwrap().version, 1);
}

#[tokio::test]
async fn erase_forgets_by_external_id_too() {
    let server = Server::start().await;
    let (one, two) = (people(&server, CACHE), people(&server, CACHE));
    let update =
        UpdateRequest { user: Some(user("o1")), external_ids: vec![card("42")], ..UpdateRequest::default() };
    one.update(&update).await.unwrap();
    assert!(two.erase(by_card("42").as_ref()).await.unwrap());
    assert!(!two.erase(by_card("42").as_ref()).await.unwrap());
    assert!(!two.erase(by_user("o1").as_ref()).await.unwrap());
    assert!(!two.erase(by_user("never seen").as_ref()).await.unwrap());
    assert_eq!(server.keys().await, ["p:{wx1:o1}"]);
    // The other process still remembers the profile; its next write must not bring it back.
    let now_ms = Clock::system().now_ms();
    let enrichment = one.enrich(&entered("next", "o1", now_ms + 1_000), &[]).await.unwrap();
    assert!(enrichment.profile.unwrap().external_ids.is_empty());
}

#[tokio::test]
async fn an_activity_waits_for_its_owner_and_an_id_leads_to_one_user() {
    let server = Server::start().await;
    let people = people(&server, CACHE);
    for (id, at_ms) in [("p1", THEN), ("p2", THEN + 1), ("p1", THEN)] {
        let recorded = people.record_activity(&purchase(id, by_card("42"), at_ms)).await.unwrap();
        assert_eq!((recorded.version, recorded.applied), (0, false));
    }
    let link = |openid: &str| UpdateRequest {
        user: Some(user(openid)),
        external_ids: vec![card("42")],
        ..UpdateRequest::default()
    };
    assert_eq!(people.update(&link("o1")).await, Ok(3));
    assert_eq!(server.keys().await, ["p:{wx1:o1}", "x:skypearl:42"]);
    let profile = people.get(by_card("42").as_ref()).await.unwrap();
    let ids: Vec<_> = profile.activities.iter().map(|activity| activity.id.as_str()).collect();
    assert_eq!(ids, ["p1", "p2"]);

    people.update(&link("o2")).await.unwrap();
    let recorded = people.record_activity(&purchase("p3", by_card("42"), THEN + 2)).await.unwrap();
    assert!(recorded.applied);
    assert!(people.get(by_user("o1").as_ref()).await.unwrap().external_ids.is_empty());
    assert_eq!(people.get(by_user("o2").as_ref()).await.unwrap().activities[0].id, "p3");
}

#[tokio::test]
async fn rubbish_under_a_users_name_is_an_error() {
    let server = Server::start().await;
    server.connect().query::<()>(&redis::Cmd::set("p:{wx1:o1}", "rubbish")).await.unwrap();
    let people = people(&server, CACHE);
    let enriched = people.enrich(&entered("e1", "o1", THEN), &[]).await;
    assert!(matches!(enriched, Err(Error::Store(profile_service::store::StoreError::Unreadable(_)))));
}
