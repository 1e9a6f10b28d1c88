//! Members of the group come and go, cannot reach it, and find more partitions (F22, F24, F79).

use std::time::Duration;

use rand::Rng as _;

use super::rows;
use crate::{
    checker::{Allowed, End, Violation, check},
    collect,
    proxy::Mode,
    stand::Shape,
    support::{kafka, processes::until},
    trial::{IN_FLIGHT, TAKEOVER, Terms, Trial},
};

rows! {
    f22_a_rebalance_storm, 1, full,
        "eight content-services; twelve times two of them end with SIGTERM and come back, at moments of the seed's choice",
        "sent twice 0, lost 0, settled < 30 s";
    f24_commits_fail_as_the_group_moves_on, 1, full,
        "content-service cannot reach its group for 250 pushes (10 s, session 6 s), twice", "sent twice 0, settled < 30 s",
        ["content_rebalances_total"];
    f79_a_topic_gets_more_partitions, 1, full,
        "the events topic gets 24 partitions instead of 12 under load, which the contract forbids",
        "lost 0, one outcome each, sent twice 0; only the order of a user's replies may break, and it is told",
        ["content_partitions_changed_total"];
}

async fn f22_a_rebalance_storm(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { contents: 8, rate: 50, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(50, TAKEOVER).await;
    for _ in 0..12 {
        let first = trial.random.random_range(0..8);
        let second = (first + trial.random.random_range(1..8)) % 8;
        let [one, other] = [first, second].map(|n| stand.contents[n].take().expect("it runs"));
        let within = Duration::from_secs(15);
        let ended = tokio::join!(one.terminate(within), other.terminate(within));
        assert_eq!((ended.0.code(), ended.1.code()), (Some(0), Some(0)));
        stand.staff().await;
        load.goes_on(trial.random.random_range(1..50)).await;
    }
    stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await.to_string()
}

async fn f24_commits_fail_as_the_group_moves_on(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    for _ in 0..2 {
        stand.more_arrive(30, TAKEOVER).await;
        trial.cluster.nodes()[0].to_contents.set(Mode::BlackHole);
        load.goes_on(250).await;
        trial.cluster.nodes()[0].to_contents.set(Mode::Forward);
    }
    let report = stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await;
    assert!(report.count(End::Unknown) <= 2 * IN_FLIGHT, "{report}");
    report.to_string()
}

async fn f79_a_topic_gets_more_partitions(trial: &mut Trial<'_>) -> String {
    // Clients hear of it within seconds instead of minutes.
    let kafka = "properties = { 'topic.metadata.refresh.interval.ms' = '1000' }";
    let mut stand = trial.stand(Shape { kafka, ..Shape::default() }).await;
    let load = stand.load();
    // content-service looks at the number every five seconds, and has to know the one before.
    load.goes_on(200).await;
    let wider = proto::Topic { partitions: 24, ..proto::EVENTS };
    trial.cluster.widen(&stand.kafka.topic(wider.name), wider.partitions).await;
    let told = async || stand.raised().await.iter().all(|(_, by)| *by > 0.0).then_some(());
    until("content-service tells it", TAKEOVER, told).await;
    stand.more_arrive(100, TAKEOVER).await;
    let pushed = load.end().await;
    stand.pushed.extend(pushed);
    kafka::handled(&stand.kafka, "content-service", wider, TAKEOVER).await;
    let books = collect::books_with(&stand, wider).await;
    let (broken, moved): (Vec<_>, Vec<_>) = check(&books, Allowed::default())
        .into_iter()
        .partition(|violation| !matches!(violation, Violation::Reordered(_)));
    assert!(broken.is_empty(), "{} broken: {:?}", broken.len(), &broken[..broken.len().min(8)]);
    let beyond = books.events.iter().filter(|event| event.place.0 >= proto::EVENTS.partitions).count();
    assert!(beyond > 0, "nobody has moved to a new partition");
    let (events, moved) = (books.events.len(), moved.len());
    format!(
        "{events} events, {beyond} of them in new partitions; {moved} replies out of order; each event one outcome"
    )
}
