//! More than can be handled: what is admitted is served, the rest is told to come again before it costs anything, and forgers wait.

use std::{cell::Cell, time::Duration};

use futures::future::join_all;
use tokio::{io::AsyncWriteExt as _, time::Instant};
use wechat::{Mode, push::SealedPush};

use crate::{
    house::{House, text, until},
    wire::{self, Reply, rest, sent},
};

const IN_FLIGHT: usize = 3;
const FLOOD: usize = 20 * IN_FLIGHT;

async fn ended(house: &House, result: &str) -> f64 {
    house.metric(&format!("gateway_pushes_total{{account=\"safe\",result=\"{result}\"}}")).await
}

fn forged(house: &House, n: usize) -> SealedPush {
    let mut forged = house.seal(Mode::Safe, &text("oReader", n));
    forged.query = forged.query.replace("msg_signature=", "msg_signature=00");
    forged
}

async fn forge(house: &House, n: usize) -> Reply {
    house.post("safe", &forged(house, n)).await
}

/// Twenty times as much as fits, while the broker takes longer for each than anybody may wait for a place.
#[tokio::test]
async fn of_a_flood_as_many_are_served_as_fit_and_the_rest_is_shed() {
    let house = House::with(|config| config.limits.in_flight = IN_FLIGHT).await;
    assert_eq!(house.push_text("oReader", 0).await.status, 200, "the producer is connected");
    house.cluster.broker_round_trip_time(1, Duration::from_millis(1000)).unwrap();
    let statuses = join_all((0..FLOOD).map(async |n| {
        if n == FLOOD - 1 {
            // The places are taken: a forgery gets the answer of a push, since nobody has looked at it.
            until(async || house.metric("gateway_pushes_in_flight").await >= (FLOOD - 1) as f64).await;
            return forge(&house, n).await.status;
        }
        house.push_text(&format!("oReader{n}"), n).await.status
    }))
    .await;
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(200), count(503)), (IN_FLIGHT, FLOOD - IN_FLIGHT));
    assert_eq!(ended(&house, "overloaded").await, (FLOOD - IN_FLIGHT) as f64);
    house.cluster.broker_round_trip_time(1, Duration::ZERO).unwrap();
    until(async || house.push_text("oReader", FLOOD).await.status == 200).await;
    house.end().await;
}

/// The bound is on how long a push waits, not on how many come at once.
#[tokio::test]
async fn whoever_waits_for_a_place_is_served_or_told_to_come_again() {
    let house = House::with(|config| config.limits.in_flight = 1).await;
    let statuses =
        join_all((0..50).map(async |n| house.push_text(&format!("oReader{n}"), n).await.status)).await;
    let shed = statuses.iter().filter(|status| **status == 503).count() as f64;
    assert!(statuses.contains(&200));
    assert_eq!(ended(&house, "overloaded").await, shed);
    assert_eq!(house.recorded() as f64, 50.0 - shed);
    house.end().await;
}

#[tokio::test]
async fn a_flood_of_forgeries_is_answered_alike_and_later_and_a_push_from_the_same_address_at_once() {
    let house = House::open().await;
    let flood = join_all((0..200).map(|n| forge(&house, n)));
    let push = async {
        until(async || house.metric("gateway_refusals_held_back_total").await > 0.0).await;
        house.push_text("oReader", 1).await.status
    };
    let (replies, pushed) = tokio::join!(flood, push);
    assert_eq!(pushed, 200);
    assert_eq!(replies[0].status, 403);
    assert!(replies.iter().all(|reply| *reply == replies[0]));
    assert_eq!(ended(&house, "signature").await, 200.0, "each is counted");
    assert_eq!(house.recorded(), 1);
    house.end().await;
}

/// Eight refusals may wait here, two of one source: what comes beside them is refused as well, and has to connect again.
#[tokio::test]
async fn forgeries_beyond_the_share_of_their_source_are_the_last_of_their_connections_and_pushes_go_on() {
    const CONNECTIONS: usize = 400;
    let house = House::with(|config| config.limits.connections = 64).await;
    let push = forged(&house, 0);
    let request = wire::request("POST", &format!("/wechat/safe?{}", push.query), "", &push.body);
    let request = String::from_utf8(request).unwrap().replace("Connection: close\r\n", "");
    let end = String::from_utf8(wire::request("GET", "/nothing", "", b"")).unwrap();
    let requests = request.repeat(3) + &end;
    let (begun, refused, closed) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let forger = async |_| {
        while begun.replace(begun.get() + 1) < CONNECTIONS {
            let answers = rest(&mut sent(house.public, requests.as_bytes()).await).await;
            let answers = String::from_utf8(answers).unwrap();
            let [forbidden, ended] =
                ["403", "404"].map(|is| answers.matches(&format!("HTTP/1.1 {is} ")).count());
            assert!((1..=3).contains(&forbidden) && (ended == 0 || forbidden == 3), "{answers}");
            assert_eq!(answers.matches("connection: close\r\n").count(), 1, "{answers}");
            refused.set(refused.get() + forbidden);
            closed.set(closed.get() + 1 - ended);
        }
    };
    let pushes = async {
        for n in 0..50 {
            assert_eq!(house.push_text("oReader", n).await.status, 200);
        }
    };
    let started = Instant::now();
    tokio::join!(join_all((0..32).map(forger)), pushes);
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap() + 1;
    let kept = refused.get() - closed.get();
    assert!(kept <= 100 + (20 + 2) * seconds, "{kept} in {seconds} s");
    assert!(closed.get() > 0);
    assert_eq!(house.metric("gateway_refusals_closed_total").await, closed.get() as f64);
    assert_eq!(ended(&house, "signature").await, refused.get() as f64);
    house.end().await;
}

/// A push is late from its headers on: one whose body took so long finds a free place, or is shed at once.
#[tokio::test]
async fn the_time_of_a_slow_body_counts_into_the_wait_for_a_place() {
    let house = House::with(|config| config.limits.in_flight = 1).await;
    let push = house.seal(Mode::Safe, &text("oLate", 0));
    let request = wire::request("POST", &format!("/wechat/safe?{}", push.query), "", &push.body);
    let (begun, left) = request.split_at(request.len() - 1);
    let mut late = sent(house.public, begun).await;
    until(async || house.metric("gateway_pushes_in_flight").await == 1.0).await;
    house.cluster.broker_down(-1).unwrap();
    let others = async {
        until(async || house.metric("gateway_pushes_in_flight").await == 2.0).await;
        assert_eq!(house.push_text("oOther", 1).await.status, 503, "it has waited as long as a push may");
        let late = async {
            until(async || house.metric("gateway_pushes_in_flight").await == 3.0).await;
            late.write_all(left).await.unwrap();
            rest(&mut late).await
        };
        tokio::select! {
            answer = late => assert!(answer.starts_with(b"HTTP/1.1 503 ")),
            other = house.push_text("oOther", 2) => panic!("what came later was late earlier: {other:?}"),
        }
    };
    tokio::join!(house.push_text("oFirst", 0), others);
    house.cluster.broker_up(-1).unwrap();
    house.end().await;
}
