//! Promise 1 and 2: what was answered 200 is in Kafka, and what is in Kafka ends in one outcome.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proto::{
    event::{Event, event::Kind},
    reply::Outcome,
};
use simulator::{Act, Order};
use tokio::task::JoinSet;

use crate::support::{
    house::House,
    kafka::{self, Broker},
};

/// Pushes once every ten milliseconds for as long as it is asked to.
struct Load {
    house: Arc<House>,
    pushed: Vec<Order>,
    pushing: JoinSet<(usize, u16)>,
    answered: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

impl Load {
    fn new(house: &Arc<House>) -> Self {
        let (answered, refused) = (Arc::default(), Arc::default());
        Self { house: Arc::clone(house), pushed: Vec::new(), pushing: JoinSet::new(), answered, refused }
    }

    fn push(&mut self) {
        let n = self.pushed.len();
        let order = self.house.text(&format!("o{}", n % 40), &n.to_string());
        self.pushed.push(order.clone());
        let (house, answered, refused) =
            (Arc::clone(&self.house), Arc::clone(&self.answered), Arc::clone(&self.refused));
        self.pushing.spawn(async move {
            let status = house.push(Order { repeat: Some(1), ..order }).await.unwrap()[0].status;
            let count = if status == 200 { answered } else { refused };
            count.fetch_add(1, Ordering::Relaxed);
            (n, status)
        });
    }

    async fn while_waiting_for(&mut self, what: &str, holds: impl Fn(usize, usize) -> bool) {
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while !holds(self.answered.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed)) {
            assert!(tokio::time::Instant::now() < deadline, "not within 30 s: {what}");
            beat.tick().await;
            self.push();
        }
    }
}

fn text_of(event: &Event) -> String {
    match &event.kind {
        Some(Kind::TextReceived(text)) => text.content.clone(),
        other => panic!("nobody pushed this: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_push_answered_200_is_in_kafka() {
    let mut broker = Broker::start().await;
    let house = Arc::new(House::open_on(broker.clients(""), None).await);
    let _gateway = house.gateway().await;
    let mut load = Load::new(&house);
    load.while_waiting_for("pushes are answered", |answered, _| answered >= 150).await;
    broker.kill();
    load.while_waiting_for("pushes are refused without a broker", |_, refused| refused >= 10).await;
    let again = load.answered.load(Ordering::Relaxed) + 150;
    let back = load.while_waiting_for("pushes are answered again", |answered, _| answered >= again);
    tokio::join!(broker.start_again(), back);

    let statuses: HashMap<usize, u16> =
        std::mem::take(&mut load.pushing).join_all().await.into_iter().collect();
    assert!(statuses.values().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    let there: HashSet<String> = house.events().await.iter().map(text_of).collect();
    let missing: Vec<_> =
        statuses.iter().filter(|(n, status)| **status == 200 && !there.contains(&n.to_string())).collect();
    assert!(missing.is_empty(), "answered 200 and not in kafka: {missing:?}");

    // As the platform does: what was refused comes again. A push that the broker took without telling has the same id both times.
    let refused = load.pushed.iter().enumerate().filter(|(n, _)| statuses[n] != 200);
    house.push_all(refused.map(|(_, order)| order.clone())).await;
    let events = house.events().await;
    let (ids, texts): (HashSet<_>, HashSet<_>) =
        events.iter().map(|event| (&event.id, text_of(event))).unzip();
    assert_eq!((ids.len(), texts.len()), (load.pushed.len(), load.pushed.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_ends_in_one_outcome() {
    let house = House::open().await;
    let (_gateway, _profile, content) = house.staff().await;
    house.answers_slowly().await;
    let acts = (0..200).map(|n| {
        let act = match n % 5 {
            0 | 1 => Act::Text { content: format!("text {n}") },
            2 => Act::Click { key: format!("two {n}") },
            3 => Act::Location { latitude: 23.1, longitude: 113.3 },
            _ => Act::Unsubscribe,
        };
        house.act(&format!("o{n}"), &act)
    });
    house.push_all(acts).await;
    let (partition, offset, value) = poison(&house).await;
    house.arrived(20, Duration::from_secs(30)).await;
    content.kill();
    let _content = house.content("content-service").await;
    house.settled().await;

    let mut outcomes = house.outcomes().await;
    let place = format!("aside:{}/{partition}/{offset}", house.kafka.topic(proto::EVENTS.name));
    let set_aside = outcomes.remove(&place).expect("a record that nobody can read has an outcome too");
    assert_eq!(set_aside.outcome(), Outcome::SetAside, "{}", set_aside.reason);
    assert_eq!(set_aside.event_id, "poison", "what it claims to be");
    let events = kafka::read(&house.kafka, proto::EVENTS).await;
    let ids: HashSet<&str> =
        events.iter().map(|record| record.header("ce_id")).filter(|id| *id != "poison").collect();
    assert_eq!(ids.len(), 200);
    assert_eq!(ids, outcomes.keys().map(String::as_str).collect());
    for reply in outcomes.values().filter(|reply| reply.event_kind == "location_reported") {
        assert_eq!((reply.outcome(), reply.reason.as_str()), (Outcome::Suppressed, "no right"));
    }

    assert_eq!(
        events.iter().rfind(|record| record.partition == partition).unwrap().offset,
        offset,
        "it is the last"
    );
    let dlq = kafka::read(&house.kafka, proto::DLQ).await;
    assert!(!dlq.is_empty());
    for record in &dlq {
        assert_eq!((record.header("ce_id"), &record.value), ("poison", &value), "untouched");
        let place = (record.header("dlq_topic"), record.header("dlq_partition"), record.header("dlq_offset"));
        let topic = house.kafka.topic(proto::EVENTS.name);
        assert_eq!(place, (topic.as_str(), partition.to_string().as_str(), offset.to_string().as_str()));
        assert_eq!(record.header("dlq_reason"), "protobuf");
    }
}

/// Puts a record that nobody can read behind everything that is there; returns its place and its value.
async fn poison(house: &House) -> (i32, i64, Vec<u8>) {
    let value = b"\xff\xff\xff no event at all".to_vec();
    let producer = house.kafka.producer("poison").unwrap();
    let headers = [("ce_id", "poison".into()), ("content-type", "application/protobuf".into())];
    let topic = house.kafka.topic(proto::EVENTS.name);
    let (partition, offset) =
        producer.send(&topic, b"poison", &headers, Some(&value)).unwrap().await.unwrap();
    (partition, offset, value)
}
