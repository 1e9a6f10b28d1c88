//! `docker-compose.yml` as far as these tests ask.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::support::repository;

#[derive(Debug, Deserialize)]
pub(crate) struct Compose {
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) volumes: BTreeMap<String, Option<IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Service {
    pub(crate) command: Vec<String>,
    environment: BTreeMap<String, Value>,
    volumes: Vec<String>,
    ports: Vec<String>,
    depends_on: BTreeMap<String, Wait>,
    healthcheck: Option<Probe>,
}

#[derive(Debug, Deserialize)]
struct Wait {
    condition: String,
}

#[derive(Debug, Deserialize)]
struct Probe {
    test: Vec<String>,
}

impl Compose {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(repository().join("docker-compose.yml")).unwrap();
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Service {
    pub(crate) fn environment(&self, name: &str) -> Option<&str> {
        self.environment.get(name)?.as_str()
    }

    pub(crate) fn whole_environment(&self) -> Vec<(String, String)> {
        let all = self.environment.iter();
        all.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    }

    /// Source and target of what is mounted.
    pub(crate) fn mounts(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = |mount: &str| mount.matches(':').count();
        self.volumes.iter().map(move |mount| {
            assert!(parts(mount) == 1 || mount.ends_with(":ro"), "{mount}");
            mount.trim_end_matches(":ro").split_once(':').unwrap()
        })
    }

    /// Where a path of the container is in the repository.
    pub(crate) fn mounted(&self, path: &str) -> Option<PathBuf> {
        self.mounts().find_map(|(source, target)| {
            let rest = path.strip_prefix(target)?.trim_start_matches('/');
            Some(repository().join(source.strip_prefix("./")?).join(rest))
        })
    }

    /// Whether a path of the container is there: a file of the repository, or a volume.
    pub(crate) fn has(&self, path: &str) -> bool {
        let volume = self.mounts().any(|(source, target)| target == path && !source.starts_with('.'));
        volume || self.mounted(path).is_some_and(|file| file.exists())
    }

    /// The file that it is started with, which is the one of its name.
    pub(crate) fn configuration(&self, name: &str) -> Option<String> {
        let at = self.command.iter().position(|word| word == "--config")?;
        let path = &self.command[at + 1];
        assert_eq!(*path, format!("/etc/yingbin/{name}.toml"));
        let file = self.mounted(path).unwrap_or_else(|| panic!("{path} is not mounted"));
        Some(fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    }

    pub(crate) fn waits_for(&self) -> impl Iterator<Item = (&str, &str)> {
        self.depends_on.iter().map(|(name, wait)| (name.as_str(), wait.condition.as_str()))
    }

    pub(crate) fn has_probe(&self) -> bool {
        self.healthcheck.is_some()
    }

    /// Ports of its own that are published, and hosts and ports that its probe asks; no host: itself.
    pub(crate) fn probed_and_published(&self) -> Vec<(Option<&str>, u16)> {
        let inside = |port: &str| port.rsplit(':').next().unwrap().parse().unwrap();
        let published = self.ports.iter().map(|port| (None, inside(port)));
        let probe = self.healthcheck.iter().flat_map(|probe| &probe.test);
        let probed = probe.filter_map(|word| {
            let (host, rest) = word.split_once("/dev/tcp/")?.1.split_once('/')?;
            let port = rest.split(|end: char| !end.is_ascii_digit()).next()?.parse().ok()?;
            Some(((host != "127.0.0.1").then_some(host), port))
        });
        published.chain(probed).collect()
    }
}

/// Every value of a TOML file that stands in quotation marks.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split('"').skip(1).step_by(2))
}
