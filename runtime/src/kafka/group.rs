//! How consumer groups agree on who reads what, and what may be set beside it.

use std::time::Duration;

use super::Kafka;
use crate::config::Settings;

/// How a consumer group agrees on who reads what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// Cooperative-sticky; a killed member is missed after six seconds.
    Classic,
    /// KIP-848; the broker's own session timeout holds (45 s unless changed there).
    Consumer,
}

/// When a silent member of a classic group is given up.
const SESSION: &str = "session.timeout.ms";
/// Name of a member that keeps its partitions over a restart.
const INSTANCE: &str = "group.instance.id";
/// What the broker decides for a group of the new kind; librdkafka refuses to start with it.
const OF_THE_BROKER: [&str; 3] = [SESSION, "heartbeat.interval.ms", "partition.assignment.strategy"];

impl GroupProtocol {
    pub(super) fn read(settings: &mut Settings) -> Self {
        let protocols = [("classic", Self::Classic), ("consumer", Self::Consumer)];
        let meaning = "How consumer groups agree: classic (cooperative-sticky) or consumer (KIP-848).";
        settings.choice("kafka.group_protocol", Self::Classic, &protocols, meaning)
    }

    /// The librdkafka properties of a member.
    pub(super) fn properties(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Classic => &[
                ("partition.assignment.strategy", "cooperative-sticky"),
                (SESSION, "6000"),
                ("heartbeat.interval.ms", "2000"),
            ],
            Self::Consumer => &[("group.protocol", "consumer")],
        }
    }

    /// Tells what librdkafka would refuse, before anything starts.
    pub(super) fn check(
        self,
        settings: &mut Settings,
        properties: &[(String, String)],
        consumer_properties: &[(String, String)],
    ) {
        if self == Self::Classic {
            return;
        }
        let tables = [("kafka.properties", properties), ("kafka.consumer_properties", consumer_properties)];
        for (table, properties) in tables {
            for (name, _) in properties.iter().filter(|(name, _)| OF_THE_BROKER.contains(&name.as_str())) {
                let wrong =
                    "is the broker's to decide with kafka.group_protocol = \"consumer\"; set it there";
                settings.problem(&format!("{table}.{name}"), wrong);
            }
        }
    }
}

/// Static membership, as a property of consumers.
pub(super) fn instance(settings: &mut Settings) -> Option<(String, String)> {
    let meaning = "Name of this replica in its groups, different for each (static membership): a restart within the session moves no \
         partition, but a replica that is gone for good is missed only after it. Raise kafka.consumer_properties.session.timeout.ms to \
         what a restart takes. Empty: none.";
    let name = settings.get("kafka.group_instance_id", String::new(), meaning);
    (!name.trim().is_empty()).then(|| (INSTANCE.to_owned(), name.trim().to_owned()))
}

impl Kafka {
    /// The name of a group here.
    #[must_use]
    pub fn group(&self, name: &str) -> String {
        format!("{}{name}", self.namespace)
    }

    /// When a silent member of its groups is given up, as far as this side decides it.
    #[must_use]
    pub fn session_timeout(&self) -> Option<Duration> {
        if self.group_protocol == GroupProtocol::Consumer {
            return None;
        }
        let told = self.consumer_properties.iter().rev().map(|(name, value)| (name.as_str(), value.as_str()));
        let own = self.group_protocol.properties().iter().copied();
        let (_, millis) = told.chain(own).find(|(name, _)| *name == SESSION)?;
        millis.parse().ok().map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[&str]) -> (Kafka, String) {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut settings = Settings::load("content-service", None, [], &flags);
        let kafka = Kafka::read(&mut settings);
        (kafka, settings.finish().map_or_else(|problems| problems.to_string(), |()| String::new()))
    }

    #[tokio::test]
    async fn both_protocols_make_a_member_and_a_name_makes_it_static() {
        for protocol in ["classic", "consumer"] {
            let flags =
                [format!("kafka.group_protocol={protocol}"), "kafka.group_instance_id=content-0".into()];
            let (kafka, told) = read(&flags.each_ref().map(String::as_str));
            assert_eq!(told, "");
            assert_eq!(kafka.consumer_properties, [(INSTANCE.to_owned(), "content-0".to_owned())]);
            assert!(kafka.consumer("group", &[]).is_ok(), "librdkafka takes the settings");
        }
    }

    #[test]
    fn what_the_broker_decides_is_refused_beside_the_new_protocol_alone() {
        let session = "kafka.consumer_properties.session.timeout.ms=9000";
        let (kafka, told) = read(&["kafka.group_protocol=classic", session]);
        assert_eq!((kafka.session_timeout(), told.as_str()), (Some(Duration::from_secs(9)), ""));
        let (kafka, told) = read(&["kafka.group_protocol=consumer", session]);
        assert_eq!(kafka.session_timeout(), None);
        assert!(
            told.contains("kafka.consumer_properties.session.timeout.ms: is the broker's to decide"),
            "{told}"
        );
        assert_eq!(read(&[]).0.session_timeout(), Some(Duration::from_secs(6)));
    }
}
