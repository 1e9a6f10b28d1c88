//! Who may speak with whom: nobody, but for what the services' own settings need.

use std::{collections::BTreeSet, net::SocketAddr};

use serde_json::{Value, json};

use crate::{
    read::Configured,
    render::{Chart, FILES},
};

/// Every way that the policies open, as `in: from → to:port` at who is reached, and `out: …` at who begins.
fn ways(chart: &Chart) -> BTreeSet<String> {
    let mut ways = BTreeSet::new();
    for policy in chart.kind("NetworkPolicy") {
        let spec = &policy["spec"];
        for (direction, rules, peers) in [("in", "ingress", "from"), ("out", "egress", "to")] {
            for rule in spec[rules].as_array().into_iter().flatten() {
                // Without a list of peers or of ports, or with an empty one, a rule lets everybody through.
                let list =
                    |key: &str| rule[key].as_array().filter(|all| !all.is_empty()).expect("open to all");
                for peer in list(peers) {
                    for port in list("ports") {
                        let here = meant(chart, &spec["podSelector"]);
                        let there = name(chart, peer);
                        let (from, to) = if direction == "in" { (&there, &here) } else { (&here, &there) };
                        ways.insert(format!("{direction}: {from} → {to}:{}", number(chart, to, port)));
                    }
                }
            }
        }
    }
    ways
}

/// The one pod that a selector means.
fn meant(chart: &Chart, selector: &Value) -> String {
    let pods: Vec<_> =
        chart.pods().into_iter().filter(|pod| pod.is_meant_by(selector)).map(|pod| pod.name).collect();
    assert_eq!(pods.len(), 1, "{selector} means {pods:?}");
    pods[0].to_owned()
}

fn name(chart: &Chart, peer: &Value) -> String {
    let space = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"].as_str();
    match (space, peer["ipBlock"]["cidr"].as_str()) {
        (Some(space), None) => space.to_owned(),
        (None, Some(addresses)) => addresses.to_owned(),
        _ => meant(chart, &peer["podSelector"]),
    }
}

fn number(chart: &Chart, to: &str, port: &Value) -> String {
    let number = match port["port"].as_u64() {
        Some(number) => number,
        None => chart.pod(to).port(&port["port"]),
    };
    format!("{number}{}", if port["protocol"] == "UDP" { "/udp" } else { "" })
}

/// The ways that there have to be, by the services' own settings.
fn needed(chart: &Chart) -> BTreeSet<String> {
    let Configured { gateway, profile, content } = Configured::by(chart);
    let host = |url: &str| {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let authority = rest.rsplit('@').next().unwrap();
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        assert!(scheme == "https" || authority.contains(':'), "{url}");
        // name.namespace, or name.namespace.svc
        (host.split('.').nth(1).unwrap().to_owned(), port.to_owned())
    };
    let mut ways = BTreeSet::new();
    let mut out = |from: &str, to: &str, port: &str| ways.insert(format!("out: {from} → {to}:{port}"));
    let mut services = vec!["gateway", "profile-service", "content-service"];
    services.extend(chart.kind("Job").map(|_| "topics"));
    for service in &services {
        out(service, "kube-system", "53");
        out(service, "kube-system", "53/udp");
        for broker in gateway.kafka.bootstrap.split(',') {
            out(service, "kafka", broker.split_once(':').unwrap().1);
        }
    }
    for (service, url) in [("profile-service", &profile.redis.url), ("content-service", &content.redis.url)] {
        let (space, port) = host(url);
        out(service, &space, &port);
    }
    let grpc = profile.grpc.listen.port().to_string();
    assert!(content.profile.endpoint.ends_with(&format!(".svc:{grpc}")), "{}", content.profile.endpoint);
    out("content-service", "profile-service", &grpc);
    for account in &content.accounts {
        assert!(!account.api.contains("svc"));
        out("content-service", "0.0.0.0/0", &host(&account.api).1);
    }
    for base in content.sources.values() {
        let (space, port) = host(base);
        out("content-service", &space, &port);
    }
    let mut inward = |from: &str, to: &str, at: SocketAddr| {
        assert!(at.ip().is_unspecified(), "{to} at {at} is reached by nobody outside its pod");
        ways.insert(format!("in: {from} → {to}:{}", at.port()));
    };
    inward("ingress", "gateway", gateway.listen);
    inward("content-service", "profile-service", profile.grpc.listen);
    inward("monitoring", "gateway", gateway.admin);
    inward("monitoring", "profile-service", profile.admin_listen);
    inward("monitoring", "content-service", content.admin);
    ways
}

#[test]
fn who_is_not_named_is_denied() {
    for chart in FILES.map(Chart::of) {
        let mut policies = chart.kind("NetworkPolicy").map(|policy| &policy["spec"]);
        let deny = policies
            .find(|spec| spec["ingress"].is_null() && spec["egress"].is_null())
            .expect("a policy that allows nothing");
        assert_eq!(deny["policyTypes"], json!(["Ingress", "Egress"]));
        for pod in chart.pods() {
            assert!(pod.is_meant_by(&deny["podSelector"]), "{} is not denied anything", pod.name);
        }
    }
}

#[test]
fn what_is_allowed_is_what_the_settings_need() {
    let chart = Chart::of("minimal.yaml");
    assert_eq!(ways(&chart), needed(&chart));
    let chart = Chart::of("production.yaml");
    let mut needed = needed(&chart);
    // By value, for people and services that ask it themselves.
    assert!(needed.insert("in: operators → profile-service:50051".to_owned()));
    assert_eq!(ways(&chart), needed);
}

#[test]
fn an_empty_list_lets_nobody_in() {
    let nobody = json!({ "networkPolicy": { "ingress": [], "monitoring": [], "platform": [] } });
    let chart = Chart::with("minimal.yaml", &nobody).unwrap();
    let (left, all) = (ways(&chart), ways(&Chart::of("minimal.yaml")));
    let closed: Vec<_> = all.difference(&left).map(|way| way.split([' ', ':']).nth(2).unwrap()).collect();
    assert_eq!(closed, ["ingress", "monitoring", "monitoring", "monitoring", "content-service"]);
}

/// What is private is out of reach of whoever makes content-service call an address; a cloud's keys are told at 169.254.169.254.
#[test]
fn the_way_to_the_platform_leads_nowhere_inside() {
    let chart = Chart::of("minimal.yaml");
    let blocks = chart
        .kind("NetworkPolicy")
        .flat_map(|policy| policy["spec"]["egress"].as_array().into_iter().flatten());
    let all: Vec<_> = blocks.filter_map(|rule| rule.pointer("/to/0/ipBlock/except")).collect();
    let private = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
    assert_eq!(all, [&json!(private)]);
}

/// A service's name in the namespace, and the pods behind it.
#[test]
fn services_lead_to_the_pods_that_listen() {
    for chart in FILES.map(Chart::of) {
        let Configured { gateway, profile, content } = Configured::by(&chart);
        let service = |name: &str| {
            let mut all = chart.kind("Service").filter(|service| service["metadata"]["name"] == name);
            let (one, None) = (&all.next().expect(name)["spec"], all.next()) else { panic!("two of {name}") };
            let selector = json!({ "matchLabels": one["selector"] });
            let pod = meant(&chart, &selector);
            (
                one["clusterIP"].clone(),
                one["ports"][0]["port"].clone(),
                chart.pod(&pod).port(&one["ports"][0]["targetPort"]),
            )
        };
        let door = u64::from(gateway.listen.port());
        assert_eq!(service("yingbin-gateway"), (Value::Null, json!(80), door));
        let grpc = profile.grpc.listen.port();
        // Headless: the name has an address for each pod, and content-service spreads its calls over them.
        let headless = (json!("None"), json!(grpc), u64::from(grpc));
        assert_eq!(service("yingbin-profile-service"), headless);
        let endpoint = content.profile.endpoint.split_once("://").unwrap().1;
        assert_eq!(endpoint, format!("yingbin-profile-service.greeter.svc:{grpc}"));
    }
}
