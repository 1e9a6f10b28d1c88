//! Apache Kafka with its own console consumer, from the jars that `make setup-test` has brought.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{processes::free_port, support::repository};

/// A real broker: the one that the environment names, or one of its own until this is dropped. (Kafka's Java clients fetch
/// nothing from librdkafka's mock cluster.)
pub(crate) struct Broker {
    pub(crate) bootstrap: String,
    _own: Option<(Child, TempDir)>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        if let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP") {
            return Self { bootstrap, _own: None };
        }
        let (folder, port, controller) = (tempfile::tempdir().unwrap(), free_port(), free_port());
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut broker = Command::new(repository().join("deploy/local/kafka"))
            .arg(folder.path())
            .args([port.to_string(), controller.to_string()])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = broker.try_wait().unwrap();
            let log = || fs::read_to_string(folder.path().join("log")).unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "Kafka does not start: {}", log());
            sleep(Duration::from_millis(50)).await;
        }
        Self { bootstrap: format!("127.0.0.1:{port}"), _own: Some((broker, folder)) }
    }

    /// What Kafka's console consumer prints of the first records of a topic: `headers | key`.
    pub(crate) async fn console(&self, topic: &str, records: usize) -> Vec<String> {
        let console = Command::new("bash")
            .args(["-euc", CONSOLE, "console"])
            .arg(repository())
            .args(["--bootstrap-server", &self.bootstrap, "--topic", topic, "--from-beginning"])
            .args(["--max-messages", &records.to_string()])
            .args(["--formatter-property", "print.headers=true"])
            .args(["--formatter-property", "print.key=true"])
            .args(["--formatter-property", "print.value=false"])
            .args(["--formatter-property", "key.separator= | "])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let ended = timeout(Duration::from_secs(20), console).await.expect("the console consumer").unwrap();
        let (out, told) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{told}");
        out.lines().map(str::to_owned).collect()
    }
}

/// With the Java that set-up would choose.
const CONSOLE: &str = r#"source "$1/deploy/local/common.sh"; shift
[[ -d $cache/kafka/libs ]] || die "no Apache Kafka in .cache/kafka: run 'make setup-test' first"
java=$(find_java) || die "no Java 17 or newer: run 'make setup-test' first"
exec "$java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$cache/kafka/libs/*" \
    org.apache.kafka.tools.consumer.ConsoleConsumer "$@""#;
