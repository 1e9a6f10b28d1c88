//! Brokers die, stop, slow down and forget to answer; records are poison (F17–F21, F28–F31, F83).

use std::time::Duration;

use rand::Rng as _;
use runtime::kafka::Kafka;
use tokio::time::Instant;

use super::rows;
use crate::{
    checker::{Costs, End},
    proxy::Mode,
    stand::{Shape, Stand},
    support::processes::until,
    trial::{IN_FLIGHT, PROGRESS, Report, TAKEOVER, Terms, Trial},
};

rows! {
    f17_the_only_broker_is_killed_and_started_again, 1, short,
        "SIGKILL of the one node under load, started again at once", "answered and lost 0, settled < 30 s",
        raises ["gateway_spool_appended_total"];
    f17_brokers_are_killed_one_after_the_other_five_times, 3, full,
        "three nodes; each time the leader of a partition that is written is killed, and started again 50 pushes later, when another one leads",
        "lost 0, settled < 30 s",
        raises ["gateway_spool_appended_total"];
    f18_all_brokers_are_down, 1, full,
        "the one node is killed and stays away for 1500 pushes (60 s)", "every push answered 200, lost 0, settled < 60 s", raises ["gateway_spool_appended_total", "gateway_spool_drained_total"];
    f18_a_gateway_dies_while_all_brokers_are_down, 1, full,
        "two gateways; the broker is killed, 100 pushes later one gateway too; then both come back",
        "answered and lost 0, settled < 60 s", raises ["gateway_spool_appended_total", "gateway_spool_drained_total"];
    f19_too_few_copies, 3, full,
        "two of three nodes stopped for 100 pushes (4 s), then going on", "answered and lost 0", raises ["gateway_spool_appended_total"];
    f21_the_coordinator_is_away_while_a_member_leaves, 1, full,
        "the broker is killed, then content-service and gateway get SIGTERM", "they end < 10 s; nothing is lost or sent twice",
        quiet "both end, and their counters with them: their exit tells it";
    f28_a_slow_broker, 1, full,
        "half a second each way between gateway and broker, for 150 pushes", "every push answered 200 at its first delivery within 4 s; nothing lost",
        quiet "most of it is slow within the time of a push, and only `gateway_produce_seconds` grows; what is not goes through the spool";
    f28_a_very_slow_broker, 1, full,
        "a second and a half each way for 1,000 pushes, 100 a second", "every push answered 200 at its first delivery within 4 s; nothing lost", raises ["gateway_spool_appended_total"];
    f29_the_brokers_report_is_lost, 1, short,
        "for 75 pushes (3 s) the broker takes records and its answers are dropped", "repeats in the topic, one reply each; content-service passed over every repeat", raises ["gateway_spool_appended_total", "content_repeats_total"];
    f30_bits_turn_on_the_way_from_the_broker, 1, full,
        "content-service is away for 150 pushes; then, and for 75 pushes more, one event in each answer that has any has a bit turned on its way to it",
        "nothing lost, set aside or sent twice; replies again < 5 s after it",
        raises ["content_offset_reset_total"];
    f30_a_record_stays_damaged, 1, full,
        "for 250 pushes (10 s) one event has a bit turned each time that it is read, then it is whole again",
        "its partition is held and told, all others are answered; then every event has its outcome; nothing lost or sent twice",
        raises ["content_offset_reset_total"];
    f31_poison_records, 1, short,
        "five records that nobody can read, one of 1 MB among them", "each set aside with its reason; the partitions move on", raises ["content_dlq_total"];
    f83_kafka_is_far_away, 1, full,
        "40 ms each way between all services and the broker", "all sent, every push answered 200",
        quiet "it is slow within every time limit: only `gateway_produce_seconds` grows";
}

async fn f17_the_only_broker_is_killed_and_started_again(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(30, PROGRESS).await;
    trial.cluster.kill(0);
    load.goes_on(25).await;
    trial.cluster.launch(0);
    trial.cluster.answers().await;
    stand.more_arrive(50, TAKEOVER).await;
    stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await.to_string()
}

async fn f17_brokers_are_killed_one_after_the_other_five_times(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    let topic = stand.kafka.topic(proto::EVENTS.name);
    for _ in 0..5 {
        stand.more_arrive(20, TAKEOVER).await;
        let partition = trial.random.random_range(0..proto::EVENTS.partitions);
        let leader = trial.cluster.leader(&topic, partition).await;
        trial.cluster.kill(leader);
        load.goes_on(50).await;
        let moved = async || (trial.cluster.leader(&topic, partition).await != leader).then_some(());
        until("another node leads the partition", TAKEOVER, moved).await;
        trial.cluster.launch(leader);
        trial.cluster.answers().await;
    }
    stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await.to_string()
}

async fn f18_all_brokers_are_down(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(30, PROGRESS).await;
    trial.cluster.kill(0);
    load.goes_on(1_500).await;
    trial.cluster.launch(0);
    trial.cluster.answers().await;
    load.goes_on(50).await;
    let report = stand.ends(load, Terms { within: Duration::from_secs(60), ..Terms::default() }).await;
    assert_eq!(report.given_up, 0, "{report}");
    report.to_string()
}

async fn f18_a_gateway_dies_while_all_brokers_are_down(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { gateways: 2, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(30, PROGRESS).await;
    trial.cluster.kill(0);
    load.goes_on(100).await;
    stand.gateways[0].take().expect("it runs").kill();
    load.goes_on(25).await;
    trial.cluster.launch(0);
    trial.cluster.answers().await;
    stand.staff().await;
    load.goes_on(50).await;
    stand.ends(load, Terms { within: Duration::from_secs(60), ..Terms::default() }).await.to_string()
}

async fn f19_too_few_copies(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(30, PROGRESS).await;
    [1, 2].iter().for_each(|node| trial.cluster.signal(*node, "STOP"));
    load.goes_on(100).await;
    [1, 2].iter().for_each(|node| trial.cluster.signal(*node, "CONT"));
    stand.more_arrive(50, Duration::from_secs(60)).await;
    stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await.to_string()
}

async fn f21_the_coordinator_is_away_while_a_member_leaves(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(30, PROGRESS).await;
    trial.cluster.kill(0);
    let since = Instant::now();
    let (content, gateway) = (stand.contents[0].take(), stand.gateways[0].take());
    let within = Duration::from_secs(25);
    let (content, gateway) = tokio::join!(
        content.expect("it runs").terminate(within),
        gateway.expect("it runs").terminate(within)
    );
    let ended = since.elapsed();
    trial.cluster.launch(0);
    trial.cluster.answers().await;
    stand.staff().await;
    let report = stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await;
    assert!(ended < Duration::from_secs(10), "{ended:?} until both had ended; {report}");
    format!("ended after {:.1} s with {content} and {gateway}; {report}", ended.as_secs_f64())
}

async fn f28_a_slow_broker(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    slow(trial, Duration::from_millis(500));
    let load = stand.load();
    load.goes_on(150).await;
    slow_no_more(trial);
    let report = stand.ends(load, Terms::default()).await;
    format!("{}; {report}", answered_at_once(&stand, &report))
}

/// Every push was answered 200 at its first delivery, in the time that the platform gives and a second less.
fn answered_at_once(stand: &Stand, report: &Report) -> String {
    let slowest = slowest(stand);
    let repeated = stand.pushed.iter().filter(|push| push.attempts.len() > 1).count();
    let told = format!("slowest push {slowest:.0} ms, {repeated} repeated");
    assert!(slowest < 4_000.0 && repeated == 0 && report.given_up == 0, "{told}; {report}");
    told
}

async fn f28_a_very_slow_broker(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { users: 400, rate: 100, ..Shape::default() }).await;
    slow(trial, Duration::from_millis(1_500));
    let load = stand.load();
    load.goes_on(1_000).await;
    slow_no_more(trial);
    let report = stand.ends(load, Terms::default()).await;
    format!("{}; {report}", answered_at_once(&stand, &report))
}

fn slow(trial: &Trial<'_>, each_way: Duration) {
    trial.cluster.nodes().iter().for_each(|node| node.to_gateways.set(Mode::Latency(each_way)));
}

fn slow_no_more(trial: &Trial<'_>) {
    trial.cluster.nodes().iter().for_each(|node| node.to_gateways.set(Mode::Forward));
}

/// The slowest delivery that was answered 200, milliseconds.
pub(super) fn slowest(stand: &Stand) -> f64 {
    let answered =
        stand.pushed.iter().flat_map(|push| &push.attempts).filter(|attempt| attempt.status == 200);
    answered.map(|attempt| attempt.ms).fold(0.0, f64::max)
}

async fn f29_the_brokers_report_is_lost(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(30, PROGRESS).await;
    trial.cluster.nodes()[0].to_gateways.set(Mode::DropAnswers);
    load.goes_on(75).await;
    slow_no_more(trial);
    let report = stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await;
    assert!(report.repeats > 0, "a record whose report was lost comes again: {report}");
    assert_eq!(stand.counted("content_repeats_total").await, report.repeats as f64, "{report}");
    report.to_string()
}

async fn f30_bits_turn_on_the_way_from_the_broker(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(30, PROGRESS).await;
    stand.contents[0].take().expect("it runs").kill();
    load.goes_on(150).await;
    let edge = &trial.cluster.nodes()[0].to_contents;
    edge.set(Mode::TurnBitOf("text "));
    stand.contents[0] = Some(stand.content_service(0));
    load.goes_on(75).await;
    edge.set(Mode::Forward);
    let since = Instant::now();
    stand.staff().await;
    stand.more_arrive(10, TAKEOVER).await;
    let again = since.elapsed();
    let terms = Terms { costs: Costs::unknown(IN_FLIGHT), within: TAKEOVER, ..Terms::default() };
    let report = stand.ends(load, terms).await;
    assert!(again < Duration::from_secs(5), "replies again after {again:?}; {report}");
    let said = |words| stand.logged("content-service-0", words);
    let (refused, rewound) = (said("failed CRC32C check"), said("the partition was rewound"));
    assert!(refused > 0, "no record came with a wrong checksum; {report}");
    format!(
        "{refused} times a checksum was wrong, {rewound} times a partition was rewound; replies again after {:.1} s; {report}",
        again.as_secs_f64()
    )
}

async fn f30_a_record_stays_damaged(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { users: 400, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(30, PROGRESS).await;
    let edge = &trial.cluster.nodes()[0].to_contents;
    edge.set(Mode::TurnBitOf("text 99"));
    load.goes_on(250).await;
    let (before, held) = (stand.arrived(), stand.counted("content_lag").await);
    stand.more_arrive(25, PROGRESS).await;
    edge.set(Mode::Forward);
    let terms = Terms { within: TAKEOVER, ..Terms::default() };
    let report = stand.ends(load, terms).await;
    assert!(held > 0.0 && before >= 180, "{held} held, {before} arrived; {report}");
    format!("{held} events waited in its partition, {before} of the others had arrived; {report}")
}

async fn f31_poison_records(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(30, PROGRESS).await;
    let (garbage, large) = (b"\xff\xff no event".to_vec(), vec![0xff; 1_000_000]);
    let kinds: [(&str, &[u8], &str); 5] = [
        ("poison-1", &garbage, "application/protobuf"),
        ("poison-2", &garbage, "text/plain"),
        ("poison-3", &large, "application/protobuf"),
        ("poison-4", b"", "application/protobuf"),
        ("", &garbage, ""),
    ];
    let properties = vec![("message.max.bytes".to_owned(), (1 << 20).to_string())];
    let producer = Kafka { properties, ..stand.kafka.clone() }.producer("poison").unwrap();
    let topic = stand.kafka.topic(proto::EVENTS.name);
    for (id, value, kind) in kinds {
        let headers = [("ce_id", id.into()), ("content-type", kind.into())];
        let headers = if id.is_empty() { &headers[2..] } else { &headers[..] };
        producer.send(&topic, b"poison", headers, Some(value)).unwrap().await.unwrap();
    }
    let aside = async || {
        (stand.contents[0].as_ref()?.counts(&stand.http, "content_dlq_total").await >= 5.0).then_some(())
    };
    until("each is set aside", PROGRESS, aside).await;
    let costs = Costs { set_aside: kinds.len(), ..Costs::default() };
    let report = stand.ends(load, Terms { costs, ..Terms::default() }).await;
    let (aside, counted) = (report.count(End::SetAside), stand.counted("content_dlq_total").await);
    assert_eq!((aside, report.books.set_aside.len(), counted), (5, 5, 5.0), "{report}");
    assert_eq!(report.count(End::Sent), report.events - kinds.len(), "{report}");
    report.to_string()
}

async fn f83_kafka_is_far_away(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let far = Mode::Latency(Duration::from_millis(40));
    trial.cluster.nodes()[0].to_contents.set(far);
    trial.cluster.nodes()[0].to_gateways.set(far);
    let load = stand.load();
    load.goes_on(200).await;
    let report = stand.ends(load, Terms::default()).await;
    trial.cluster.nodes()[0].to_contents.set(Mode::Forward);
    slow_no_more(trial);
    assert_eq!((report.count(End::Sent), report.given_up), (report.events, 0), "{report}");
    format!("slowest push {:.0} ms; {report}", slowest(&stand))
}
