//! Members of the group come and go, cannot reach it, and find more partitions (F22, F24, F79).

use std::{ops::Range, time::Duration};

use futures::future::join_all;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::rows;
use crate::{
    checker::{Allowed, Costs, reordered},
    load::Load,
    proxy::Mode,
    service::Service,
    stand::{Shape, Stand},
    support::processes::until,
    trial::{IN_FLIGHT, TAKEOVER, Terms, Trial},
};

rows! {
    f22_a_rebalance_storm, 1, full,
        "eight content-services, 32 partitions; each of them ends with SIGTERM and comes back 16 times, four to thirty seconds after the last time, under 50 pushes a second; with `FAULTS=long` under 150, for 100,000 events",
        "sent twice 0, lost 0, unknown 0, 99 in 100 replies < 20 s, settled < 30 s",
        quiet "`content_rebalances_total` is read before each restart, which takes it along";
    f24_commits_fail_as_the_group_moves_on, 1, full,
        "content-service cannot reach its group for 250 pushes (10 s, session 6 s), twice", "commits are refused (ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID), and what comes again is passed over; sent twice 0, unknown ≤ 64 a time, settled < 30 s", raises ["content_rebalances_total", "content_repeats_total"];
    f79_a_topic_gets_more_partitions, 1, full,
        "the events topic gets 24 partitions instead of 12 under load, which the contract forbids",
        "lost 0, one outcome each, sent twice 0, settled < 30 s; only the order of a user's replies may break, and it is told", raises ["content_partitions_changed_total"];
}

/// A storm: every member restarts so often, after so many pushes each time.
#[derive(Clone)]
struct Storm {
    rate: u32,
    restarts: usize,
    between: Range<usize>,
    events: usize,
}

/// Four to thirty seconds between two restarts of a member, and as many events as that takes; and as many as the specification has.
const STORM: Storm = Storm { rate: 50, restarts: 16, between: 200..1_500, events: 10_000 };
const LONG_STORM: Storm = Storm { rate: 150, restarts: 16, between: 600..4_500, events: 100_000 };
const REBALANCES: &str = "content_rebalances_total";

async fn f22_a_rebalance_storm(trial: &mut Trial<'_>) -> String {
    let storm = if trial.long { LONG_STORM } else { STORM };
    let shape = Shape { contents: 8, users: 1_000, rate: storm.rate, partitions: 32, ..Shape::default() };
    let mut stand = trial.stand(shape).await;
    let load = stand.load();
    stand.more_arrive(50, TAKEOVER).await;
    let members: Vec<Service> = stand.contents.iter_mut().filter_map(Option::take).collect();
    let restarting = members.into_iter().enumerate().map(|(n, member)| {
        let random = StdRng::seed_from_u64(trial.random.random());
        restarts(&stand, &load, (n, member), storm.clone(), random)
    });
    let (members, given_up): (Vec<_>, Vec<_>) =
        join_all(restarting.collect::<Vec<_>>()).await.into_iter().unzip();
    stand.contents = members.into_iter().map(Some).collect();
    load.reaches(storm.events).await;
    let report = stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await;
    let given_up = given_up.iter().sum::<f64>() + stand.counted(REBALANCES).await;
    assert!(report.events >= storm.events && given_up > 0.0, "{report}");
    let (restarts, times) = (8 * storm.restarts, stand.reply_times(&stand.pushed));
    assert!(times.p99() < 20_000, "{times}; {report}");
    format!("{restarts} restarts, partitions given up {given_up} times; {report}; {times}")
}

/// One member of the group, which ends in order and comes back, again and again; and how often it had to give partitions up.
async fn restarts(
    stand: &Stand,
    load: &Load,
    (n, mut member): (usize, Service),
    storm: Storm,
    mut random: StdRng,
) -> (Service, f64) {
    let mut given_up = 0.0;
    for _ in 0..storm.restarts {
        load.goes_on(random.random_range(storm.between.clone())).await;
        given_up += member.counts(&stand.http, REBALANCES).await;
        let ended = member.terminate(Duration::from_secs(20)).await;
        assert_eq!(ended.code(), Some(0), "content-service {n}");
        member = stand.content_service(n);
        member.ready(&stand.http).await;
    }
    (member, given_up)
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
    let costs = Costs::unknown(2 * IN_FLIGHT);
    let report = stand.ends(load, Terms { costs, within: TAKEOVER, ..Terms::default() }).await;
    let refused = stand.logged("content-service-0", "COMMITFAIL");
    assert!(refused > 0, "{report}");
    format!("{refused} commits refused; {report}")
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
    stand.events = wider;
    let allowed = Allowed { reordered: usize::MAX, ..Allowed::default() };
    let report = stand.ends(load, Terms { allowed, within: TAKEOVER, ..Terms::default() }).await;
    let books = &report.books;
    let outside = books.events.iter().filter(|event| event.place.0 >= proto::EVENTS.partitions).count();
    assert!(outside > 0, "nobody has moved to a new partition");
    let moved = reordered(books).len();
    format!("{outside} events in new partitions; {moved} replies out of order; {report}")
}
