//! Kafka away with a spool: every push is answered 200, and all of them get there, in order per user.

mod partition;

use std::{fs, time::Duration};

use futures::future::join_all;
use gateway::Spool;
use proto::content::Item;
use wechat::Mode;

use crate::{
    house::{House, text, until, with_spool},
    wire,
};

const USERS: usize = 20;
const EACH: usize = 10;

async fn spooled(house: &House) -> f64 {
    house.metric("gateway_spool_records").await
}

async fn drained(house: &House) {
    until(async || spooled(house).await == 0.0).await;
}

/// The long outage, compressed: what takes a minute there is only more of the same.
#[tokio::test]
async fn an_outage_costs_no_push_and_no_order() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(with_spool(folder.path())).await;
    assert_eq!(house.push_text("oReader0", 0).await.status, 200);
    house.cluster.broker_down(-1).unwrap();
    let user = async |user: usize| {
        for n in 1..=EACH {
            let reply = house.push_text(&format!("oReader{user}"), n).await;
            assert_eq!((reply.status, reply.body.as_str()), (200, "success"), "{n} of {user}");
        }
    };
    join_all((0..USERS).map(user)).await;
    assert_eq!(spooled(&house).await, (USERS * EACH) as f64);
    assert!(house.metric("gateway_spool_bytes").await > 0.0);
    house.cluster.broker_up(-1).unwrap();
    drained(&house).await;
    assert_eq!(house.push_text("oReader0", EACH + 1).await.status, 200, "and straight to kafka again");
    assert_eq!(house.metric("gateway_spool_appended_total").await, (USERS * EACH) as f64);
    assert_eq!(house.metric("gateway_spool_drained_total").await, (USERS * EACH) as f64);
    let ids = house.ids_by_user().await;
    assert_eq!(ids.len(), USERS);
    for (user, ids) in ids {
        let first = if user == "oReader0" { 0..=EACH + 1 } else { 1..=EACH };
        assert_eq!(ids, first.collect::<Vec<_>>(), "{user}");
    }
    house.end().await;
}

/// Two pushes of one user are under way at once, and Kafka takes the second only after the first was given up.
#[tokio::test]
async fn a_later_push_of_a_user_does_not_overtake_one_that_went_into_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(|config| {
        config.limits.produce_timeout = Duration::from_millis(300);
        with_spool(folder.path())(config);
    })
    .await;
    house.cluster.broker_down(-1).unwrap();
    let first = house.seal(Mode::Safe, &text("oReader", 1));
    let request = wire::request("POST", &format!("/wechat/safe?{}", first.query), "", &first.body);
    let first = tokio::spawn(wire::exchange_owned(house.public, request));
    until(async || house.metric("gateway_pushes_in_flight").await == 1.0).await;
    house.cluster.broker_up(-1).unwrap();
    assert_eq!(house.push_text("oReader", 2).await.status, 200);
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(house.push_text("oReader", 3).await.status, 200);
    drained(&house).await;
    assert_eq!(house.ids_by_user().await["oReader"], [1, 2, 3]);
    house.end().await;
}

/// Kafka is back, but takes its time with what the drainer sends: the next push of that user queues behind it.
#[tokio::test]
async fn while_a_user_has_spooled_events_later_ones_go_behind_them() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(with_spool(folder.path())).await;
    house.cluster.broker_down(-1).unwrap();
    assert_eq!(house.push_text("oReader", 1).await.status, 200);
    house.cluster.broker_round_trip_time(1, Duration::from_millis(700)).unwrap();
    house.cluster.broker_up(-1).unwrap();
    assert_eq!(house.push_text("oReader", 2).await.status, 200);
    assert_eq!(house.metric("gateway_spool_appended_total").await, 2.0);
    house.cluster.broker_round_trip_time(1, Duration::ZERO).unwrap();
    drained(&house).await;
    assert_eq!(house.ids_by_user().await["oReader"], [1, 2]);
    house.end().await;
}

#[tokio::test]
async fn with_a_spool_the_gateway_is_ready_without_kafka_and_takes_pushes() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(|config| {
        config.kafka.bootstrap = "127.0.0.1:1".to_owned();
        with_spool(folder.path())(config);
    })
    .await;
    assert_eq!(house.push_text("oReader", 1).await.status, 200);
    assert_eq!(spooled(&house).await, 1.0);
    house.end().await;
}

#[tokio::test]
async fn a_full_spool_is_answered_503_and_what_it_holds_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(|config| {
        config.spool = Some(Spool { max_bytes: 2000, ..Spool::in_folder(folder.path()) });
    })
    .await;
    house.cluster.broker_down(-1).unwrap();
    let mut taken = 0;
    while house.push_text("oReader", taken).await.status == 200 {
        taken += 1;
    }
    assert!((2..20).contains(&taken), "{taken}");
    let reply = house.push_text("oOther", 1).await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "try again"));
    assert!(house.metric("gateway_pushes_total{account=\"safe\",result=\"spool_full\"}").await >= 2.0);
    house.cluster.broker_up(-1).unwrap();
    drained(&house).await;
    assert_eq!(house.push_text("oReader", taken).await.status, 200, "and it goes on");
    assert_eq!(house.ids_by_user().await["oReader"], (0..=taken).collect::<Vec<_>>());
    house.end().await;
}

#[tokio::test]
async fn while_the_oldest_event_has_waited_too_long_the_answer_is_503_and_the_gauge_shows_its_age() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(|config| {
        config.spool = Some(Spool { max_age: Duration::from_secs(1), ..Spool::in_folder(folder.path()) });
    })
    .await;
    let age = async || house.metric("gateway_spool_oldest_age_seconds").await;
    assert_eq!(age().await, 0.0);
    house.cluster.broker_down(-1).unwrap();
    assert_eq!(house.push_text("oReader", 1).await.status, 200);
    until(async || age().await >= 2.0).await;
    let reply = house.push_text("oReader", 2).await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "try again"));
    assert_eq!(house.push_text("oOther", 2).await.status, 503, "it is not about one user");
    assert_eq!(house.metric("gateway_pushes_total{account=\"safe\",result=\"spool_full\"}").await, 2.0);
    house.cluster.broker_up(-1).unwrap();
    until(async || spooled(&house).await == 0.0 && age().await == 0.0).await;
    assert_eq!(house.push_text("oReader", 2).await.status, 200, "and it goes on");
    assert_eq!(house.ids_by_user().await["oReader"], [1, 2]);
    house.end().await;
}

#[tokio::test]
async fn a_shutdown_without_kafka_spools_what_is_in_flight_and_the_next_start_sends_it() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(with_spool(folder.path())).await;
    house.cluster.broker_down(-1).unwrap();
    let push = house.seal(Mode::Safe, &text("oReader", 1));
    let request = wire::request("POST", &format!("/wechat/safe?{}", push.query), "", &push.body);
    let answer = tokio::spawn(wire::exchange_owned(house.public, request));
    until(async || house.metric("gateway_pushes_in_flight").await == 1.0).await;
    house.shutdown.cancel();
    assert_eq!(answer.await.unwrap().body, "success");
    let cluster = house.end().await;
    cluster.broker_up(-1).unwrap();
    let house = House::on(cluster, with_spool(folder.path())).await;
    drained(&house).await;
    assert_eq!(house.ids_by_user().await["oReader"], [1]);
    house.end().await;
}

#[tokio::test]
async fn a_tap_is_redirected_at_once_and_its_event_waits_in_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(with_spool(folder.path())).await;
    let item = Item { id: "taiwan-1".into(), url: "https://paper.example/1".into(), ..Item::default() };
    house.publish(&item).await;
    until(async || house.metric("gateway_items").await == 1.0).await;
    house.cluster.broker_down(-1).unwrap();
    let token = house.token("wx-safe", "taiwan-1", 60);
    assert_eq!(wire::get(house.public, &format!("/c/{token}")).await.status, 302);
    until(async || spooled(&house).await == 1.0).await;
    house.cluster.broker_up(-1).unwrap();
    drained(&house).await;
    assert_eq!(house.events(1).await[0].headers["ce_type"], "yingbin.event.link_clicked.v1");
    assert_eq!(house.metric("gateway_clicks_total{account=\"safe\",result=\"not_recorded\"}").await, 0.0);
    house.end().await;
}

#[tokio::test]
async fn a_record_that_kafka_never_takes_is_set_aside_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(with_spool(folder.path())).await;
    house.cluster.broker_down(-1).unwrap();
    let large = format!(
        "<xml><FromUserName>oReader</FromUserName><MsgType>text</MsgType><Content>{}</Content><MsgId>1</MsgId></xml>",
        "x".repeat(5000)
    );
    assert_eq!(house.push(Mode::Safe, large.as_bytes()).await.status, 200);
    assert_eq!(house.push_text("oReader", 2).await.status, 200);
    assert_eq!(house.push_text("oOther", 3).await.status, 200);
    let cluster = house.end().await;
    cluster.broker_up(-1).unwrap();
    let house = House::on(cluster, |config| {
        config.kafka.properties.push(("message.max.bytes".to_owned(), "3000".to_owned()));
        with_spool(folder.path())(config);
    })
    .await;
    drained(&house).await;
    let ids = house.ids_by_user().await;
    assert_eq!((&ids["oReader"], &ids["oOther"]), (&vec![2], &vec![3]));
    assert_eq!(house.metric("gateway_spool_set_aside_total").await, 1.0);
    house.end().await;
    assert_eq!(fs::read_dir(folder.path().join("aside")).unwrap().count(), 2, "the file and its notes");
}

#[tokio::test]
async fn a_file_of_the_spool_that_cannot_be_read_keeps_nobody_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let unreadable = folder.path().join(format!("{:020}-{:016x}.log", 1024, 7));
    fs::create_dir(&unreadable).unwrap();
    let house = House::with(with_spool(folder.path())).await;
    assert_eq!(house.metric("gateway_spool_damaged_total").await, 1.0);
    assert_eq!(house.push_text("oReader", 1).await.status, 200);
    house.end().await;
    assert!(unreadable.exists(), "it is left for a person");
}

#[tokio::test]
async fn when_no_next_file_can_be_made_the_answer_is_503_and_what_the_spool_holds_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, moved) = (folder.path().join("spool"), folder.path().join("moved"));
    let house = House::with(|config| {
        // Then a file has two thousand at most.
        config.spool = Some(Spool { max_bytes: 32_000, ..Spool::in_folder(&dir) });
    })
    .await;
    house.cluster.broker_down(-1).unwrap();
    assert_eq!(house.push_text("oReader", 0).await.status, 200);
    fs::rename(&dir, &moved).unwrap();
    let mut taken = 1;
    while house.push_text("oReader", taken).await.status == 200 {
        taken += 1;
    }
    assert!((2..20).contains(&taken), "the file that is open goes on: {taken}");
    assert_eq!(house.push_text("oOther", 1).await.status, 503, "it is not about one user");
    assert!(house.metric("gateway_pushes_total{account=\"safe\",result=\"not_spooled\"}").await >= 2.0);
    fs::rename(&moved, &dir).unwrap();
    assert_eq!(house.push_text("oReader", taken).await.status, 200, "and it goes on");
    house.cluster.broker_up(-1).unwrap();
    drained(&house).await;
    let ids = house.ids_by_user().await;
    assert_eq!((ids.len(), &ids["oReader"]), (1, &(0..=taken).collect()));
    house.end().await;
}

#[tokio::test]
async fn a_record_that_the_disk_gives_back_otherwise_holds_up_nothing_of_its_user() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(with_spool(folder.path())).await;
    house.cluster.broker_down(-1).unwrap();
    for n in 1..=2 {
        assert_eq!(house.push_text("oReader", n).await.status, 200);
    }
    let mut entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let file = entries.find(|path| path.extension().is_some_and(|extension| extension == "log")).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[40] ^= 1;
    fs::write(&file, bytes).unwrap();
    // What the drainer has in hand already is as it was.
    until(async || house.metric("gateway_spool_damaged_total").await == 1.0).await;
    house.cluster.broker_up(-1).unwrap();
    drained(&house).await;
    let appended = async || house.metric("gateway_spool_appended_total").await;
    until(async || {
        let before = appended().await;
        assert_eq!(house.push_text("oReader", 3).await.status, 200);
        appended().await == before
    })
    .await;
    assert_eq!(house.ids_by_user().await["oReader"], [2, 3]);
    house.end().await;
}
