//! The rendered settings, as the services' own readers take them in their pods.

use std::{collections::BTreeMap, fs, path::Path};

use content_service::Config as Content;
use gateway::Config as Gateway;
use profile_service::Config as Profile;
use runtime::config::Settings;
use serde_json::Value;

use crate::{
    authority::{Authority, GOOD},
    render::{Chart, Pod},
    support::{example, repository},
};

/// All three.
pub(crate) struct Configured {
    pub(crate) gateway: Gateway,
    pub(crate) profile: Profile,
    pub(crate) content: Content,
}

impl Configured {
    pub(crate) fn by(chart: &Chart) -> Self {
        Self {
            gateway: read(&chart.pod("gateway"), chart, Gateway::read),
            profile: read(&chart.pod("profile-service"), chart, Profile::read),
            content: read(&chart.pod("content-service"), chart, Content::read),
        }
    }
}

/// A Redis with a password in its address.
pub(crate) const REDIS: &str = "rediss://somebody:made-up-password@redis.redis:6380";

fn read<C>(pod: &Pod<'_>, chart: &Chart, read: fn(&mut Settings) -> C) -> C {
    let container = &pod.spec["containers"][0];
    let command: Vec<_> =
        container["command"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    let file = format!("/etc/yingbin/settings/{}.toml", pod.name);
    assert_eq!(command, [pod.name, "--config", &file]);
    let secrets = tempfile::tempdir().unwrap();
    let text = mounted(&chart.files()[&format!("{}.toml", pod.name)], container, secrets.path());
    let path = secrets.path().join("settings.toml");
    fs::write(&path, text).unwrap();
    let mut settings = Settings::load(pod.name, Some(&path), environment(container), &[]);
    let config = read(&mut settings);
    assert_eq!(settings.finish().map_err(|problems| problems.to_string()), Ok(()), "{}", pod.name);
    config
}

fn environment(container: &Value) -> Vec<(String, String)> {
    let made_up = BTreeMap::from([("redis-url", REDIS)]);
    let variables = container["env"].as_array().unwrap().iter().map(|variable| {
        let key = variable.pointer("/valueFrom/secretKeyRef/key").and_then(Value::as_str);
        let value = key.map_or_else(|| variable["value"].as_str().unwrap(), |key| made_up[key]);
        (variable["name"].as_str().unwrap().to_owned(), value.to_owned())
    });
    variables.collect()
}

/// The text with the folders that are mounted in another place, and in them the files that it names.
fn mounted(text: &str, container: &Value, at: &Path) -> String {
    let (mounts, authority) = (container["volumeMounts"].as_array().unwrap(), Authority::new());
    let own = authority.vouches(GOOD);
    let folder = |path: &str| {
        let mut all = mounts.iter().filter_map(|mount| mount["mountPath"].as_str());
        all.find(|folder| {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let mut moved = text.to_owned();
    for path in text.split('"').skip(1).step_by(2).filter(|value| value.starts_with('/')) {
        let folder = folder(path).unwrap_or_else(|| panic!("{path} is not mounted"));
        let there = at.join(path.trim_start_matches('/'));
        moved = moved.replace(&format!("\"{path}\""), &format!("\"{}\"", there.display()));
        if path == folder {
            fs::create_dir_all(&there).unwrap();
            continue;
        }
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::write(&there, content(&there, &authority, &own)).unwrap();
    }
    moved
}

/// What somebody would have put into a file of that name.
fn content(path: &Path, authority: &Authority, own: &(String, String)) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    match name {
        "tls.crt" => own.0.clone(),
        "tls.key" => own.1.clone(),
        "ca.crt" | "kafka-ca.pem" | "redis-ca.pem" => authority.pem(),
        _ if name.contains("aes-key") => "AgsXOhyl9F6sn23DSp8kVzjliKE1QufhQNB9reosfhA".to_owned(),
        _ if name.ends_with(".yaml") => {
            let account = example(path.file_stem().unwrap().to_str().unwrap()).account.name;
            fs::read_to_string(repository().join("examples").join(account).join("playbook.yaml")).unwrap()
        }
        _ => format!("a-made-up-secret-of-{name}"),
    }
}
