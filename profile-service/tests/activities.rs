//! The topic `customer.activity.v1` on a mock cluster.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod support;

use std::time::Duration;

use prost::Message as _;
use proto::{
    ACTIVITY, CloudEvent, DLQ,
    activity::{Activity, Choice},
    profile::{GetRequest, Profile, UpdateRequest},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    message::{Headers as _, Message as _, OwnedMessage},
};
use runtime::kafka::{GroupProtocol, Kafka};
use support::{
    THEN, by_card, by_user, card, purchase,
    redis::Server,
    service::{Service, cluster, kafka, until},
    user,
};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn tell(kafka: &Kafka, activities: &[Activity]) {
    let producer = kafka.producer("till").unwrap();
    for activity in activities {
        let record = CloudEvent::of_activity(activity, "/till", TRACE).expect("it names somebody");
        let payload = activity.encode_to_vec();
        let sent = producer.send(ACTIVITY.name, record.key.as_bytes(), &record.headers(), Some(&payload));
        sent.unwrap().await.unwrap();
    }
}

async fn profile(service: &Service, openid: &str) -> Profile {
    let got = service.client().get(GetRequest { customer: by_user(openid) }).await;
    got.map(|answer| answer.into_inner().profile.unwrap_or_default()).unwrap_or_default()
}

async fn until_version(service: &Service, openid: &str, version: u64) -> Profile {
    until("the activities are learned", || async { profile(service, openid).await.version >= version }).await;
    profile(service, openid).await
}

/// The group's position; `None` before the first commit.
fn committed(consumer: &StreamConsumer, partition: i32) -> Option<i64> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(ACTIVITY.name, partition);
    let answer = consumer.committed_offsets(asked, Duration::from_secs(5)).ok()?;
    answer.find_partition(ACTIVITY.name, partition)?.offset().to_raw().filter(|offset| *offset >= 0)
}

/// The first record of a partition of the DLQ topic.
async fn first_set_aside(kafka: &Kafka) -> OwnedMessage {
    let consumer = kafka.consumer("operator", &[]).unwrap();
    let mut whole = TopicPartitionList::new();
    for partition in 0..2 {
        whole.add_partition_offset(DLQ.name, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&whole).unwrap();
    tokio::time::timeout(Duration::from_secs(20), consumer.recv()).await.expect("in time").unwrap().detach()
}

fn seat(id: &str, openid: &str, n: i64) -> Activity {
    let choice = Choice { habit: "seat.side".into(), value: "window".into(), options: 3 };
    Activity { choices: vec![choice], ..purchase(id, by_user(openid), THEN + n) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activities_are_learned_once_whoever_they_name_and_across_a_restart() {
    let (redis, cluster) = (Server::start().await, cluster());
    let kafka = kafka(&cluster);
    let service = Service::start(&redis, kafka.clone()).await;
    let link =
        UpdateRequest { user: Some(user("o1")), external_ids: vec![card("42")], ..UpdateRequest::default() };
    service.client().update(link).await.unwrap();

    let mut told: Vec<_> = (0..30).map(|n| seat(&format!("a{n}"), "o1", n)).collect();
    told.push(purchase("by card", by_card("42"), THEN + 100));
    told.push(told[0].clone());
    tell(&kafka, &told).await;
    let known = until_version(&service, "o1", 32).await;
    assert!((known.habits[0].choices[0].count - 30.0).abs() < 1e-3);
    assert_eq!(known.activities.last().map(|activity| activity.id.as_str()), Some("by card"));
    service.stop().await;

    let service = Service::start(&redis, kafka.clone()).await;
    tell(&kafka, &[seat("after", "o1", 200)]).await;
    assert_eq!(until_version(&service, "o1", 33).await.version, 33);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_record_last_in_its_partition_is_set_aside_and_the_offset_moves_past_it() {
    let (redis, cluster) = (Server::start().await, cluster());
    let kafka = kafka(&cluster);
    let service = Service::start(&redis, kafka.clone()).await;
    tell(&kafka, &[seat("a1", "o1", 0)]).await;
    let headers = [("ce_id", "poison".into()), ("traceparent", TRACE.into())];
    let producer = kafka.producer("till").unwrap();
    let poison = b"\xff\xffno protobuf";
    let sent = producer.send(ACTIVITY.name, b"wx1:o1", &headers, Some(poison)).unwrap();
    let (partition, offset) = sent.await.unwrap();

    let aside = first_set_aside(&kafka).await;
    assert_eq!((aside.key(), aside.payload()), (Some(&b"wx1:o1"[..]), Some(&poison[..])));
    let told: Vec<_> = aside
        .headers()
        .expect("headers")
        .iter()
        .map(|header| {
            (header.key.to_owned(), String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned())
        })
        .collect();
    let value = |name: &str| told.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((value("ce_id"), value("traceparent")), (Some("poison"), Some(TRACE)));
    assert_eq!((value("dlq_reason"), value("dlq_topic")), (Some("protobuf"), Some(ACTIVITY.name)));
    assert_eq!(value("dlq_partition"), Some(partition.to_string().as_str()));
    assert_eq!(value("dlq_offset"), Some(offset.to_string().as_str()));
    assert!(
        value("dlq_error").is_some() && value("dlq_time").is_some_and(|time| time.parse::<i64>().is_ok())
    );
    let group = kafka.consumer("profile-service", &[]).unwrap();
    until("the offset is past the poison", || async {
        tokio::task::block_in_place(|| committed(&group, partition)) == Some(offset + 1)
    })
    .await;
    assert_eq!(profile(&service, "o1").await.version, 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_record_that_the_dlq_does_not_take_whole_is_set_aside_without_its_value() {
    let (redis, cluster) = (Server::start().await, cluster());
    let kafka = kafka(&cluster);
    let properties = vec![("message.max.bytes".to_owned(), "2000".to_owned())];
    let service = Service::start(&redis, Kafka { properties, ..kafka.clone() }).await;
    let producer = kafka.producer("till").unwrap();
    producer.send(ACTIVITY.name, b"wx1:o1", &[], Some(&[0xff; 9_000])).unwrap().await.unwrap();

    let aside = first_set_aside(&kafka).await;
    assert_eq!((aside.key(), aside.payload()), (Some(&b"wx1:o1"[..]), None));
    let headers = aside.headers().expect("headers");
    let said = |key: &str| {
        let found = headers.iter().find(|header| header.key == key).and_then(|header| header.value);
        found.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!((said("dlq_left_out"), said("dlq_value_bytes")), (Some("value".into()), Some("9000".into())));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_learned_twice_while_redis_is_away() {
    let (mut redis, cluster) = (Server::start().await, cluster());
    // The default of the service.
    let kafka = Kafka { group_protocol: GroupProtocol::Classic, ..kafka(&cluster) };
    let service = Service::start(&redis, kafka.clone()).await;
    tell(&kafka, &[seat("before", "o1", 0)]).await;
    until_version(&service, "o1", 1).await;

    redis.signal("-STOP");
    let told: Vec<_> = (0..400).map(|n| seat(&format!("a{n}"), &format!("o{}", n % 4), n)).collect();
    tell(&kafka, &told).await;
    until("the topic is paused", || async { service.metric("profile_activities_held").await > 0.0 }).await;
    assert!(service.metric("profile_activity_retries_total").await > 0.0);
    redis.signal("-CONT");
    for n in 0..4 {
        let openid = format!("o{n}");
        let expected = if n == 1 { 101 } else { 100 };
        assert_eq!(until_version(&service, &openid, expected).await.version, expected);
    }
    // A write that timed out was applied all the same, and is recognised when it is tried again.
    let learned = service.metric("profile_activities_total{outcome=\"learned\"}").await;
    let repeated = service.metric("profile_activities_total{outcome=\"repeated\"}").await;
    assert_eq!(learned + repeated, 401.0);
    redis.kill();
    service.stop().await;
}
