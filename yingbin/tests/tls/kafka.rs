//! Kafka over TLS: with a certificate of the client's own, and with a name and a password.

use std::{fmt::Write as _, fs, process::Output, sync::Arc, time::Duration};

use runtime::{config::Settings, kafka::Kafka};

use crate::support::{
    authority::{Authority, Folder, GOOD},
    kafka,
    processes::{Process, binary, free_port, script, until, within},
};

/// Longest wait for a node that starts.
const READY: Duration = Duration::from_secs(90);
/// Longest wait for a node that has started, and for one that never will let somebody in.
const PATIENCE: Duration = Duration::from_secs(10);

/// A node that takes nobody without a certificate, or on another port nobody without a password.
struct Node {
    _process: Process,
    files: Folder,
    authority: Authority,
    certificates: u16,
    passwords: u16,
}

impl Node {
    async fn start() -> Self {
        let (files, authority) = (Folder::new(), Authority::new());
        let [plain, certificates, passwords, controller] = [(); 4].map(|()| free_port());
        let (certificate, key) = authority.vouches(GOOD);
        let own = files.write("node.pem", &format!("{key}{certificate}"));
        let ca = files.write("ca.pem", &authority.pem());
        let mut properties = String::from(
            "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n\
             auto.create.topics.enable=false\ngroup.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=1\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT\n\
             ssl.keystore.type=PEM\nssl.truststore.type=PEM\nlistener.name.ssl.ssl.client.auth=required\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512\nlistener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required;\n",
        );
        let listeners = format!(
            "PLAINTEXT://127.0.0.1:{plain},SSL://127.0.0.1:{certificates},SASL_SSL://127.0.0.1:{passwords}"
        );
        writeln!(properties, "listeners={listeners},CONTROLLER://127.0.0.1:{controller}").unwrap();
        writeln!(properties, "advertised.listeners={listeners}").unwrap();
        writeln!(properties, "controller.quorum.voters=1@127.0.0.1:{controller}").unwrap();
        writeln!(properties, "log.dirs={}", files.path().join("data").display()).unwrap();
        writeln!(properties, "ssl.keystore.location={}", own.display()).unwrap();
        writeln!(properties, "ssl.truststore.location={}", ca.display()).unwrap();
        fs::write(files.path().join("server.properties"), properties).unwrap();
        let mut command = script("faults-kafka");
        command.arg(files.path()).args(["--add-scram", "SCRAM-SHA-512=[name=yingbin,password=right]"]);
        let mut process = Process::start("kafka-tls", command, files.path());
        let probe = Arc::new(client(plain, &[]).producer("probe").unwrap());
        let answers = async || {
            process.must_run();
            let probe = Arc::clone(&probe);
            tokio::task::spawn_blocking(move || probe.reach(Duration::from_secs(1))).await.unwrap().ok()
        };
        until("kafka answers", READY, answers).await;
        Self { _process: process, files, authority, certificates, passwords }
    }

    fn file(&self, name: &str, pem: &str) -> String {
        self.files.write(&format!("{:08x}-{name}", rand::random::<u32>()), pem).display().to_string()
    }

    fn trusting(&self, authority: &Authority) -> Vec<(&'static str, String)> {
        vec![
            ("security.protocol", "ssl".to_owned()),
            ("ssl.ca.location", self.file("trusted.pem", &authority.pem())),
        ]
    }

    /// Whoever shows a certificate that an authority vouches for.
    fn showing(&self, authority: &Authority) -> Vec<(&'static str, String)> {
        let (certificate, key) = authority.vouches(GOOD);
        let mut properties = self.trusting(&self.authority);
        properties.push(("ssl.certificate.location", self.file("own.pem", &certificate)));
        properties.push(("ssl.key.location", self.file("own.key", &key)));
        properties
    }

    fn saying(&self, password: &str) -> Vec<(&'static str, String)> {
        let ca = self.file("trusted.pem", &self.authority.pem());
        [("security.protocol", "sasl_ssl"), ("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.username", "yingbin")]
            .map(|(name, value)| (name, value.to_owned()))
            .into_iter()
            .chain([("sasl.password", password.to_owned()), ("ssl.ca.location", ca)])
            .collect()
    }
}

/// A client as the settings of a service make it.
fn client(port: u16, properties: &[(&str, String)]) -> Kafka {
    let flags = properties.iter().map(|(name, value)| format!("kafka.properties.{name}={value}"));
    let flags: Vec<String> = [format!("kafka.bootstrap=127.0.0.1:{port}")].into_iter().chain(flags).collect();
    let mut settings = Settings::load("gateway", None, [], &flags);
    let kafka = Kafka::read(&mut settings);
    settings.finish().unwrap();
    kafka
}

/// Whether the node lets a client in.
async fn is_let_in(port: u16, properties: Vec<(&str, String)>) -> bool {
    let producer = Arc::new(client(port, &properties).producer("somebody").unwrap());
    tokio::task::spawn_blocking(move || producer.reach(PATIENCE)).await.unwrap().is_ok()
}

/// `yingbin topics create`, as an operator runs it.
async fn topics(port: u16, properties: &[(&str, String)]) -> Output {
    let mut command = binary("yingbin");
    command.args(["topics", "create", "--replication", "1", "--kafka", &format!("127.0.0.1:{port}")]);
    for (name, value) in properties {
        command.arg("--kafka-property").arg(format!("{name}={value}"));
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_the_right_certificate_or_says_the_right_password_is_let_in_and_nobody_else() {
    let node = Node::start().await;
    let (certified, known) = (node.showing(&node.authority), node.saying("right"));
    let created = topics(node.certificates, &certified).await;
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));

    let (writer, reader) = (client(node.certificates, &certified), client(node.passwords, &known));
    let producer = writer.producer("writer").unwrap();
    let sent = producer.send(proto::EVENTS.name, b"k", &[], Some(b"v")).unwrap();
    within(PATIENCE, "the report", sent).await.unwrap();
    let records = kafka::read(&reader, proto::EVENTS).await;
    assert_eq!(records.iter().map(|record| record.value.as_slice()).collect::<Vec<_>>(), [b"v"]);

    let refused = futures::join!(
        is_let_in(node.certificates, node.trusting(&node.authority)),
        is_let_in(node.certificates, node.showing(&Authority::new())),
        is_let_in(node.passwords, node.saying("wrong")),
        is_let_in(node.passwords, node.trusting(&Authority::new())),
        is_let_in(node.certificates, node.showing(&node.authority)),
    );
    assert_eq!(refused, (false, false, false, false, true));
}
