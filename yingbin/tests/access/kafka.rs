//! `deploy/kafka/acls` on a real Kafka that knows its users and gives nothing by itself.

use std::{env, fs, os::unix::fs::PermissionsExt, process::Command, sync::Arc, time::Duration};

use futures::future::join_all;
use proto::Topic;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    consumer::{CommitMode, Consumer as _, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use runtime::kafka::{GroupProtocol, Kafka, ProduceError};
use tempfile::TempDir;

use super::{deployed, named, password, sources};
use crate::support::{
    kafka::{answers, login},
    processes::{Process, free_port, repository, script, within},
};

const PATIENCE: Duration = Duration::from_secs(15);
/// A question that is not answered is asked again after this time.
const SHORTLY: Duration = Duration::from_millis(500);

/// Who there is besides `admin`. The stranger was given nothing.
const USERS: [&str; 7] =
    ["gateway", "profile-service", "content-service", "operator", "editor", "other-service", "stranger"];

/// As the distribution's `kafka-acls.sh`, which is not among its jars; a second run finds the classes of the first prepared.
const TOOL: &str = r#"#!/usr/bin/env bash
source "$COMMON"
classes=${BASH_SOURCE[0]}.jsa prepared=-XX:SharedArchiveFile
[[ -f $classes ]] || prepared=-XX:ArchiveClassesAtExit
exec "$(find_java)" "$prepared=$classes" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$cache/kafka/libs/*" \
    org.apache.kafka.tools.AclCommand "$@"
"#;

/// One node; it ends with this value.
pub(super) struct Guarded {
    _process: Process,
    folder: TempDir,
    port: u16,
}

impl Guarded {
    /// Starts a node that answers its administrator, and nobody else.
    pub(super) async fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        fs::write(folder.path().join("server.properties"), properties(&folder, port)).unwrap();
        let mut command = script("faults-kafka");
        command.arg(folder.path());
        let mut process = Process::start("kafka", command, folder.path());
        answers(&mut process, &clients(port, "admin", "")).await;
        Self { _process: process, folder, port }
    }

    /// How a user reaches it.
    pub(super) fn clients(&self, user: &str, namespace: &str) -> Kafka {
        clients(self.port, user, namespace)
    }

    /// Applies the rights as an operator does.
    pub(super) fn apply(&self, namespace: &str) {
        let file = |name: &str, text: &str| {
            let path = self.folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let tool = file("kafka-acls.sh", TOOL);
        fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
        let admin = file(
            "admin.properties",
            &format!(
                "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={} username=\"admin\" password=\"{}\";\n",
                MODULE,
                password("admin")
            ),
        );
        let path = format!("{}:{}", self.folder.path().display(), env::var("PATH").unwrap());
        let applied = Command::new(deployed("kafka/apply"))
            .args(["--bootstrap-server", &format!("127.0.0.1:{}", self.port), "--command-config"])
            .arg(admin)
            .envs([("NAMESPACE", namespace), ("PATH", &path)])
            .env("COMMON", repository().join("deploy/local/common.sh"))
            .output()
            .unwrap();
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    }
}

const MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";

fn properties(folder: &TempDir, port: u16) -> String {
    let controller = free_port();
    let users = USERS.map(|user| format!(" user_{user}=\"{}\"", password(user))).concat();
    let admin = password("admin");
    format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=CLIENTS://127.0.0.1:{port}\n\
         listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\ninter.broker.listener.name=CLIENTS\n\
         sasl.enabled.mechanisms=PLAIN\nsasl.mechanism.inter.broker.protocol=PLAIN\n\
         listener.name.clients.plain.sasl.jaas.config={MODULE} username=\"admin\" password=\"{admin}\" \
         user_admin=\"{admin}\"{users};\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         allow.everyone.if.no.acl.found=false\nsuper.users=User:admin;User:ANONYMOUS\n\
         auto.create.topics.enable=false\ngroup.initial.rebalance.delay.ms=0\n\
         offsets.topic.num.partitions=1\noffsets.topic.replication.factor=1\nlog.dirs={}\n",
        folder.path().join("data").display()
    )
}

fn clients(port: u16, user: &str, namespace: &str) -> Kafka {
    Kafka {
        bootstrap: format!("127.0.0.1:{port}"),
        namespace: namespace.to_owned(),
        group_protocol: GroupProtocol::Classic,
        properties: login(user, &password(user)),
        consumer_properties: Vec::new(),
    }
}

/// What the broker lets somebody do with the topics and groups of an installation.
#[derive(Debug, PartialEq, Eq)]
struct Rights {
    reads: Vec<&'static str>,
    writes: Vec<&'static str>,
    /// Groups that he may ask for; `true`: and commit for.
    groups: Vec<(&'static str, bool)>,
}

/// What each is to have.
fn expected(user: &str) -> Rights {
    let (events, replies, dlq) = (proto::EVENTS.name, proto::REPLIES.name, proto::DLQ.name);
    let (activity, items) = (proto::ACTIVITY.name, proto::ITEMS.name);
    let (reads, writes, groups) = match user {
        "gateway" => (vec![items], vec![events], vec![("gateway", false), ("table", false)]),
        "profile-service" => (vec![activity], vec![dlq], vec![("profile-service", true)]),
        "content-service" => (
            vec![events, items],
            vec![replies, dlq],
            vec![("content-service", true), ("table", false), ("again", false)],
        ),
        "operator" => (vec![events, replies, dlq, activity, items], vec![], vec![("yingbin", false)]),
        "editor" => (vec![], vec![items], vec![]),
        "other-service" => (vec![events, replies], vec![activity], vec![("other-service", true)]),
        _ => Default::default(),
    };
    Rights { reads, writes, groups }
}

const GROUPS: [&str; 8] = [
    "gateway",
    "profile-service",
    "content-service",
    "table",
    "again",
    "yingbin",
    "other-service",
    "elsewhere",
];

/// Tries everything as every user.
pub(super) async fn everybody_has_his_rights_and_no_other(broker: &Guarded, namespace: &str) {
    let tried = USERS.map(|user| {
        let kafka = broker.clients(user, namespace);
        tokio::spawn(async move { (user, tried(&kafka).await) })
    });
    for tried in tried {
        let (user, rights) = within(PATIENCE * 2, "everything is tried", tried).await.unwrap();
        assert_eq!(rights, expected(user), "{user}");
    }
}

async fn tried(kafka: &Kafka) -> Rights {
    let read =
        join_all(proto::ALL_TOPICS.map(|topic| async move { (topic.name, reads(kafka, topic).await) }));
    let used = join_all(GROUPS.map(|group| async move { (group, uses(kafka, group).await) }));
    let (read, written, used, ()) = tokio::join!(read, writes(kafka), used, changes_no_topic(kafka));
    let yes = |(name, may): (&'static str, bool)| may.then_some(name);
    Rights {
        reads: read.into_iter().filter_map(yes).collect(),
        writes: written.into_iter().filter_map(yes).collect(),
        groups: used.into_iter().filter_map(|(group, commits)| Some((group, commits?))).collect(),
    }
}

async fn reads(kafka: &Kafka, topic: Topic) -> bool {
    let consumer = kafka.consumer("reader", &[("enable.partition.eof", "true")]).unwrap();
    let (consumer, seen) = sees(consumer, kafka.topic(topic.name)).await;
    if !seen {
        return false;
    }
    let mut first = TopicPartitionList::new();
    first.add_partition_offset(&kafka.topic(topic.name), 0, Offset::Beginning).unwrap();
    consumer.assign(&first).unwrap();
    loop {
        match within(PATIENCE, "the topic is read or not", consumer.recv()).await {
            Ok(_) | Err(KafkaError::PartitionEOF(_)) => return true,
            Err(error) if error.rdkafka_error_code() == Some(Code::TopicAuthorizationFailed) => return false,
            // The group is another matter.
            Err(error) => assert_eq!(error.rdkafka_error_code(), Some(Code::GroupAuthorizationFailed)),
        }
    }
}

/// Whether a topic shows itself: a client that may not see it waits for it without a word.
async fn sees(consumer: StreamConsumer, topic: String) -> (StreamConsumer, bool) {
    let asked = tokio::task::spawn_blocking(move || {
        let seen = consumer.fetch_metadata(Some(&topic), PATIENCE).unwrap();
        let error = seen.topics()[0].error().map(Code::from);
        assert!(matches!(error, None | Some(Code::TopicAuthorizationFailed)), "{topic}: {error:?}");
        (consumer, error.is_none())
    });
    asked.await.unwrap()
}

async fn writes(kafka: &Kafka) -> Vec<(&'static str, bool)> {
    let mut kafka = kafka.clone();
    // An idempotent producer that may write nowhere is refused before it names a topic.
    kafka.properties.push(("enable.idempotence".to_owned(), "false".to_owned()));
    let producer = kafka.producer("writer").unwrap();
    let write = |topic: Topic| {
        let sent = producer.send(&kafka.topic(topic.name), b"key", &[], Some(b"nothing")).unwrap();
        async move {
            match within(PATIENCE, "the record is taken or not", sent).await {
                Ok(_) => (topic.name, true),
                Err(ProduceError::Refused(_)) => (topic.name, false),
                Err(error) => panic!("{}: {error}", topic.name),
            }
        }
    };
    join_all(proto::ALL_TOPICS.map(write)).await
}

async fn changes_no_topic(kafka: &Kafka) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.bootstrap);
    config.extend(kafka.properties.iter().cloned());
    let (admin, options) = (config.create::<AdminClient<_>>().unwrap(), AdminOptions::new());
    let names = proto::ALL_TOPICS.map(|topic| kafka.topic(topic.name));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let another = kafka.topic("another");
    let another = NewTopic::new(&another, 1, TopicReplication::Fixed(1));
    let wider = NewPartitions::new(names[0], 24);
    let mut tried = admin.delete_topics(&names, &options).await.unwrap();
    tried.extend(admin.create_topics([&another], &options).await.unwrap());
    tried.extend(admin.create_partitions([&wider], &options).await.unwrap());
    assert_eq!(tried.len(), names.len() + 2);
    for one in tried {
        assert_eq!(one.unwrap_err().1, Code::TopicAuthorizationFailed);
    }
}

/// `None`: he may not even ask for its offsets; `true`: he may commit them, as its members do.
async fn uses(kafka: &Kafka, group: &str) -> Option<bool> {
    let consumer: Arc<StreamConsumer> = Arc::new(kafka.consumer(group, &[]).unwrap());
    let mut first = TopicPartitionList::new();
    first.add_partition_offset(&kafka.topic(proto::ITEMS.name), 0, Offset::Offset(0)).unwrap();
    let mut told = false;
    while !told {
        let (asking, all) = (Arc::clone(&consumer), first.clone());
        let asked = tokio::task::spawn_blocking(move || asking.committed_offsets(all, SHORTLY).is_ok());
        tokio::select! {
            asked = asked => told = asked.unwrap(),
            refused = consumer.recv() => {
                let code = refused.unwrap_err().rdkafka_error_code();
                assert_eq!(code, Some(Code::GroupAuthorizationFailed), "{group}");
                return None;
            }
        }
    }
    let committed = tokio::task::spawn_blocking(move || consumer.commit(&first, CommitMode::Sync));
    match committed.await.unwrap().map_err(|error| error.rdkafka_error_code()) {
        Ok(()) | Err(Some(Code::TopicAuthorizationFailed)) => Some(true),
        Err(Some(Code::GroupAuthorizationFailed)) => Some(false),
        Err(code) => panic!("{group}: {code:?}"),
    }
}

#[test]
fn every_group_that_a_service_names_is_in_the_rights() {
    let rights = fs::read_to_string(deployed("kafka/acls")).unwrap();
    for service in ["gateway", "profile-service", "content-service", "runtime"] {
        for file in sources(service) {
            for group in named(&file, ".consumer(\"").chain(named(&file, "consumer_with(\"")) {
                assert!(rights.contains(&format!("--group {group}")), "{service} names the group {group}");
            }
        }
    }
}
