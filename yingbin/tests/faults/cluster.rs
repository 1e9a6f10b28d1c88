//! Real Kafka nodes, each reached by gateways, content-services and profile-service through a proxy of their own, and by the tests directly.

use std::{
    fmt::Write as _,
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use runtime::{
    clock::Clock,
    kafka::{GroupProtocol, Kafka},
};
use tempfile::TempDir;
use yingbin::command::topics;

use crate::{
    proxy::Proxy,
    support::processes::{Process, free_port, script, until},
};

/// The name of every node to whoever goes by names.
pub(crate) const NAME: &str = "kafka.test";
/// What a node needs at most until it answers.
const READY: Duration = Duration::from_secs(90);

/// The nodes; they end with this value.
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    voters: String,
    folder: TempDir,
    /// When a node, or an edge between gateways and one, was last told anything, Unix milliseconds.
    told: Arc<AtomicI64>,
}

/// One node.
pub(crate) struct Node {
    process: Option<Process>,
    id: usize,
    controller: u16,
    direct: u16,
    gateway: u16,
    content: u16,
    profile: u16,
    named: u16,
    /// Between gateways and this node.
    pub(crate) to_gateways: Proxy,
    /// Between content-services and this node.
    pub(crate) to_contents: Proxy,
    /// Between profile-service and this node.
    pub(crate) to_profiles: Proxy,
    /// Between this node and services that go by names: it tells them its name and no address.
    pub(crate) to_named: Proxy,
}

/// Who connects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    Test,
    Gateway,
    Content,
    Profile,
    /// Any service, by the node's name.
    Named,
}

impl Cluster {
    /// One node, or three of which each record needs two.
    pub(crate) async fn start(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut nodes, told) = (Vec::new(), Arc::default());
        for id in 1..=count {
            nodes.push(Node::new(id, &told).await);
        }
        let voters: Vec<String> =
            nodes.iter().map(|node| format!("{}@127.0.0.1:{}", node.id, node.controller)).collect();
        let mut cluster = Self { nodes, voters: voters.join(","), folder, told };
        for n in 0..count {
            cluster.launch(n);
        }
        cluster.answers().await;
        cluster
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, n: usize) {
        self.touch();
        self.nodes[n].process.take().expect("it runs").kill();
    }

    /// Goes on with the same data; does not wait until it answers.
    pub(crate) fn launch(&mut self, n: usize) {
        let replicas = self.nodes.len();
        let node = &mut self.nodes[n];
        let folder = self.folder.path().join(format!("kafka-{}", node.id));
        fs::create_dir_all(&folder).unwrap();
        let data = folder.join("data");
        let properties = node.properties(&self.voters, replicas, &data.display().to_string());
        fs::write(folder.join("server.properties"), properties).unwrap();
        let mut command = script("faults-kafka");
        command.arg(&folder);
        node.process = Some(Process::start(&format!("kafka-{}", node.id), command, self.folder.path()));
    }

    /// A signal by its name: `STOP`, `CONT`.
    pub(crate) fn signal(&self, n: usize, name: &str) {
        self.touch();
        self.nodes[n].process.as_ref().expect("it runs").signal(name);
    }

    /// Waits until the cluster answers.
    pub(crate) async fn answers(&self) {
        let probe = Arc::new(self.kafka(Client::Test, "").producer("probe").unwrap());
        let answers = async || {
            let probe = Arc::clone(&probe);
            let asked = tokio::task::spawn_blocking(move || probe.reach(Duration::from_secs(1)));
            asked.await.unwrap().ok()
        };
        until("kafka answers", READY, answers).await;
        self.touch();
    }

    fn touch(&self) {
        self.told.store(Clock::system().now_ms(), Ordering::Relaxed);
    }

    /// When something was last done that may keep Kafka from taking records, or was ended; Unix milliseconds.
    pub(crate) fn touched(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.told)
    }

    /// The node that leads a partition now.
    pub(crate) async fn leader(&self, topic: &str, partition: i32) -> usize {
        let (admin, topic) = (Arc::new(self.admin()), topic.to_owned());
        let leader = async || {
            let (admin, topic) = (Arc::clone(&admin), topic.clone());
            let asked = move || admin.inner().fetch_metadata(Some(&topic), Duration::from_secs(1)).ok();
            let metadata = tokio::task::spawn_blocking(asked).await.unwrap()?;
            let mut partitions = metadata.topics().first()?.partitions().iter();
            let leader = partitions.find(|known| known.id() == partition)?.leader();
            self.nodes.iter().position(|node| i32::try_from(node.id) == Ok(leader))
        };
        until("the partition has a leader", READY, leader).await
    }

    /// How somebody reaches it.
    pub(crate) fn kafka(&self, client: Client, namespace: &str) -> Kafka {
        let of = |node: &Node| match client {
            Client::Test => format!("127.0.0.1:{}", node.direct),
            Client::Gateway => node.to_gateways.address().to_string(),
            Client::Content => node.to_contents.address().to_string(),
            Client::Profile => node.to_profiles.address().to_string(),
            Client::Named => format!("{NAME}:{}", node.to_named.address().port()),
        };
        let bootstrap: Vec<String> = self.nodes.iter().map(of).collect();
        Kafka {
            bootstrap: bootstrap.join(","),
            namespace: namespace.to_owned(),
            group_protocol: GroupProtocol::Classic,
            properties: Vec::new(),
            consumer_properties: Vec::new(),
        }
    }

    /// The topics of a namespace, on as many nodes as there are.
    pub(crate) async fn create_topics(&self, namespace: &str) {
        let (kafka, copies) = (self.kafka(Client::Test, namespace), i32::try_from(self.nodes.len()).unwrap());
        // A cluster that has just come together has fewer brokers than copies for a moment.
        until("topics are created", READY, async || topics::create(&kafka, copies).await.ok()).await;
    }

    /// Makes room for the next fault.
    pub(crate) async fn delete_topics(&self, namespace: &str) {
        let kafka = self.kafka(Client::Test, namespace);
        let names = proto::ALL_TOPICS.map(|topic| kafka.topic(topic.name));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.admin().delete_topics(&names, &AdminOptions::new()).await.ok();
    }

    /// Creates a topic with fewer partitions than usual, which nobody can take from it later.
    pub(crate) async fn create_narrow(&self, topic: &str, partitions: i32) {
        let copies = i32::try_from(self.nodes.len()).unwrap();
        let narrow = NewTopic::new(topic, partitions, TopicReplication::Fixed(copies));
        let made = self.admin().create_topics(&[narrow], &AdminOptions::new()).await.unwrap();
        made.into_iter().for_each(|made| assert_eq!(made.as_deref(), Ok(topic)));
    }

    /// Gives a topic so many partitions.
    pub(crate) async fn widen(&self, topic: &str, partitions: i32) {
        let wider = NewPartitions::new(topic, usize::try_from(partitions).unwrap());
        let made = self.admin().create_partitions(&[wider], &AdminOptions::new()).await.unwrap();
        made.into_iter().for_each(|made| assert_eq!(made.as_deref(), Ok(topic)));
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        let bootstrap = self.kafka(Client::Test, "").bootstrap;
        ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap()
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

impl Node {
    async fn new(id: usize, told: &Arc<AtomicI64>) -> Self {
        let [gateway, content, profile, named] = [free_port(), free_port(), free_port(), free_port()];
        Self {
            process: None,
            id,
            controller: free_port(),
            direct: free_port(),
            gateway,
            content,
            profile,
            named,
            to_gateways: Proxy::before(vec![([127, 0, 0, 1], gateway).into()]).await.telling(told),
            to_contents: Proxy::before(vec![([127, 0, 0, 1], content).into()]).await,
            to_profiles: Proxy::before(vec![([127, 0, 0, 1], profile).into()]).await,
            to_named: Proxy::before(vec![([127, 0, 0, 1], named).into()]).await.telling(told),
        }
    }

    fn properties(&self, voters: &str, replicas: usize, data: &str) -> String {
        let Self { id, controller, direct, gateway, content, profile, named, .. } = self;
        let in_sync = if replicas >= 3 { 2 } else { 1 };
        let mut text = format!(
            "process.roles=broker,controller\nnode.id={id}\ncontroller.quorum.voters={voters}\n\
             listeners=DIRECT://127.0.0.1:{direct},GATEWAY://127.0.0.1:{gateway},CONTENT://127.0.0.1:{content},\
             PROFILE://127.0.0.1:{profile},NAMED://127.0.0.1:{named},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=DIRECT://127.0.0.1:{direct},GATEWAY://{},CONTENT://{},PROFILE://{},\
             NAMED://{NAME}:{}\n\
             listener.security.protocol.map=DIRECT:PLAINTEXT,GATEWAY:PLAINTEXT,CONTENT:PLAINTEXT,PROFILE:PLAINTEXT,\
             NAMED:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=DIRECT\nlog.dirs={data}\n\
             auto.create.topics.enable=false\ngroup.initial.rebalance.delay.ms=0\n\
             broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
             file.delete.delay.ms=1000\n",
            self.to_gateways.address(),
            self.to_contents.address(),
            self.to_profiles.address(),
            self.to_named.address().port(),
        );
        for topic in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
            let partitions = if topic == "offsets.topic" { 4 } else { 1 };
            writeln!(text, "{topic}.num.partitions={partitions}\n{topic}.replication.factor={replicas}")
                .unwrap();
        }
        for topic in ["transaction.state.log", "share.coordinator.state.topic"] {
            writeln!(text, "{topic}.min.isr={in_sync}").unwrap();
        }
        text
    }
}
