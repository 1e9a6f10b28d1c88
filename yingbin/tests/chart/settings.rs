//! Settings: good for the services, without a secret, and what gRPC is protected with.

use serde_json::{Value, json};
use yingbin::command::config;

use crate::{
    read::{Configured, REDIS},
    render::{Chart, FILES},
};

/// The values below which the settings of a service stand.
const KEYS: [(&str, &str); 3] =
    [("gateway", "gateway"), ("profile-service", "profile"), ("content-service", "content")];

#[test]
fn every_rendered_configuration_is_good_for_its_service() {
    for chart in FILES.map(Chart::of) {
        let Configured { gateway, profile, content } = Configured::by(&chart);
        assert!(gateway.spool.is_some(), "what comes while Kafka is away has a place");
        let names = |all: &mut dyn Iterator<Item = &String>| all.cloned().collect::<Vec<_>>();
        assert_eq!(
            names(&mut gateway.accounts.iter().map(|account| &account.name)),
            names(&mut content.accounts.iter().map(|account| &account.name))
        );
        assert_eq!(gateway.link_secret.expose(), content.links.secret.expose());
        for kafka in [&profile.kafka, &content.kafka] {
            assert_eq!(
                (&kafka.bootstrap, &kafka.namespace),
                (&gateway.kafka.bootstrap, &gateway.kafka.namespace)
            );
        }
    }
}

#[test]
fn numbers_and_lists_come_through_as_they_were_written() {
    let gateway = Configured::by(&Chart::of("production.yaml")).gateway;
    assert_eq!(gateway.spool.unwrap().max_bytes, 8 * 1024 * 1024 * 1024);
    let consumer = json!({ "session.timeout.ms": 45_000, "fetch.wait.max.ms": 100 });
    let more = json!({ "settings": { "kafka": { "consumer_properties": consumer } } });
    let content = Configured::by(&Chart::with("minimal.yaml", &more).unwrap()).content;
    let expected = [("fetch.wait.max.ms", "100"), ("session.timeout.ms", "45000")];
    assert_eq!(
        content.kafka.consumer_properties,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

/// What stands in a file reaches who asks for it: here librdkafka and Redis.
#[test]
fn secrets_come_from_files_and_from_the_environment() {
    let Configured { gateway, profile, content } = Configured::by(&Chart::of("production.yaml"));
    for kafka in [&gateway.kafka, &profile.kafka, &content.kafka] {
        let password = ("sasl.password".to_owned(), "a-made-up-secret-of-kafka-password".to_owned());
        assert!(kafka.properties.contains(&password), "{:?}", kafka.properties);
    }
    assert_eq!([profile.redis.url, content.redis.url], [REDIS; 2]);
}

/// Values that set one dotted key of a service's settings.
fn setting(service: &str, key: &str, value: &Value) -> Value {
    let values = KEYS.iter().find(|(name, _)| *name == service).unwrap().1;
    // A librdkafka property has dots of its own.
    let at = key.find("properties.").map_or(key.len(), |at| at + "properties.".len());
    let (tables, property) = key.split_at(at);
    let mut words: Vec<_> = tables.split('.').filter(|word| !word.is_empty()).collect();
    words.extend(Some(property).filter(|property| !property.is_empty()));
    let set = words.into_iter().rfold(value.clone(), |inner, word| match word {
        "*" => json!([inner]),
        _ => json!({ word: inner }),
    });
    json!({ values: { "settings": set } })
}

/// The secrets that a service knows, by the page that is made by asking it.
fn secrets(service: &str) -> Vec<String> {
    let page = config::docs();
    let part = page.split("\n## ").find(|part| part.starts_with(&format!("{service}\n"))).unwrap();
    let rows = part.lines().filter(|row| row.contains("A secret: better named by"));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn a_secret_is_refused_wherever_it_does_not_stand_in_a_file() {
    let mut tried = 0;
    for (service, _) in KEYS {
        for key in secrets(service) {
            // Whatever else librdkafka takes is nobody's secret.
            let property = ["sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password"];
            for key in property.map(|name| key.replace("NAME", name)) {
                refused(service, &key, "made-up");
                tried += 1;
                if !key.contains("properties.") {
                    break;
                }
            }
        }
    }
    assert!(tried > 30, "{tried}");
    for service in ["profile-service", "content-service"] {
        refused(service, "redis.url", "redis://somebody:made-up@redis.redis:6379");
    }
    // The same keys, as the settings' reader would take them too.
    for values in [
        json!({ "topics": { "enabled": true, "kafkaProperties": { "sasl.password": "made-up" } } }),
        json!({ "topics": { "enabled": true, "kafkaProperties": { "sasl": { "password": "made-up" } } } }),
        json!({ "settings": { "kafka": { "properties": { "sasl": { "password": "made-up" } } } } }),
        json!({ "settings": { "kafka": { "properties.sasl.password": "made-up" } } }),
        json!({ "content": { "settings": { "kafka.properties.sasl.password": "made-up" } } }),
        json!({ "content": { "settings": { "kafka": { "consumer_properties.sasl.password": "made-up" } } } }),
    ] {
        assert!(Chart::with("minimal.yaml", &values).is_err(), "{values}");
    }
}

/// Helm refuses the setting, and says which it is.
fn refused(service: &str, key: &str, value: &str) {
    let Err(refusal) = Chart::with("minimal.yaml", &setting(service, key, &json!(value))) else {
        panic!("{key} of {service} is taken");
    };
    let last = if key.contains("properties.") {
        key.split_once("properties.").unwrap().1
    } else {
        key.rsplit('.').next().unwrap()
    };
    assert!(refusal.contains(&format!("/{last}'")), "{key} of {service}: {refusal}");
}

/// Ports, folders and certificates that pods and policies stand on.
#[test]
fn what_the_chart_sets_is_not_set_by_others() {
    for (service, keys) in [
        ("gateway", &["gateway.listen", "admin", "spool.dir"][..]),
        ("profile-service", &["grpc.listen", "grpc.certificate", "grpc.key", "grpc.client_ca", "admin"]),
        ("content-service", &["profile", "admin", "kafka.bootstrap"]),
    ] {
        for key in keys {
            refused(service, key, "made-up");
        }
    }
}

#[test]
fn who_calls_profile_service_is_checked_where_that_is_asked_for() {
    let Configured { profile, content, .. } = Configured::by(&Chart::of("minimal.yaml"));
    assert!(content.profile.endpoint.starts_with("http://") && profile.grpc.tls.certificate.is_none());

    let Configured { profile, content, .. } = Configured::by(&Chart::of("production.yaml"));
    assert!(content.profile.endpoint.starts_with("https://") && profile.grpc.tls.certificate.is_some());
    assert!(profile.grpc.tls.ca.is_some() && content.profile.tls.certificate.is_some());

    let one_way = Chart::with("production.yaml", &json!({ "grpcTls": { "mutual": false } })).unwrap();
    let Configured { profile, content, .. } = Configured::by(&one_way);
    assert!(profile.grpc.tls.certificate.is_some() && profile.grpc.tls.ca.is_none());
    assert!(content.profile.tls.ca.is_some() && content.profile.tls.certificate.is_none());

    let without = Chart::with("production.yaml", &json!({ "content": { "tlsSecret": "" } })).err().unwrap();
    assert!(without.contains("content.tlsSecret"), "{without}");
}

#[test]
fn reflection_is_off_unless_it_is_asked_for() {
    assert!(!Configured::by(&Chart::of("minimal.yaml")).profile.grpc.reflection);
    let asked = setting("profile-service", "grpc.reflection", &json!(true));
    assert!(Configured::by(&Chart::with("minimal.yaml", &asked).unwrap()).profile.grpc.reflection);
}

/// Settings are read at the start: others make new pods, and only where they are others.
#[test]
fn a_changed_setting_rolls_the_pods_that_read_it() {
    let changed = setting("profile-service", "cache.bytes", &json!(1024));
    let (before, after) = (Chart::of("minimal.yaml"), Chart::with("minimal.yaml", &changed).unwrap());
    let rolled = |name: &str| before.pod(name).template != after.pod(name).template;
    assert_eq!(["gateway", "profile-service", "content-service"].map(rolled), [false, true, false]);
}
