//! What the chart makes of values, as the API server would read it.

use std::{collections::BTreeMap, process::Command};

use serde_json::{Value, json};

use crate::support::repository;

/// Values files of `deploy/chart/ci`.
pub(crate) const FILES: [&str; 2] = ["minimal.yaml", "production.yaml"];

/// Every object of a render.
pub(crate) struct Chart(pub(crate) Vec<Value>);

/// A pod as a workload describes it.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    /// The service's name, or the job's.
    pub(crate) name: &'a str,
    pub(crate) workload: &'a Value,
    pub(crate) template: &'a Value,
    pub(crate) spec: &'a Value,
}

impl Chart {
    pub(crate) fn of(file: &str) -> Self {
        Self::with(file, &json!({})).unwrap_or_else(|refusal| panic!("{file}: {refusal}"))
    }

    /// With further values over those of the file; or why Helm refuses them.
    pub(crate) fn with(file: &str, more: &Value) -> Result<Self, String> {
        let python = repository().join(".cache/venv/bin/python");
        assert!(python.exists(), "no Python with Helm in .cache/venv: run `make setup-test` first");
        let mut command = Command::new(python);
        command.arg(repository().join("deploy/chart/ci/chart.py"));
        let output = command.arg("render").arg(file).arg(more.to_string()).output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(Self(serde_json::from_slice(&output.stdout).unwrap()))
    }

    pub(crate) fn kind<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// Every pod, of whatever workload.
    pub(crate) fn pods(&self) -> Vec<Pod<'_>> {
        let pods: Vec<_> = self.0.iter().filter_map(Pod::of).collect();
        let said = json!(self.0).to_string().matches("\"containers\":").count();
        assert_eq!(said, pods.len(), "a pod that stands where these tests do not look");
        pods
    }

    pub(crate) fn pod(&self, name: &str) -> Pod<'_> {
        self.pods().into_iter().find(|pod| pod.name == name).unwrap_or_else(|| panic!("no pod of {name}"))
    }

    /// The files of all `ConfigMap`s.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let maps = self.kind("ConfigMap").map(|map| &map["data"]);
        maps.flat_map(|data| serde_json::from_value::<BTreeMap<_, _>>(data.clone()).unwrap()).collect()
    }
}

impl<'a> Pod<'a> {
    fn of(workload: &'a Value) -> Option<Self> {
        let template = workload.pointer("/spec/template")?;
        let name = template["metadata"]["labels"]["app.kubernetes.io/component"].as_str()?;
        Some(Self { name, workload, template, spec: &template["spec"] })
    }

    /// The labels that somebody asks for are all there.
    pub(crate) fn is_meant_by(&self, selector: &Value) -> bool {
        let wanted = selector["matchLabels"].as_object().unwrap();
        assert!(!wanted.is_empty() && selector["matchExpressions"].is_null(), "{selector}");
        wanted.iter().all(|(label, value)| self.template["metadata"]["labels"][label] == *value)
    }

    /// Containers, those that only run at the start among them.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let of = |key: &str| self.spec[key].as_array().into_iter().flatten();
        of("initContainers").chain(of("containers"))
    }

    /// The number of a port, which a policy, a probe or a service may call by its name.
    pub(crate) fn port(&self, port: &Value) -> u64 {
        let mut all = self.containers().flat_map(|container| container["ports"].as_array().unwrap());
        let named = |declared: &&Value| declared["name"] == *port || declared["containerPort"] == *port;
        let found = all.find(named).unwrap_or_else(|| panic!("{} has no port {port}", self.name));
        found["containerPort"].as_u64().unwrap()
    }
}
