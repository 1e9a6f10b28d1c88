//! Both group protocols on a real broker: a static member that comes back in time moves no partition.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    client::ClientContext,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer},
};
use runtime::{
    config::Settings,
    kafka::{GroupProtocol, Kafka, TopicSpec, create_topics, leave},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{kafka::Broker, processes::until};

const TOPIC: &str = "groups";
const WITHIN: Duration = Duration::from_secs(30);

/// Counts the times that partitions come or go.
#[derive(Clone, Default)]
struct Moves(Arc<AtomicUsize>);

impl ClientContext for Moves {}

impl ConsumerContext for Moves {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) | Rebalance::Revoke(list) = rebalance {
            self.0.fetch_add(list.count(), Ordering::SeqCst);
        }
    }
}

struct Member {
    consumer: Arc<StreamConsumer<Moves>>,
    moves: Moves,
    polling: JoinHandle<()>,
    stop: CancellationToken,
}

impl Member {
    fn join(kafka: &Kafka) -> Self {
        let (moves, stop) = (Moves::default(), CancellationToken::new());
        let consumer = Arc::new(kafka.consumer_with("members", &[], moves.clone()).unwrap());
        consumer.subscribe(&[&kafka.topic(TOPIC)]).unwrap();
        let (polled, stopped) = (Arc::clone(&consumer), stop.clone());
        let polling = tokio::spawn(async move {
            while let Some(polled) = stopped.run_until_cancelled(polled.recv()).await {
                drop(polled);
            }
        });
        Self { consumer, moves, polling, stop }
    }

    fn holds(&self) -> BTreeSet<i32> {
        self.consumer.assignment().unwrap().elements().iter().map(|element| element.partition()).collect()
    }

    fn moves(&self) -> usize {
        self.moves.0.load(Ordering::SeqCst)
    }

    async fn leave(self, topic: String) {
        self.stop.cancel();
        self.polling.await.unwrap();
        let consumer = Arc::into_inner(self.consumer).expect("nobody polls it any more");
        tokio::task::spawn_blocking(move || leave(consumer, &topic, |_| ())).await.unwrap();
    }
}

/// A member's settings, as an operator gives them.
fn settings(broker: &Kafka, protocol: &str, name: &str) -> Kafka {
    let flags = [format!("kafka.group_protocol={protocol}"), format!("kafka.group_instance_id={name}")];
    let mut settings = Settings::load("content-service", None, [], &flags);
    let told = Kafka::read(&mut settings);
    settings.finish().unwrap();
    Kafka {
        group_protocol: told.group_protocol,
        consumer_properties: told.consumer_properties,
        ..broker.clone()
    }
}

async fn a_restart_moves_nothing(protocol: &str, expected: GroupProtocol) {
    let broker = Broker::shared().await;
    let clients = broker.clients(&format!("groups-{protocol}."));
    let topic = TopicSpec { name: clients.topic(TOPIC), partitions: 4, settings: Vec::new() };
    create_topics(&clients, std::slice::from_ref(&topic), 1).await.unwrap();
    let (one, two) = (settings(&clients, protocol, "one"), settings(&clients, protocol, "two"));
    assert_eq!(one.group_protocol, expected);
    let (restarted, stays) = (Member::join(&one), Member::join(&two));
    let shared = async || {
        let (one, two) = (restarted.holds(), stays.holds());
        (one.len() == 2 && two.len() == 2 && one.is_disjoint(&two)).then_some((one, two))
    };
    let (held, kept) = until("both members have their half", WITHIN, shared).await;
    let before = stays.moves();

    restarted.leave(topic.name.clone()).await;
    let again = Member::join(&one);
    until("it has its partitions again", WITHIN, async || (again.holds() == held).then_some(())).await;
    assert_eq!((stays.moves(), stays.holds()), (before, kept), "the other member noticed nothing");
    again.leave(topic.name.clone()).await;
    stays.leave(topic.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_comes_back_moves_no_partition_in_a_classic_group() {
    a_restart_moves_nothing("classic", GroupProtocol::Classic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_comes_back_moves_no_partition_in_a_group_of_the_new_kind() {
    a_restart_moves_nothing("consumer", GroupProtocol::Consumer).await;
}
