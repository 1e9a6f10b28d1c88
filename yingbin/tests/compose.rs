//! The files of `docker-compose.yml` are good configurations and speak of the examples' accounts and people.

mod support;

use std::path::PathBuf;

use runtime::config::Settings;
use support::{example, repository};

fn compose(file: &str) -> PathBuf {
    repository().join("deploy/compose").join(file)
}

fn read<C>(service: &str, read: fn(&mut Settings) -> C, flags: &[String]) -> C {
    let file = compose(&format!("{service}.toml"));
    let mut settings = Settings::load(service, Some(&file), [], flags);
    let config = read(&mut settings);
    assert_eq!(settings.finish().map_err(|problems| problems.to_string()), Ok(()), "{service}");
    config
}

#[test]
fn the_accounts_are_the_examples() {
    let gateway = read("gateway", gateway::Config::read, &[]);
    let playbook = |(n, name)| {
        format!(
            "accounts.{n}.playbook={}",
            repository().join("examples").join(name).join("playbook.yaml").display()
        )
    };
    let playbooks = [(0, "qianjiang"), (1, "csair")].map(playbook);
    let content = read("content-service", content_service::Config::read, &playbooks);
    let weather = repository().join("examples/qianjiang/weather.json");
    let flags = [format!("weather_file={}", weather.display())];
    let simulator = read("simulator", simulator::Config::read, &flags);
    read("profile-service", profile_service::Config::read, &[]);
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
    let weather = repository().join("examples/qianjiang/weather.json");
    let flags = [format!("weather_file={}", weather.display())];
    let people = read("simulator", simulator::Config::read, &flags).people;
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
