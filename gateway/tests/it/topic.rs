//! A topic that is not there or takes nothing of ours, and a producer that is broken for good.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr as Code},
};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    house::{House, until},
    spool_process::{Process, cluster, gateway, signal},
    wire,
};

const MENDED: Duration = Duration::from_secs(2);
/// Pushes of which Kafka has said at once that it does not take them.
const REFUSALS: &str = "gateway_pushes_total{account=\"a\",result=\"not_taken\"}";

/// A gateway that writes its log into a file of `folder`.
fn logging(
    cluster: &MockCluster<'static, DefaultProducerContext>,
    folder: &TempDir,
    spool: Option<&Path>,
) -> (Process, PathBuf) {
    let log = folder.path().join("log");
    // Usually five seconds: until then a new topic may only not be known everywhere yet.
    let soon = ["kafka.properties.topic.metadata.propagation.max.ms=500"];
    let (mut command, public, admin) = gateway(&cluster.bootstrap_servers(), spool, "", &soon);
    command.stderr(Stdio::from(File::create(&log).unwrap()));
    (Process::of(command.spawn().unwrap(), public, admin), log)
}

async fn said(log: &Path, words: &str) {
    until(async || fs::read_to_string(log).unwrap().contains(words)).await;
}

/// F27 at the start: without a spool it is not ready, and says why.
#[tokio::test]
async fn f27_a_topic_that_is_missing_or_refused_is_told_at_the_start_and_pushes_are_taken_when_it_is_mended()
{
    for (code, words) in [
        (Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "create it with `yingbin topics create`"),
        (Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "does not let the gateway use the topic"),
    ] {
        let (folder, cluster) = (tempfile::tempdir().unwrap(), cluster());
        cluster.topic_error(proto::EVENTS.name, code).unwrap();
        let (process, log) = logging(&cluster, &folder, None);
        said(&log, words).await;
        assert!(fs::read_to_string(&log).unwrap().contains(proto::EVENTS.name));
        let readyz = wire::get(process.admin, "/readyz").await;
        assert!(readyz.status == 503 && readyz.body.contains("kafka"), "{readyz:?}");
        until(async || {
            assert_eq!(process.push("oReader", 1).await.status, 503);
            process.metric(REFUSALS).await > 0.0
        })
        .await;
        cluster.topic_error(proto::EVENTS.name, Code::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
        let mended = Instant::now();
        until(async || process.push("oReader", 1).await.status == 200).await;
        process.ready().await;
        assert!(mended.elapsed() < MENDED, "{:?}", mended.elapsed());
    }
}

#[tokio::test]
async fn f27_with_a_spool_a_missing_topic_is_told_too_and_what_was_pushed_goes_there_when_it_is_mended() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), cluster());
    let missing = Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.topic_error(proto::EVENTS.name, missing).unwrap();
    let (process, log) = logging(&cluster, &folder, Some(&folder.path().join("spool")));
    said(&log, "create it with `yingbin topics create`").await;
    process.ready().await;
    assert_eq!(process.push("oReader", 1).await.status, 200);
    cluster.topic_error(proto::EVENTS.name, Code::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    process.drained().await;
    let house = House::on(cluster, |_| {}).await;
    assert_eq!(house.ids_by_user().await["oReader"], [1]);
    house.end().await;
}

/// F27 at run time: the right to write is taken away, and given back.
#[tokio::test]
async fn f27_a_topic_that_refuses_a_running_gateway_is_answered_503_and_told_until_it_is_mended() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), cluster());
    let (process, log) = logging(&cluster, &folder, None);
    process.ready().await;
    assert_eq!(process.push("oReader", 1).await.status, 200);
    // After one refusal librdkafka keeps the topic for refused, and asks again every second.
    let refused = Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::Produce, &[refused]);
    assert_eq!(process.push("oReader", 2).await.status, 503);
    said(&log, "kafka refuses the record").await;
    assert_eq!(process.metric(REFUSALS).await, 1.0);
    let mended = Instant::now();
    until(async || process.push("oReader", 2).await.status == 200).await;
    assert!(mended.elapsed() < MENDED, "{:?}", mended.elapsed());
}

/// F20: the partitions get another leader, thirty times while pushes come.
#[tokio::test]
async fn f20_when_partitions_move_to_another_broker_pushes_take_half_a_second_longer_at_most() {
    const PUSHES: usize = 150;
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic(proto::EVENTS.name, 3, 3).unwrap();
    cluster.create_topic(proto::ITEMS.name, 1, 1).unwrap();
    let house = House::on(cluster, |_| {}).await;
    let mut times = [const { Vec::new() }; 2];
    for n in 0..PUSHES {
        let has_moved = n % 5 == 4;
        if has_moved {
            let leader = i32::try_from(n / 5 % 3).unwrap() + 1;
            for partition in 0..3 {
                house.cluster.partition_leader(proto::EVENTS.name, partition, Some(leader)).unwrap();
            }
        }
        let started = Instant::now();
        assert_eq!(house.push_text(&format!("oReader{}", n % 7), n).await.status, 200);
        times[usize::from(has_moved)].push(started.elapsed());
    }
    let [usual, moved] = times.map(|times| times.into_iter().max().unwrap());
    assert!(moved < usual + Duration::from_millis(500), "{moved:?}, and {usual:?} without a move");
    let mut ids: Vec<usize> = house.ids_by_user().await.into_values().flatten().collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..PUSHES).collect::<Vec<_>>());
    house.end().await;
}

/// F26: the broker finds the one record under way out of order, which librdkafka cannot explain; its producer never sends again.
#[tokio::test]
async fn f26_after_a_fatal_error_of_the_producer_liveness_fails_and_the_next_process_sends_what_was_taken() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), cluster());
    let spool = folder.path().join("spool");
    let (mut process, _) = logging(&cluster, &folder, Some(&spool));
    process.ready().await;
    assert_eq!(process.push("oReader", 1).await.status, 200);
    assert_eq!(wire::get(process.admin, "/livez").await.status, 200);
    let out_of_order = Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    cluster.request_errors(RDKafkaApiKey::Produce, &[out_of_order]);
    for n in 2..5 {
        assert_eq!(process.push("oReader", n).await.status, 200, "it waits in the spool");
    }
    let failed = Instant::now();
    let livez = wire::get(process.admin, "/livez").await;
    assert!(livez.status == 503 && livez.body.starts_with("producer: "), "{livez:?}");
    // What Kubernetes does when liveness fails.
    signal(&process.child, "TERM");
    assert_eq!(process.child.wait().await.unwrap().code(), Some(0));
    let (process, _) = logging(&cluster, &folder, Some(&spool));
    process.ready().await;
    process.drained().await;
    assert!(failed.elapsed() < Duration::from_secs(10), "{:?}", failed.elapsed());
    let house = House::on(cluster, |_| {}).await;
    assert_eq!(house.ids_by_user().await["oReader"], [1, 2, 3, 4]);
    house.end().await;
}
