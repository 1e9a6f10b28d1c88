//! The alarms of `deploy/alerts` and `docs/operations.md`: they speak of metrics that exist, and of each other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use content_service::metrics::Metrics;
use proto::{Cleanup, reply::Reply};
use runtime::{
    health::{Health, admin},
    tls::Holds,
};
use serde::Deserialize;
use support::{Stand, repository};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const SERVICES: [&str; 3] = ["gateway", "profile-service", "content-service"];

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    alert: String,
    expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Tests {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    name: String,
    input_series: Vec<Series>,
    promql_expr_test: Vec<Expected>,
}

#[derive(Deserialize)]
struct Series {
    series: String,
}

#[derive(Deserialize)]
struct Expected {
    expr: String,
    exp_samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    labels: String,
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

fn alerts() -> Vec<Alert> {
    let rules: Rules = serde_saphyr::from_str(&read("deploy/alerts/yingbin.rules.yaml")).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// Sections by heading, each up to the next heading; `deeper` stands between the `##` of all of them and the heading.
fn sections<'a>(page: &'a str, deeper: &str) -> BTreeMap<&'a str, &'a str> {
    let parts = page.split("\n##").skip(1).filter_map(|part| part.strip_prefix(deeper)?.split_once('\n'));
    parts.collect()
}

/// What an expression has in quotes, and the rest of it.
fn quotes(expr: &str) -> (Vec<&str>, String) {
    let parts: Vec<&str> = expr.split('"').collect();
    let quoted = parts.iter().skip(1).step_by(2).copied().collect();
    (quoted, parts.iter().step_by(2).copied().collect::<Vec<_>>().join(" "))
}

/// Names of our metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    let ours = ["gateway_", "profile_", "content_", "process_", "cert_"];
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| ours.iter().any(|prefix| word.starts_with(prefix))).collect()
}

/// What is shown only once it has happened, as if it had.
fn happened() -> Metrics {
    let metrics = Metrics::default();
    metrics.ended(&Reply::default(), Duration::ZERO);
    metrics.open(0, 0, 0);
    metrics.lag(0, 0);
    metrics.fallback("");
    metrics.set_aside("");
    metrics.playbook_refused("");
    metrics.blocked("");
    metrics.lost_to_retention(0, 1);
    metrics.accounts().alarming_code("", 0, "");
    runtime::tls::watch(Path::new("certificate.pem"), Holds::OwnCertificate);
    metrics
}

/// Where these are served.
async fn serve(metrics: &Metrics, shutdown: CancellationToken) -> String {
    let mut registry = Default::default();
    metrics.register(&mut registry);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(admin(listener, Health::new(), Arc::new(registry), shutdown));
    address
}

/// The series that a service shows, by name.
async fn shown(admin: &str) -> BTreeSet<String> {
    let text = reqwest::get(format!("{admin}/metrics")).await.unwrap().text().await.unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let series = types.flat_map(|(name, kind)| {
        let suffixes: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
    });
    series.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_an_alarm_and_of_its_section_exists() {
    let (stand, ending) = (Stand::fresh(&["qianjiang"]).await, CancellationToken::new());
    let _ending = ending.clone().drop_guard();
    let mut shows = shown(&serve(&happened(), ending).await).await;
    for admin in &stand.system.addresses.admin {
        shows.extend(shown(admin).await);
    }
    stand.stop().await;
    let page = read("docs/operations.md");
    let rules: Vec<String> = alerts().iter().map(|alert| quotes(&alert.expr).1).collect();
    let named: BTreeSet<&str> = rules.iter().flat_map(|rule| metrics(rule)).chain(metrics(&page)).collect();
    assert!(named.len() > 25, "{named:?}");
    let missing: Vec<_> = named.into_iter().filter(|name| !shows.contains(*name)).collect();
    assert!(missing.is_empty(), "no service has {missing:?}; they have {shows:?}");
}

#[test]
fn every_alarm_has_its_section_and_says_what_to_do() {
    let page = read("docs/operations.md");
    let mut sections = sections(&page, "# ");
    for Alert { alert, expr, labels, annotations } in alerts() {
        let section = sections.remove(alert.as_str()).unwrap_or_else(|| panic!("no section for {alert}"));
        let expr = quotes(&expr).1;
        let unnamed: Vec<_> = metrics(&expr).difference(&metrics(section)).copied().collect();
        assert!(unnamed.is_empty(), "the section of {alert} does not name {unnamed:?}");
        assert!(["critical", "warning"].contains(&labels["severity"].as_str()), "{alert}");
        let link = format!("docs/operations.md#{}", alert.to_lowercase());
        assert_eq!(annotations["runbook"], link);
        assert!(!annotations["summary"].is_empty() && !annotations["description"].is_empty(), "{alert}");
    }
    let left: Vec<_> = sections.keys().filter(|heading| heading.starts_with("Yingbin")).collect();
    assert!(left.is_empty(), "sections without an alarm: {left:?}");
}

#[test]
fn every_alarm_is_tested_with_what_fires_it_and_what_does_not() {
    let tests: Tests = serde_saphyr::from_str(&read("deploy/alerts/tests.yaml")).unwrap();
    let named: Vec<&str> = tests.tests.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(named, alerts().iter().map(|alert| alert.alert.as_str()).collect::<Vec<_>>());
    for Test { name, input_series, promql_expr_test } in &tests.tests {
        let fires = |part: &str| format!("{part}{{alertname=\"{name}\"");
        let some_fire = promql_expr_test.iter().any(|expected| !expected.exp_samples.is_empty());
        assert!(some_fire, "{name}: nothing fires");
        for Expected { expr, exp_samples } in promql_expr_test {
            assert!(expr.starts_with(&fires("ALERTS")), "{name}");
            assert!(exp_samples.iter().all(|sample| sample.labels.starts_with(&fires("ALERTS"))), "{name}");
            assert!(input_series.len() > exp_samples.len(), "{name}: all of it fires");
        }
        let alert = alerts().into_iter().find(|alert| alert.alert == *name).unwrap();
        let expr = quotes(&alert.expr).1;
        let given: Vec<&str> = input_series.iter().map(|series| series.series.as_str()).collect();
        let given = given.join(" ");
        assert!(metrics(&expr).is_subset(&metrics(&given)), "{name}: a metric is not given");
    }
}

/// All of a service's code.
fn code(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            code(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// A label that no service writes makes an alarm that never fires.
#[test]
fn every_value_of_a_label_that_an_alarm_asks_for_is_one_that_a_service_writes() {
    let mut all = String::new();
    for folder in SERVICES.into_iter().chain(["wechat", "proto"]) {
        code(&repository().join(folder).join("src"), &mut all);
    }
    for Alert { alert, expr, .. } in alerts() {
        for value in quotes(&expr).0.into_iter().flat_map(|values| values.split('|')) {
            let known = SERVICES.contains(&value) || all.contains(&format!("\"{value}\""));
            assert!(known, "{alert}: nothing writes {value:?}");
        }
    }
}

#[test]
fn the_page_says_how_long_each_topic_is_kept() {
    let page = read("docs/operations.md");
    let rows = sections(&page, " ")["What is kept, and for how long"].lines();
    let rows = rows.filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned(), cells[3].to_owned())
    });
    let topics = proto::ALL_TOPICS.map(|topic| {
        let kept = match topic.cleanup {
            Cleanup::Days(days) => format!("{days} days"),
            Cleanup::Compacted { history_days } => {
                format!("the last record of each item for ever, all others {history_days} days")
            }
        };
        (topic.name.to_owned(), topic.partitions.to_string(), kept)
    });
    assert_eq!(rows.collect::<Vec<_>>(), topics);
}
