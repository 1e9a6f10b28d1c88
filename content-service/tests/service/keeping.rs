//! The ledger's Redis has to keep what it acknowledges: looked at before the first event, and from then on.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use content_service::{
    Listeners,
    config::Durability,
    ledger::{Ledger, State, Terms},
    metrics::Metrics,
    serve,
};
use proto::reply::Outcome;
use runtime::{clock::Clock, process::Misconfigured, redis::Redis};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::proposal,
    redis_server::{RedisServer, program},
    world::{World, until},
};

async fn asks(world: &World, command: &[&str]) {
    let mut all = redis::cmd(command[0]);
    all.arg(&command[1..]);
    world.redis.client().query::<redis::Value>(&all).await.unwrap();
}

/// How the service ends with the world's Redis as it is.
async fn refusal(world: &World) -> String {
    let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = serve(world.config.clone(), Listeners { admin }, Clock::system(), CancellationToken::new());
    let ended = tokio::time::timeout(Duration::from_secs(20), serving).await.expect("it ends");
    let error = ended.expect_err("it is refused");
    let told = error.chain().find_map(|cause| cause.downcast_ref::<Misconfigured>());
    told.unwrap_or_else(|| panic!("{error:#}")).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_lose_the_ledger_is_refused_with_what_to_do() {
    let world = World::new(1).await;
    asks(&world, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let told = refusal(&world).await;
    assert!(told.contains("CONFIG SET maxmemory-policy noeviction"), "{told}");
    asks(&world, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    asks(&world, &["CONFIG", "SET", "appendonly", "no"]).await;
    let told = refusal(&world).await;
    assert!(told.contains("CONFIG SET appendonly yes") && told.contains("redis.durability"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_still_reads_its_file_is_waited_for() {
    let mut world = World::new(1).await;
    world.redis.restarts_slowly(30_000, Duration::from_micros(20)).await;
    let client = world.redis.client();
    until("it reads its file", async || {
        let told = client.query::<String>(redis::cmd("INFO").arg("persistence")).await;
        told.is_ok_and(|told| told.contains("loading:1") && told.contains("aof_enabled:0"))
    })
    .await;
    world.run().await;
    world.push(&world.text("o1", "e1", "hello")).await;
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Sent);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_redis_that_says_nothing_is_refused_or_assumed_to_be_good() {
    let mut world = World::new(1).await;
    asks(&world, &["ACL", "SETUSER", "default", "-info", "-config"]).await;
    let told = refusal(&world).await;
    assert!(told.contains("it does not say"), "{told}");
    world.config.keeping.durability = Durability::Assumed;
    world.run().await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.outcome("e1").await;
    assert!(world.metrics().await.contains("content_ledger_redis_trouble{name=\"not_said\"} 1"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_turns_bad_at_run_time_shows() {
    let mut world = World::start(1).await;
    let shows = async |trouble: &str, there: u8| {
        let line = format!("content_ledger_redis_trouble{{name=\"{trouble}\"}} {there}\n");
        until(&line, async || world.metrics().await.contains(&line)).await;
    };
    shows("eviction_policy", 0).await;
    asks(&world, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    shows("eviction_policy", 1).await;
    world.stop().await;
}

fn ledger(redis: Redis, clock: &Clock) -> Ledger {
    let terms = Terms { ttl: Duration::from_secs(50 * 3600), lease: Duration::from_secs(9), replicas: 1 };
    Ledger::new(redis, terms, clock.clone(), Metrics::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_armed_before_a_replica_has_it() {
    let (master, mut replica) = (RedisServer::start().await, RedisServer::start().await);
    replica.follow(&master).await;
    let (redis, clock) = (master.client(), Clock::system());
    let ledger = ledger(redis, &clock);
    let mine = content_service::assignment::Assignment::new(1);
    let reserve = async |event: &str| {
        let mut proposal = proposal(event, 1);
        let (since_ms, until_ms) = (clock.now_ms(), clock.now_ms() + 60_000);
        let granted = content_service::ledger::Granted { name: "message", messages: 5, since_ms, until_ms };
        proposal.granted = Some(granted);
        let place = ledger.place(event, event, "me".to_owned());
        ledger.reserve(&place, &mine, proposal, true).await.unwrap()
    };
    assert!(matches!(reserve("with").await.state, State::Armed(_)));

    replica.kill();
    let armed = tokio::time::timeout(Duration::from_secs(1), reserve("without")).await;
    assert!(armed.is_err(), "no replica has it, so nothing may be sent");
    replica.restart().await;
    replica.follow(&master).await;
    assert!(matches!(reserve("again").await.state, State::Armed(_)));
}

/// Ends with the test, however that ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).unwrap();
    }
}

#[test]
fn a_redis_that_keeps_nothing_ends_it_with_64_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    let mut redis = Command::new(program());
    redis.args(arguments).current_dir(folder.path()).stdout(Stdio::null());
    let _server = Server(redis.spawn().expect("redis-server is needed: make setup brings it"));
    let settings = format!(
        "[admin]\nlisten = '127.0.0.1:0'\n[kafka]\nbootstrap = '127.0.0.1:1'\n[redis]\nurl = 'redis://127.0.0.1:{port}'\n\
         [links]\nsecret = 's'\nbase_url = 'https://go.example.com'\n\
         [[accounts]]\nname = 'one'\napp_id = 'wx1'\nsecret = 's'\nplaybook = 'one.yaml'\n"
    );
    fs::write(folder.path().join("settings.toml"), settings).unwrap();
    let playbook = "account: one\nreplies: [{name: r, on: [text], messages: [{text: x}]}]\n";
    fs::write(folder.path().join("one.yaml"), playbook).unwrap();
    let service = env!("CARGO_BIN_EXE_content-service");
    let flags = ["--config", "settings.toml"];
    let ended = Command::new(service).args(flags).current_dir(folder.path()).env_clear().output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(64), "{told}");
    assert!(told.contains("CONFIG SET appendonly yes"), "{told}");
}
