//! Kafka clients with the settings that the promises need; headers; topics.

mod again;
mod follow;
mod group;
mod leave;
mod member;
mod patient;
mod producer;
mod reports;
mod topics;

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    client::ClientContext,
    config::FromClientConfigAndContext,
    consumer::{ConsumerContext, DefaultConsumerContext, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedHeaders, Header, Headers as _, OwnedHeaders},
};
use tokio::time::Instant;

use crate::{
    config::Settings,
    telemetry::Seldom,
    tls::{self, Holds},
};

pub use again::read_again;
pub use follow::{TableRecord, follow};
pub use group::GroupProtocol;
pub use leave::{HearsRebalances, LEAVE, Rounds, leave};
pub use member::{blocking, last};
pub use patient::{Outgoing, Patient};
pub use producer::{Delivery, ProduceError, Producer};
pub use topics::{TopicSpec, create_topics};

/// Which cluster, and how to talk to it.
#[derive(Clone)]
pub struct Kafka {
    /// `host:port`, several separated by commas.
    pub bootstrap: String,
    /// Put before the names of topics, groups and Redis keys, so that two installations can share servers.
    pub namespace: String,
    /// How groups agree.
    pub group_protocol: GroupProtocol,
    /// Further librdkafka properties of every client, for TLS and SASL.
    pub properties: Vec<(String, String)>,
    /// Further librdkafka properties of consumers.
    pub consumer_properties: Vec<(String, String)>,
}

impl std::fmt::Debug for Kafka {
    /// Without the properties: they may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bootstrap, namespace, group_protocol, .. } = self;
        f.debug_struct("Kafka")
            .field("bootstrap", bootstrap)
            .field("namespace", namespace)
            .field("group_protocol", group_protocol)
            .finish_non_exhaustive()
    }
}

impl Kafka {
    /// Reads `kafka.*` and `namespace`.
    pub fn read(settings: &mut Settings) -> Self {
        let bootstrap = settings.get(
            "kafka.bootstrap",
            "127.0.0.1:9092".to_owned(),
            "Brokers, `host:port`, separated by commas; `KAFKA_BOOTSTRAP` sets it too.",
        );
        if bootstrap.trim().is_empty() {
            settings.problem("kafka.bootstrap", "is empty; name a broker such as host:9092");
        }
        let namespace = settings.get(
            "namespace",
            String::new(),
            "Put before the names of topics, groups and Redis keys, so that two installations can share servers.",
        );
        let group_protocol = GroupProtocol::read(settings);
        let properties =
            properties_of(settings, "kafka.properties", "A librdkafka property of every client.");
        let mut consumer_properties =
            properties_of(settings, "kafka.consumer_properties", "A librdkafka property of every consumer.");
        group_protocol.check(settings, &properties, &consumer_properties);
        consumer_properties.extend(group::instance(settings));
        Self { bootstrap, namespace, group_protocol, properties, consumer_properties }
    }

    /// The name of a topic here.
    #[must_use]
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.namespace)
    }

    /// A producer that loses nothing: idempotent, `acks=all`, an answer within 2.5 s.
    ///
    /// # Errors
    /// librdkafka refused the settings.
    pub fn producer(&self, client_id: &str) -> Result<Producer, KafkaError> {
        Producer::new(&self.client(client_id))
    }

    /// A member of a group; its offsets are stored and committed by its owner.
    ///
    /// # Errors
    /// librdkafka refused the settings.
    pub fn consumer(&self, group: &str, extra: &[(&str, &str)]) -> Result<StreamConsumer, KafkaError> {
        self.consumer_with(group, extra, DefaultConsumerContext)
    }

    /// The same with a context that hears of rebalances.
    ///
    /// # Errors
    /// librdkafka refused the settings.
    pub fn consumer_with<C: ConsumerContext + 'static>(
        &self,
        group: &str,
        extra: &[(&str, &str)],
        context: C,
    ) -> Result<StreamConsumer<C>, KafkaError> {
        let mut config = self.client(group);
        config
            .set("group.id", self.group(group))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.min.bytes", "1")
            .set("fetch.queue.backoff.ms", "50")
            .set("queued.max.messages.kbytes", "8192")
            .set("check.crcs", "true")
            .set("max.poll.interval.ms", "120000");
        for (key, value) in self.group_protocol.properties() {
            config.set(*key, *value);
        }
        for (key, value) in extra {
            config.set(*key, *value);
        }
        set_all(&mut config, &self.consumer_properties);
        StreamConsumer::from_config_and_context(&config, context)
    }

    /// What every client has in common.
    fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", client_id)
            .set("socket.keepalive.enable", "true")
            .set("socket.timeout.ms", "2000")
            .set("socket.connection.setup.timeout.ms", "2000")
            .set("connections.max.idle.ms", "240000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .set("topic.metadata.propagation.max.ms", "5000");
        set_all(&mut config, &self.properties);
        for (path, holds) in self.properties.iter().filter_map(|(name, value)| certificates(name, value)) {
            tls::watch(path, holds);
        }
        config
    }
}

/// What a client can prove with who it is, beside a certificate.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

fn properties_of(settings: &mut Settings, table: &str, meaning: &str) -> Vec<(String, String)> {
    // Named itself, or by the file that holds it.
    let named = |key: String| key.strip_suffix("_file").map_or(key.clone(), str::to_owned);
    let names: BTreeSet<_> = settings.keys(table).into_iter().map(named).collect();
    let read = names.into_iter().filter_map(|name| {
        let key = format!("{table}.{name}");
        let value = settings.secret(&key, meaning)?;
        if ClientConfig::new().set(&name, value.expose()).create_native_config().is_err() {
            // Without librdkafka's own words: they hold the value.
            settings.problem(&key, "librdkafka has no such property, or takes no such value");
        } else if ["sasl.mechanism", "sasl.mechanisms"].contains(&&*name)
            && !MECHANISMS.contains(&value.expose())
        {
            settings.problem(&key, &format!("is not in this build, which has {}", MECHANISMS.join(", ")));
        } else if let Some((path, holds)) = certificates(&name, value.expose())
            && let Err(wrong) = tls::check(path, holds)
        {
            settings.problem(&key, &wrong);
        }
        Some((name, value.expose().to_owned()))
    });
    read.collect()
}

/// The file with certificates that a property names; authorities may also be in a folder, or be looked for.
fn certificates<'a>(property: &str, value: &'a str) -> Option<(&'a Path, Holds)> {
    let path = Path::new(value);
    match property {
        "ssl.ca.location" if value != "probe" && !path.is_dir() => Some((path, Holds::Authorities)),
        "ssl.certificate.location" => Some((path, Holds::OwnCertificate)),
        _ => None,
    }
}

fn set_all(config: &mut ClientConfig, properties: &[(String, String)]) {
    for (key, value) in properties {
        config.set(key, value);
    }
}

/// The first header of a name, where it is UTF-8.
#[must_use]
pub fn header<'a>(headers: Option<&'a BorrowedHeaders>, name: &str) -> Option<&'a str> {
    let found = headers?.iter().find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}

/// Headers for [`Outgoing`].
#[must_use]
pub fn owned_headers(headers: &[(&str, Cow<'_, str>)]) -> OwnedHeaders {
    headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |owned, (key, value)| {
        owned.insert(Header { key, value: Some(value.as_bytes()) })
    })
}

/// How long a client waits for metadata and the like.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// While Kafka is away librdkafka says so several times a second; each of its errors is logged so often.
const SAY: Duration = Duration::from_secs(10);

/// Logs what librdkafka says, and nothing else.
#[derive(Debug, Default)]
struct Quiet {
    said: Mutex<HashMap<i32, Seldom>>,
}

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        // The end of a partition is news to its reader, and no error.
        if code != RDKafkaErrorCode::PartitionEOF && self.is_due(code) {
            tracing::warn!(%error, reason, "kafka");
        }
    }
}

impl Quiet {
    fn is_due(&self, code: RDKafkaErrorCode) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.entry(code as i32).or_insert_with(|| Seldom::every(SAY)).is_due(Instant::now())
    }
}

impl ConsumerContext for Quiet {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_that_librdkafka_refuses_is_told_by_its_key_and_without_its_value() {
        let flags = [
            "kafka.properties.sasl.pasword=hush",
            "kafka.properties.security.protocol=hush",
            "kafka.properties.client.rack=a",
            "kafka.properties.sasl.mechanism=GSSAPI",
            "kafka.properties.ssl.ca.location=/nowhere",
        ];
        let mut settings = Settings::load("gateway", None, [], &flags.map(str::to_owned));
        Kafka::read(&mut settings);
        let told = settings.finish().unwrap_err().to_string();
        let refused = "librdkafka has no such property, or takes no such value\n";
        let absent = "is not in this build, which has PLAIN, SCRAM-SHA-256, SCRAM-SHA-512\n";
        let unread = "the file cannot be read: No such file or directory (os error 2)\n";
        let expected = [
            ("sasl.mechanism", absent),
            ("sasl.pasword", refused),
            ("security.protocol", refused),
            ("ssl.ca.location", unread),
        ]
        .map(|(name, problem)| format!("--set: kafka.properties.{name}: {problem}"))
        .concat();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_property_is_read_from_the_file_that_is_named_for_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hush\n").unwrap();
        let flag = format!("kafka.properties.sasl.password_file={}", file.path().display());
        let mut settings = Settings::load("gateway", None, [], &[flag]);
        let kafka = Kafka::read(&mut settings);
        settings.finish().unwrap();
        assert_eq!(kafka.properties, [("sasl.password".to_owned(), "hush".to_owned())]);
    }
}
