//! `docker-compose.yml` and the files that it mounts: every file, service and port that they name is there, each configuration is
//! good for its service, and all speak of the examples' accounts and people.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "compose/file.rs"]
mod file;
mod support;

use std::{collections::BTreeMap, net::SocketAddr};

use file::{Compose, quoted};
use runtime::config::Settings;
use support::{example, repository};

/// A service's configuration as its own reader takes it in its container: its file, its environment, and what is mounted.
fn read<C>(name: &str, read: fn(&mut Settings) -> C) -> C {
    let service = &Compose::read().services[name];
    let mut text = service.configuration(name).unwrap();
    for path in quoted(&text.clone()) {
        if let Some(mounted) = service.mounted(path) {
            text = text.replace(path, mounted.to_str().unwrap());
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut settings = Settings::load(name, Some(file.path()), service.whole_environment(), &[]);
    let config = read(&mut settings);
    assert_eq!(settings.finish().map_err(|problems| problems.to_string()), Ok(()), "{name}");
    config
}

#[test]
fn the_accounts_are_the_examples() {
    let gateway = read("gateway", gateway::Config::read);
    let content = read("content-service", content_service::Config::read);
    let simulator = read("simulator", simulator::Config::read);
    assert_eq!(gateway.link_secret, content.links.secret);
    for name in ["qianjiang", "csair"] {
        let account = example(name).account;
        let door = gateway.accounts.iter().find(|door| door.name == name).unwrap();
        assert_eq!((&door.credentials.app_id, door.credentials.mode), (&account.app_id, account.mode));
        assert_eq!(door.credentials.token.expose(), account.token);
        let sender = content.accounts.iter().find(|sender| sender.name == name).unwrap();
        assert_eq!((sender.secret.expose(), sender.kind), (account.app_secret.as_str(), account.kind));
        let platform = simulator.accounts.iter().find(|platform| platform.name == name).unwrap();
        let expected = account.simulated("http://gateway:8080");
        assert_eq!((&platform.gateway, &platform.menu), (&expected.gateway, &expected.menu));
        assert_eq!((&platform.title, &platform.aes_key), (&account.title, &Some(account.aes_key)));
    }
}

#[test]
fn the_people_are_the_examples() {
    let people = read("simulator", simulator::Config::read).people;
    let expected = ["qianjiang", "csair"].map(example).into_iter().flat_map(|example| {
        let account = example.account.name;
        let person = move |person: yingbin::example::Person| {
            (account.clone(), person.openid, person.name, person.about)
        };
        example.people.into_iter().map(person)
    });
    let found = people.into_iter().map(|person| (person.account, person.openid, person.name, person.about));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

/// A user's password, by the file that the Redis there is started with.
fn password(user: &str) -> String {
    let redis = &Compose::read().services["redis"];
    let at = redis.command.iter().position(|word| word == "--aclfile").unwrap();
    let users = std::fs::read_to_string(redis.mounted(&redis.command[at + 1]).unwrap()).unwrap();
    let one = users.lines().find_map(|line| line.strip_prefix(&format!("user {user} on >"))).unwrap();
    one.split(' ').next().unwrap().to_owned()
}

/// Where each service listens, by its own configuration; a port that nobody outside its container reaches would be of no use.
fn listening() -> BTreeMap<&'static str, Vec<u16>> {
    let simulator = read("simulator", simulator::Config::read);
    let gateway = read("gateway", gateway::Config::read);
    let profile = read("profile-service", profile_service::Config::read);
    let content = read("content-service", content_service::Config::read);
    assert_eq!(
        [&gateway.kafka.bootstrap, &profile.kafka.bootstrap, &content.kafka.bootstrap],
        ["kafka:9092"; 3]
    );
    for (name, url) in [("profile-service", &profile.redis.url), ("content-service", &content.redis.url)] {
        assert_eq!(*url, format!("redis://{name}:{}@redis:6379", password(name)));
    }
    let ports = |all: &[SocketAddr]| {
        assert!(all.iter().all(|one| one.ip().is_unspecified()), "{all:?}");
        all.iter().map(SocketAddr::port).collect()
    };
    BTreeMap::from([
        ("kafka", vec![9092, 29092]),
        ("redis", vec![6379]),
        ("gateway", ports(&[gateway.listen, gateway.admin])),
        ("profile-service", ports(&[profile.grpc.listen, profile.admin_listen])),
        ("content-service", ports(&[content.admin])),
        ("simulator", ports(&[simulator.listen])),
    ])
}

#[test]
fn every_service_and_port_that_is_named_is_there() {
    let (compose_file, listening) = (Compose::read(), listening());
    let reached = |who: &str, host: &str, port: u16| {
        let there = listening.get(host).is_some_and(|ports| ports.contains(&port));
        assert!(there && compose_file.services.contains_key(host), "{who} names {host}:{port}");
    };
    for (name, service) in &compose_file.services {
        for (host, port) in service.probed_and_published() {
            reached(name, host.unwrap_or(name), port);
        }
        for address in
            service.environment("KAFKA_BOOTSTRAP").into_iter().chain(service.environment("REDIS_URL"))
        {
            let (host, port) = address.rsplit(['/', '@']).next().unwrap().split_once(':').unwrap();
            reached(name, host, port.parse().unwrap());
        }
        let Some(text) = service.configuration(name) else { continue };
        let addresses: Vec<_> = quoted(&text).filter_map(|value| value.strip_prefix("http://")).collect();
        for address in addresses {
            let (host, rest) =
                address.split_once(':').unwrap_or_else(|| panic!("{name}: no port: {address}"));
            reached(name, host, rest.split('/').next().unwrap().parse().unwrap());
        }
    }
    let listeners = compose_file.services["kafka"].environment("KAFKA_LISTENERS").unwrap();
    for port in &listening["kafka"] {
        assert!(listeners.contains(&format!("://:{port}")), "{listeners}");
    }
}

#[test]
fn whom_a_service_waits_for_is_there_and_can_be_asked() {
    let compose_file = Compose::read();
    for (name, service) in &compose_file.services {
        for (other, condition) in service.waits_for() {
            let other =
                compose_file.services.get(other).unwrap_or_else(|| panic!("{name} waits for {other}"));
            assert!(condition != "service_healthy" || other.has_probe(), "{name}");
        }
    }
}

#[test]
fn every_file_and_folder_that_is_named_is_there() {
    let compose_file = Compose::read();
    let dockerfile = std::fs::read_to_string(repository().join("Dockerfile")).unwrap();
    for (name, service) in &compose_file.services {
        for (source, _) in service.mounts() {
            let there = match source.strip_prefix("./") {
                Some(path) => repository().join(path).exists(),
                None => compose_file.volumes.contains_key(source),
            };
            assert!(there, "{name} mounts {source}");
        }
        let Some(text) = service.configuration(name) else { continue };
        let program = &service.command[0];
        assert!(program == name && dockerfile.contains(&format!("target/release/{program} ")), "{program}");
        for path in quoted(&text).filter(|value| value.starts_with('/')) {
            assert!(service.has(path), "{name} looks for {path}");
        }
    }
}
