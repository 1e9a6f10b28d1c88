//! Pods: the restricted profile, nothing to write but the spool, and time to end in order.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    read::Configured,
    render::{Chart, FILES},
};

#[test]
fn every_pod_is_restricted() {
    for chart in FILES.map(Chart::of) {
        for pod in chart.pods() {
            let (name, security) = (pod.name, &pod.spec["securityContext"]);
            assert_eq!(security["runAsNonRoot"], true, "{name}");
            assert_eq!([&security["runAsUser"], &security["runAsGroup"]], [65_532, 65_532], "{name}");
            assert_eq!(security["seccompProfile"], json!({ "type": "RuntimeDefault" }), "{name}");
            for shared in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
                assert_eq!(pod.spec[shared], Value::Null, "{name}: {shared}");
            }
            for container in pod.containers() {
                let security = &container["securityContext"];
                assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
                assert_eq!(security["privileged"], false, "{name}");
                assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }), "{name}");
                assert_ne!(security["runAsNonRoot"], false, "{name}");
                assert_eq!(security["seccompProfile"], Value::Null, "{name}: that of the pod holds");
                let ports = container["ports"].as_array().into_iter().flatten();
                assert!(ports.clone().all(|port| port["hostPort"].is_null()), "{name}");
            }
        }
    }
}

#[test]
fn nobody_has_a_token_of_the_api_server_or_hears_of_neighbours() {
    for chart in FILES.map(Chart::of) {
        for pod in chart.pods() {
            assert_eq!(pod.spec["automountServiceAccountToken"], false, "{}", pod.name);
            assert_eq!(pod.spec["enableServiceLinks"], false, "{}", pod.name);
            assert!(!pod.spec.to_string().contains("serviceAccountToken"), "{}", pod.name);
        }
    }
}

#[test]
fn nothing_can_be_written_but_the_spool() {
    for chart in FILES.map(Chart::of) {
        let mut writable = Vec::new();
        for pod in chart.pods() {
            for container in pod.containers() {
                assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{}", pod.name);
                let mounts = container["volumeMounts"].as_array().into_iter().flatten();
                let open = mounts.filter(|mount| mount["readOnly"] != true);
                writable.extend(open.map(|mount| (pod.name, mount["mountPath"].as_str().unwrap())));
            }
            // Whatever else a volume can be, emptyDir and hostPath among it, is not there.
            for volume in pod.spec["volumes"].as_array().into_iter().flatten() {
                assert!(volume["configMap"].is_object() || volume["secret"].is_object(), "{volume}");
            }
        }
        assert_eq!(writable, [("gateway", "/var/lib/yingbin/spool")]);
        let gateway = chart.pod("gateway").workload;
        assert_eq!(gateway["kind"], "StatefulSet", "each gateway has a spool of its own");
        assert_eq!(gateway["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "spool");
        let kept = &gateway["spec"]["persistentVolumeClaimRetentionPolicy"];
        assert_eq!(*kept, json!({ "whenDeleted": "Retain", "whenScaled": "Retain" }));
    }
}

/// A file that is mounted by itself never changes in a running pod: neither a playbook nor a certificate would be taken over.
#[test]
fn only_whole_folders_are_mounted() {
    for chart in FILES.map(Chart::of) {
        let said = json!(chart.0).to_string();
        assert!(!said.contains("subPath") && said.contains("mountPath"), "{said}");
    }
}

#[test]
fn memory_is_given_for_good_and_a_processor_is_not_taken_away() {
    for chart in FILES.map(Chart::of) {
        for pod in chart.pods() {
            for container in pod.containers() {
                let resources = &container["resources"];
                assert!(resources["limits"]["memory"].is_string(), "{}", pod.name);
                assert_eq!(resources["limits"]["memory"], resources["requests"]["memory"], "{}", pod.name);
                assert!(resources["requests"]["cpu"].is_string() && resources["limits"]["cpu"].is_null());
            }
        }
    }
}

#[test]
fn a_service_has_the_time_that_it_takes_to_end() {
    for chart in FILES.map(Chart::of) {
        let shutdown = Configured::by(&chart).gateway.shutdown;
        let pod = chart.pod("gateway");
        let away = pod.spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
        assert!(away >= 5, "routing takes a while to notice");
        let takes = Duration::from_secs(away) + shutdown.announce + shutdown.drain + Duration::from_secs(5);
        for pod in ["gateway", "profile-service", "content-service"].map(|name| chart.pod(name)) {
            let grace = pod.spec["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(Duration::from_secs(grace) >= takes.max(Duration::from_secs(30)), "{}", pod.name);
        }
    }
}

/// What a probe asks is there, on the port where the service listens for probes.
#[test]
fn probes_ask_where_the_services_answer() {
    for chart in FILES.map(Chart::of) {
        let Configured { gateway, profile, content } = Configured::by(&chart);
        let admin = [
            ("gateway", gateway.admin),
            ("profile-service", profile.admin_listen),
            ("content-service", content.admin),
        ];
        for (name, listens) in admin {
            let pod = chart.pod(name);
            let container = &pod.spec["containers"][0];
            for (probe, path) in
                [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
            {
                let asked = &container[probe]["httpGet"];
                assert_eq!(asked["path"], path, "{name}");
                assert_eq!(pod.port(&asked["port"]), u64::from(listens.port()), "{name}");
            }
        }
    }
}

#[test]
fn a_node_can_be_drained_and_a_version_rolled_without_an_empty_house() {
    for chart in FILES.map(Chart::of) {
        for name in ["gateway", "profile-service", "content-service"] {
            let pod = chart.pod(name);
            let mut budgets = chart.kind("PodDisruptionBudget");
            let budget = budgets.find(|budget| pod.is_meant_by(&budget["spec"]["selector"])).expect(name);
            let most = if name == "content-service" { json!("25%") } else { json!(1) };
            assert_eq!(budget["spec"]["maxUnavailable"], most, "{name}");
            assert_eq!(budget["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow", "{name}");
            if pod.workload["kind"] == "Deployment" {
                let rolling = &pod.workload["spec"]["strategy"]["rollingUpdate"];
                assert_eq!(*rolling, json!({ "maxUnavailable": 0, "maxSurge": 1 }), "{name}");
            }
            let spread = pod.spec["topologySpreadConstraints"].as_array().unwrap();
            let zones =
                spread.iter().find(|one| one["topologyKey"] == "topology.kubernetes.io/zone").unwrap();
            assert!(
                pod.is_meant_by(&zones["labelSelector"]) && zones["whenUnsatisfiable"] == "ScheduleAnyway"
            );
        }
    }
}
