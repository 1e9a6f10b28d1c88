//! What is switched on by value: alarms, scaling, the way in, the topics.

use std::{collections::BTreeSet, fs, process::Command};

use content_service::consume::GROUP;
use serde_json::{Value, json};

use crate::{read::Configured, render::Chart, support::repository};

#[test]
fn nothing_that_needs_an_extension_is_there_unasked() {
    let kinds: BTreeSet<_> =
        Chart::of("minimal.yaml").0.iter().map(|object| object["kind"].to_string()).collect();
    let expected =
        ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "StatefulSet"];
    assert_eq!(kinds, expected.map(|kind| format!("{kind:?}")).into());
}

#[test]
fn the_alarms_are_those_of_the_repository() {
    let chart = Chart::of("production.yaml");
    let rules = chart.kind("PrometheusRule").next().unwrap();
    let file = fs::read_to_string(repository().join("deploy/alerts/yingbin.rules.yaml")).unwrap();
    let expected: Value = serde_saphyr::from_str(&file).unwrap();
    assert_eq!(rules["spec"], expected);
    // Templates of Prometheus, which Helm has to leave alone.
    assert!(rules["spec"].to_string().contains("{{ $labels.job }}"));
}

/// The alarms know the services by the names of their jobs.
#[test]
fn every_service_is_watched_under_the_name_that_the_alarms_know() {
    let chart = Chart::of("production.yaml");
    let monitor = &chart.kind("PodMonitor").next().unwrap()["spec"];
    let label = monitor["jobLabel"].as_str().unwrap();
    let Configured { gateway, profile, content } = Configured::by(&chart);
    let mut jobs = BTreeSet::new();
    for pod in chart.pods().iter().filter(|pod| pod.name != "topics") {
        assert!(pod.is_meant_by(&monitor["selector"]), "{} is not watched", pod.name);
        let job = pod.template["metadata"]["labels"][label].as_str().unwrap();
        jobs.insert((job, pod.port(&monitor["podMetricsEndpoints"][0]["port"])));
    }
    let listens = [
        ("gateway", gateway.admin),
        ("profile-service", profile.admin_listen),
        ("content-service", content.admin),
    ];
    assert_eq!(jobs, listens.map(|(job, at)| (job, u64::from(at.port()))).into());
    let down = fs::read_to_string(repository().join("deploy/alerts/yingbin.rules.yaml")).unwrap();
    assert!(down.contains(r#"up{job=~"gateway|profile-service|content-service"}"#));
}

#[test]
fn only_pushes_and_links_come_in_and_none_is_held_longer_than_the_platform_waits() {
    let chart = Chart::of("production.yaml");
    let rule = &chart.kind("HTTPRoute").next().unwrap()["spec"]["rules"][0];
    let paths = |matches: &Value, path: &str| {
        let all = matches.as_array().unwrap().iter();
        all.map(|one| one.pointer(path).unwrap().clone()).collect::<Vec<_>>()
    };
    assert_eq!(paths(&rule["matches"], "/path/value"), ["/wechat/", "/c/"]);
    assert_eq!((&rule["timeouts"]["request"], &rule["retry"]), (&json!("5s"), &Value::Null));
    assert_eq!(rule["backendRefs"], json!([{ "name": "yingbin-gateway", "port": 80 }]));
    let ingress = &chart.kind("Ingress").next().unwrap()["spec"]["rules"][0]["http"]["paths"];
    assert_eq!(paths(ingress, "/path"), ["/wechat/", "/c/"]);
    assert_eq!(paths(ingress, "/backend/service/name"), ["yingbin-gateway"; 2]);
}

#[test]
fn content_service_scales_by_the_lag_of_its_own_group() {
    let chart = Chart::of("production.yaml");
    let content = Configured::by(&chart).content;
    let scaled = &chart.kind("ScaledObject").next().unwrap()["spec"];
    let asked = &scaled["triggers"][0]["metadata"];
    assert_eq!(asked["consumerGroup"], content.kafka.group(GROUP));
    assert_eq!(asked["topic"], content.kafka.topic(proto::EVENTS.name));
    assert_eq!(asked["bootstrapServers"], content.kafka.bootstrap);
    assert_eq!(
        (&asked["excludePersistentLag"], &asked["offsetResetPolicy"]),
        (&json!("true"), &json!("earliest"))
    );
    assert_eq!(scaled["maxReplicaCount"], proto::EVENTS.partitions);
    assert!(scaled["minReplicaCount"].as_u64().unwrap() >= 2, "a start takes longer than a reply may");
}

/// Two who decide how many there are would undo each other's work.
#[test]
fn who_is_scaled_has_no_number_of_its_own() {
    for (file, own) in [("minimal.yaml", true), ("production.yaml", false)] {
        let chart = Chart::of(file);
        let mut scaled: Vec<_> =
            chart.kind("HorizontalPodAutoscaler").chain(chart.kind("ScaledObject")).collect();
        for name in ["gateway", "profile-service", "content-service"] {
            let workload = chart.pod(name).workload;
            assert_eq!(workload["spec"]["replicas"].is_u64(), own, "{name}");
            let target = json!({ "apiVersion": "apps/v1", "kind": workload["kind"], "name": workload["metadata"]["name"] });
            let before = scaled.len();
            scaled.retain(|one| one["spec"]["scaleTargetRef"] != target);
            assert_eq!(before - scaled.len(), usize::from(!own), "{name}");
        }
        assert!(scaled.is_empty());
    }
}

/// The program takes the arguments, and what is secret of them does not stand there.
#[test]
fn topics_are_created_before_the_services() {
    let chart = Chart::of("production.yaml");
    let job = chart.pod("topics");
    assert_eq!(job.workload["metadata"]["annotations"]["helm.sh/hook"], "pre-install,pre-upgrade");
    // Where a release is there already, its policies are, too: this way has to be open before.
    let mut policies = chart.kind("NetworkPolicy");
    let named = |policy: &&Value| policy["metadata"]["name"] == "yingbin-topics";
    let policy = &policies.find(named).unwrap()["metadata"]["annotations"];
    assert_eq!(
        (&policy["helm.sh/hook"], &policy["helm.sh/hook-weight"]),
        (&json!("pre-install,pre-upgrade"), &json!("-1"))
    );
    assert!(job.workload["metadata"]["annotations"]["helm.sh/hook-weight"].is_null());
    let command: Vec<String> = serde_json::from_value(job.spec["containers"][0]["command"].clone()).unwrap();
    assert_eq!(command[..4], ["yingbin", "topics", "create", "--replication=3"]);
    let mut program = Command::new(env!("CARGO_BIN_EXE_yingbin"));
    let taken = program.args(&command[1..]).arg("--help").output().unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let secret = "--kafka-property=sasl.password_file=/run/secrets/yingbin/kafka-password".to_owned();
    assert!(command.contains(&secret));
}
