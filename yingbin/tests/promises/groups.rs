//! Both group protocols on a real broker: a static member that comes back in time moves no partition, and a member that leaves is gone,
//! also in the middle of a rebalance.

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
    kafka::{self, GroupProtocol, Kafka, Rounds, TopicSpec, blocking, create_topics, leave},
};
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::support::{
    kafka::Broker,
    processes::{until, within},
};

const TOPIC: &str = "groups";
const GROUP: &str = "members";
const WITHIN: Duration = Duration::from_secs(30);

/// Counts the times that partitions come or go.
#[derive(Default)]
struct Moves {
    rounds: Rounds,
    moves: AtomicUsize,
    /// Gives up when it may, and holds up every rebalance until then.
    holds: Option<Holds>,
}

#[derive(Clone, Default)]
struct Holds {
    asked: CancellationToken,
    may: CancellationToken,
}

impl ClientContext for Moves {}

impl ConsumerContext for Moves {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.rounds.hear(rebalance);
        if let Rebalance::Assign(list) | Rebalance::Revoke(list) = rebalance {
            self.moves.fetch_add(list.count(), Ordering::SeqCst);
        }
        if let (Rebalance::Revoke(_), Some(holds)) = (rebalance, &self.holds) {
            holds.asked.cancel();
            blocking(|| Handle::current().block_on(holds.may.cancelled()));
        }
    }
}

impl kafka::HearsRebalances for Moves {
    fn rounds(&self) -> &Rounds {
        &self.rounds
    }
}

struct Member {
    consumer: Arc<StreamConsumer<Moves>>,
    polling: JoinHandle<()>,
    stop: CancellationToken,
}

impl Member {
    fn join(kafka: &Kafka) -> Self {
        Self::join_with(kafka, Moves::default())
    }

    fn join_with(kafka: &Kafka, context: Moves) -> Self {
        let stop = CancellationToken::new();
        let consumer = Arc::new(kafka.consumer_with(GROUP, &[], context).unwrap());
        consumer.subscribe(&[&kafka.topic(TOPIC)]).unwrap();
        let (polled, stopped) = (Arc::clone(&consumer), stop.clone());
        let polling = tokio::spawn(async move {
            while let Some(polled) = stopped.run_until_cancelled(polled.recv()).await {
                drop(polled);
            }
        });
        Self { consumer, polling, stop }
    }

    fn holds(&self) -> BTreeSet<i32> {
        self.consumer.assignment().unwrap().elements().iter().map(|element| element.partition()).collect()
    }

    fn moves(&self) -> usize {
        self.consumer.context().moves.load(Ordering::SeqCst)
    }

    /// State of the group and its members, as the broker has them.
    fn group(&self, group: &str) -> (String, usize) {
        let listed = blocking(|| self.consumer.fetch_group_list(Some(group), WITHIN)).unwrap();
        listed
            .groups()
            .first()
            .map_or_else(Default::default, |it| (it.state().to_owned(), it.members().len()))
    }

    async fn leave(self, kafka: Kafka) {
        self.stop.cancel();
        self.polling.await.unwrap();
        let consumer = Arc::into_inner(self.consumer).expect("nobody polls it any more");
        let leaving = move || leave(consumer, &kafka.group(GROUP), &kafka.topic(TOPIC), |_| ());
        tokio::task::spawn_blocking(leaving).await.unwrap();
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

/// A topic of four partitions, in a namespace of its own.
async fn a_topic(broker: &Broker, namespace: &str) -> Kafka {
    let clients = broker.clients(namespace);
    let topic = TopicSpec { name: clients.topic(TOPIC), partitions: 4, settings: Vec::new() };
    create_topics(&clients, &[topic], 1).await.unwrap();
    clients
}

async fn a_restart_moves_nothing(protocol: &str, expected: GroupProtocol) {
    let broker = Broker::shared().await;
    let clients = a_topic(&broker, &format!("groups-{protocol}.")).await;
    let (one, two) = (settings(&clients, protocol, "one"), settings(&clients, protocol, "two"));
    assert_eq!(one.group_protocol, expected);
    let (restarted, stays) = (Member::join(&one), Member::join(&two));
    let shared = async || {
        let (one, two) = (restarted.holds(), stays.holds());
        (one.len() == 2 && two.len() == 2 && one.is_disjoint(&two)).then_some((one, two))
    };
    let (held, kept) = until("both members have their half", WITHIN, shared).await;
    let before = stays.moves();

    restarted.leave(clients.clone()).await;
    let again = Member::join(&one);
    until("it has its partitions again", WITHIN, async || (again.holds() == held).then_some(())).await;
    assert_eq!((stays.moves(), stays.holds()), (before, kept), "the other member noticed nothing");
    again.leave(clients.clone()).await;
    stays.leave(clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_comes_back_moves_no_partition_in_a_classic_group() {
    a_restart_moves_nothing("classic", GroupProtocol::Classic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_comes_back_moves_no_partition_in_a_group_of_the_new_kind() {
    a_restart_moves_nothing("consumer", GroupProtocol::Consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_leaves_in_the_middle_of_a_rebalance_is_gone_when_it_ends() {
    let broker = Broker::shared().await;
    // What is not left is missed long after this test has failed.
    let clients = Kafka {
        consumer_properties: vec![("session.timeout.ms".to_owned(), "120000".to_owned())],
        ..a_topic(&broker, "groups-rebalance.").await
    };
    let holds = Holds::default();
    // A test that fails lets it go on, too.
    let held = holds.may.clone().drop_guard();
    let slow = Member::join_with(&clients, Moves { holds: Some(holds.clone()), ..Moves::default() });
    until("it has all", WITHIN, async || (slow.holds().len() == 4).then_some(())).await;
    let other = Member::join(&clients);
    within(WITHIN, "partitions are asked for", holds.asked.cancelled()).await;

    let leaves = Member::join(&clients);
    let group = async || other.group(&clients.group(GROUP));
    let waits = async || (group().await == ("PreparingRebalance".to_owned(), 3)).then_some(());
    until("all wait for the one that gives nothing up", WITHIN, waits).await;
    let mut leaving = tokio::spawn(leaves.leave(clients.clone()));
    assert!(timeout(Duration::from_secs(1), &mut leaving).await.is_err(), "it waits for the rebalance");

    drop(held);
    within(WITHIN, "it leaves", leaving).await.unwrap();
    let gone = async || (group().await == ("Stable".to_owned(), 2)).then_some(());
    until("the group goes on without it", WITHIN, gone).await;
    other.leave(clients.clone()).await;
    slow.leave(clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_leaves_a_group_of_the_new_kind_is_gone() {
    let broker = Broker::shared().await;
    let clients = Kafka { group_protocol: GroupProtocol::Consumer, ..a_topic(&broker, "groups-gone.").await };
    let (stays, leaves) = (Member::join(&clients), Member::join(&clients));
    let shared = async || (stays.holds().len() == 2 && leaves.holds().len() == 2).then_some(());
    until("both members have their half", WITHIN, shared).await;
    leaves.leave(clients.clone()).await;
    // The broker would miss it after 45 s.
    until("one member has all", WITHIN, async || (stays.holds().len() == 4).then_some(())).await;
    stays.leave(clients).await;
}
