//! Everything that the house does, with the rights of the files alone.

use std::{fs, process::ExitStatus, time::Duration};

use proto::reply::Outcome;
use redis::cmd;
use runtime::{clock::Clock, redis::Redis};
use serde_json::json;
use simulator::{Act, Order};
use yingbin::command::activity;

use super::{
    kafka::{Guarded, everybody_has_his_rights_and_no_other},
    password,
    redis::{refusals, seen_by, users_within},
};
use crate::{
    cli::yingbin,
    support::{
        house::{House, SETTLED, Service},
        kafka,
        processes::until,
        redis::RedisServer,
    },
};

const NAMESPACE: &str = "blue.";
const PLAYBOOK: &str = include_str!("playbook.yaml");
const SOON: Duration = Duration::from_secs(30);
const SERVICES: [&str; 3] = ["gateway", "profile-service", "content-service"];

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_with_these_rights_and_nobody_has_others() {
    let users = tempfile::NamedTempFile::new().unwrap();
    fs::write(&users, users_within(NAMESPACE)).unwrap();
    let (broker, redis) = tokio::join!(Guarded::start(), RedisServer::start_with_users(users.path()));
    broker.apply(NAMESPACE);
    let (server, address) =
        (seen_by(&redis, "admin", NAMESPACE), redis.url_of("operator", &password("operator")));
    let house = House::open_guarded(broker.clients("admin", NAMESPACE), redis, password).await;
    house.play_by(PLAYBOOK);
    let (gateway, profile, content) = house.staff().await;

    replies_arrive_and_a_link_is_tapped(&house).await;
    what_happens_elsewhere_is_learned(&house, &broker, &profile, &server).await;
    a_person_decides(&house, &address).await;
    an_account_is_stopped(&house, &server).await;
    let profile = who_leaves_is_erased(&house, profile, &server).await;
    what_nobody_can_read_is_set_aside(&house, &broker).await;
    for service in [gateway, profile, content] {
        assert!(ended(service).await.success());
    }

    let refused = refusals(&*house.redis.lock().await).await;
    assert!(refused.is_empty(), "{refused:?}");
    for name in SERVICES {
        let log = house.log(name).to_lowercase();
        let refused = log.lines().find(|line| line.contains("authoriz") || line.contains("noperm"));
        assert_eq!(refused, None, "{name}");
    }
    everybody_has_his_rights_and_no_other(&broker, NAMESPACE).await;
}

async fn ended(service: Service) -> ExitStatus {
    service.terminate(SOON).await
}

async fn is_there(server: &Redis, key: &str) -> bool {
    server.query(cmd("EXISTS").arg(server.key(key))).await.unwrap()
}

async fn replies_arrive_and_a_link_is_tapped(house: &House) {
    house.push_all((0..10).map(|n| house.text(&format!("o{n}"), &format!("text {n}")))).await;
    house.arrived(10, SOON).await;
    house.settled().await;
    let message = house.simulator.arrivals(0, None)[0].message["text"]["content"].to_string();
    let link = message.split(['"', '\\', ' ', '<']).find(|part| part.starts_with("http://")).unwrap();
    let policy = reqwest::redirect::Policy::none();
    let phone = reqwest::Client::builder().no_proxy().redirect(policy).build().unwrap();
    let answer = phone.get(link).send().await.unwrap();
    assert!(answer.status().is_redirection(), "{link}: {answer:?}");
    until("the tap is an event", SOON, async || (house.events().await.len() == 11).then_some(())).await;
    house.settled().await;
}

async fn what_happens_elsewhere_is_learned(
    house: &House,
    broker: &Guarded,
    profile: &Service,
    server: &Redis,
) {
    let bought = json!({"id": "p1", "customer": {"external": {"namespace": "skypearl", "id": "42"}},
        "kind": "purchase", "occurredHoursAgo": 1});
    let activities = activity::read(&bought.to_string(), Clock::system().now_ms()).unwrap();
    let shop = broker.clients("other-service", NAMESPACE);
    activity::send(&shop, &activities, activity::SOURCE).await.unwrap();
    kafka::handled(&house.kafka, profile_service::GROUP, proto::ACTIVITY, SETTLED).await;
    assert!(is_there(server, "w:skypearl:42").await);

    let people = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    fs::write(&people, "openid,external:skypearl\no0,42\n").unwrap();
    let (path, account) = (people.path().to_str().unwrap(), house.app_id());
    let imported = yingbin(&["import", path, "--account", account, "--profile", &profile.url]);
    assert_eq!(imported.code, 0, "{imported:?}");
    assert!(is_there(server, "x:skypearl:42").await && !is_there(server, "w:skypearl:42").await);
}

/// Two replies whose answers are lost: one is sent again, one stays as it is.
async fn a_person_decides(house: &House, address: &str) {
    let lost =
        |openid: &str| json!({"path": "send", "openid": openid, "kind": "cut", "text": "{", "taken": true});
    house.script(json!([lost("again"), lost("dropped")])).await;
    house.push_all(["again", "dropped"].map(|openid| house.text(openid, openid))).await;
    house.settled().await;
    let ask = |arguments: &[&str]| {
        let server = ["--json", "--namespace", NAMESPACE, "--redis", address];
        yingbin(&[&["unknown"], arguments, &server].concat())
    };
    let list = ask(&["list"]).json();
    let waiting = list["waiting"].as_array().unwrap();
    assert_eq!(waiting.len(), 2, "{list}");
    for (one, choice, say) in
        [(0, "resend", "sent again, and WeChat took it"), (1, "drop", "it stays unknown")]
    {
        let answer = ask(&[choice, waiting[one]["eventId"].as_str().unwrap()]);
        assert_eq!((answer.code, answer.json()["say"].as_str()), (0, Some(say)), "{answer:?}");
    }
    assert_eq!(ask(&["list"]).json()["waiting"].as_array().unwrap().len(), 0);
}

async fn an_account_is_stopped(house: &House, server: &Redis) {
    house.script(json!({"path": "send", "kind": "errcode", "errcode": 45_009})).await;
    house.push_all([house.text("o2", "one too many")]).await;
    house.settled().await;
    assert!(is_there(server, "stops").await);
    house.push_all([house.text("o3", "while it is stopped")]).await;
    house.settled().await;
    let outcomes = house.outcomes().await;
    let refused = outcomes.values().filter(|reply| reply.outcome() == Outcome::Refused);
    assert_eq!(refused.count(), 2);
}

/// One while profile-service is there, one while it is away.
async fn who_leaves_is_erased(house: &House, profile: Service, server: &Redis) -> Service {
    let leaves = |openid: &str| -> [Order; 1] { [house.act(openid, &Act::Unsubscribe)] };
    house.push_all(leaves("o0")).await;
    house.settled().await;
    assert!(!is_there(server, "x:skypearl:42").await);

    profile.kill();
    house.push_all(leaves("o1")).await;
    house.settled().await;
    assert!(is_there(server, "erasures").await);
    let profile = house.profile().await;
    until("it is erased", SOON, async || (!is_there(server, "erasures").await).then_some(())).await;
    profile
}

async fn what_nobody_can_read_is_set_aside(house: &House, broker: &Guarded) {
    for (user, topic) in [("gateway", proto::EVENTS), ("other-service", proto::ACTIVITY)] {
        let kafka = broker.clients(user, NAMESPACE);
        let producer = kafka.producer("test").unwrap();
        let rubbish = producer.send(&kafka.topic(topic.name), b"key", &[], Some(b"\xff rubbish")).unwrap();
        rubbish.await.unwrap();
    }
    let aside = async || (kafka::read(&house.kafka, proto::DLQ).await.len() == 2).then_some(());
    until("both are in the DLQ", SOON, aside).await;
}
