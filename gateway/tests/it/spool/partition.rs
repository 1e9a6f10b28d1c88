//! Kafka is there, but for the leader of one partition of the topic.

use futures::future::join_all;
use rdkafka::mocking::MockCluster;

use super::{drained, spooled};
use crate::house::{House, until, with_spool};

/// More than the drainer has in hand at once.
const SICK: usize = 280;
const HEALTHY: usize = 5;
const EACH: usize = 10;

/// So many users whose events go to partition 0, and so many others.
async fn users(house: &House) -> (Vec<String>, Vec<String>) {
    let producer = house.kafka.producer("asker").unwrap();
    let users: Vec<String> = (0..4 * SICK).map(|n| format!("oReader{n}")).collect();
    let partition = async |user: &String| {
        let key = proto::record_key("wx-safe", user);
        producer.send("like-the-events", key.as_bytes(), &[], None).unwrap().await.unwrap().0
    };
    let partitions = join_all(users.iter().map(partition)).await;
    let of = |sick: bool, most: usize| {
        let found = users.iter().zip(&partitions).filter(|(_, partition)| (**partition == 0) == sick);
        found.map(|(user, _)| user.clone()).take(most).collect::<Vec<_>>()
    };
    let (sick, healthy) = (of(true, SICK), of(false, HEALTHY));
    assert_eq!((sick.len(), healthy.len()), (SICK, HEALTHY));
    (sick, healthy)
}

#[tokio::test]
async fn a_partition_without_its_leader_holds_up_no_user_of_another() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), MockCluster::new(2).unwrap());
    for (topic, partitions) in [(proto::EVENTS.name, 3), (proto::ITEMS.name, 1), ("like-the-events", 3)] {
        cluster.create_topic(topic, partitions, 1).unwrap();
        for partition in 0..partitions {
            let leader = if (topic, partition) == (proto::EVENTS.name, 0) { 2 } else { 1 };
            cluster.partition_leader(topic, partition, Some(leader)).unwrap();
        }
    }
    let house = House::on(cluster, with_spool(folder.path())).await;
    let (sick, healthy) = users(&house).await;
    house.cluster.broker_down(-1).unwrap();
    let push =
        async |user: &String, n| assert_eq!(house.push_text(user, n).await.status, 200, "{n} of {user}");
    for user in &sick {
        push(user, 1).await;
    }
    for n in 1..=EACH {
        join_all(healthy.iter().map(|user| push(user, n))).await;
    }
    push(&sick[0], 2).await;
    assert_eq!(spooled(&house).await, (SICK + HEALTHY * EACH + 1) as f64);
    house.cluster.broker_up(1).unwrap();
    let only_the_sick_wait = async || spooled(&house).await == (SICK + 1) as f64;
    until(only_the_sick_wait).await;
    // Straight to Kafka, or by the spool.
    join_all(healthy.iter().map(|user| push(user, EACH + 1))).await;
    until(only_the_sick_wait).await;
    house.cluster.broker_up(2).unwrap();
    drained(&house).await;
    let ids = house.ids_by_user().await;
    for user in &healthy {
        assert_eq!(ids[user], (1..=EACH + 1).collect::<Vec<_>>(), "{user}");
    }
    for (user, until) in sick.iter().zip([2].into_iter().chain(std::iter::repeat(1))) {
        assert_eq!(ids[user], (1..=until).collect::<Vec<_>>(), "{user}");
    }
    house.end().await;
}
