//! Redis dies, hangs, slows down, forgets, fails over and fills up; profile-service is slow or leaves (F33–F43, F82).

use std::time::Duration;

use redis::Cmd;
use runtime::redis::{Redis, RedisConfig};
use tokio::time::Instant;

use super::rows;
use crate::{
    checker::{Allowed, Costs, End},
    collect,
    load::Load,
    proxy::{Mode, Proxy},
    stand::{Shape, Stand},
    support::{processes::until, redis::RedisServer},
    trial::{IN_FLIGHT, PROGRESS, Report, TAKEOVER, Terms, Trial},
};

rows! {
    f33_redis_is_killed, 1, full,
        "SIGKILL, started again on its data 125 pushes (5 s) later", "no send begins without it: only those under way arrive; 99 in 100 calls of our client fail < 150 ms (deadline 100 ms); unknown ≤ 64", raises ["content_ledger_waits_total"];
    f34_redis_hangs, 1, full,
        "SIGSTOP for 500 pushes (20 s), then SIGCONT", "no send begins meanwhile: only those under way arrive; sent twice 0, unknown 0", raises ["content_ledger_waits_total"];
    f35_redis_is_slow, 1, full,
        "20 ms each way", "all sent",
        quiet "it is slow within every time limit: only `content_handled_seconds` grows";
    f35_redis_is_slower_than_its_deadline, 1, full,
        "100 ms each way for 125 pushes: no call is answered within its 100 ms", "sent twice 0, nothing lost, settled < 15 s after; 99 in 100 of what is pushed from its end on answered < 5 s", raises ["content_ledger_waits_total"];
    f36_a_replica_takes_over_without_the_last_writes, 1, short,
        "replication is held for 25 pushes, the primary killed, the replica promoted and led to",
        "sent twice ≤ the writes that were lost and ≤ what was not yet committed (64), unknown ≤ 64; ten replies < 3 s after the kill",
        raises ["content_ledger_writes_lost_total"];
    f37_redis_is_full, 1, full,
        "maxmemory under what is used (noeviction) for 125 pushes, then raised", "no send begins meanwhile: only those under way arrive; nothing lost or sent twice", raises ["content_ledger_waits_total"];
    f39_everything_in_redis_is_gone, 1, full,
        "FLUSHALL under load", "sent twice ≤ the writes that were lost and ≤ what was not yet committed (64), unknown ≤ 64",
        raises ["content_ledger_writes_lost_total"];
    f40_scripts_are_forgotten, 1, full,
        "SCRIPT FLUSH five times under load", "all sent",
        quiet "a script is loaded again within its call";
    f42_profile_service_hangs, 1, full,
        "its answers two seconds late, then none at all, for 100 pushes each, of many users: who writes again at once waits for his own", "every event is answered: the neutral edition; 99 in 100 at most 200 ms later than before: the deadline of 150 ms, and 50 ms", raises ["content_fallbacks_total{name=\"profile\""];
    f43_connections_to_profile_service_end_all_the_time, 1, full,
        "each connection is asked to end after a second", "all sent, without profile < 20 %",
        quiet "a connection that ends in order is made again before anybody waits for it";
    f82_edges_go_silent, 1, full,
        "profile-service and Redis behind black holes for 500 pushes (20 s): nothing is closed, nothing comes; then for 250 pushes (10 s) they hear everything and their answers are dropped",
        "sent twice 0, settled < 30 s", raises ["content_ledger_waits_total", "content_fallbacks_total{name=\"profile\""];
}

/// What had arrived when Redis went, and how many sends were under way.
pub(super) struct Gone {
    arrived: usize,
    under_way: usize,
}

impl Gone {
    pub(super) async fn now(stand: &Stand) -> Self {
        // In this order: what arrives between the two looks was not under way any more at the second.
        let under_way = stand.sends_in_flight().await;
        Self { arrived: stand.arrived(), under_way }
    }

    /// What has arrived since: those that were under way, and no more.
    pub(super) fn few_arrive(&self, stand: &Stand) -> String {
        let (meanwhile, under_way) = (stand.arrived() - self.arrived, self.under_way);
        assert!(
            meanwhile <= under_way,
            "{meanwhile} messages left without a ledger, and {under_way} were under way"
        );
        format!("{meanwhile} arrived meanwhile, {under_way} were under way")
    }
}

async fn f33_redis_is_killed(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;
    stand.redis.kill();
    let gone = Gone::now(&stand).await;
    let (call, ()) = tokio::join!(fails_within(&stand.redis), load.goes_on(125));
    let meanwhile = gone.few_arrive(&stand);
    assert!(call < Duration::from_millis(150), "99 in 100 calls failed within {call:?}");
    stand.redis.start_again().await;
    stand.more_arrive(100, PROGRESS).await;
    let terms = Terms { costs: Costs::unknown(IN_FLIGHT), ..Terms::default() };
    let report = stand.ends(load, terms).await;
    format!("{meanwhile}; 99 in 100 calls failed within {} ms; {report}", call.as_millis())
}

/// How long calls to a server that is away take, with the deadline of the services: what 99 in 100 do not exceed.
async fn fails_within(server: &RedisServer) -> Duration {
    let client = Redis::new(&RedisConfig::new(server.url(), Duration::from_millis(100)), "").unwrap();
    let mut took = Vec::new();
    for _ in 0..40 {
        let since = Instant::now();
        asks_in_vain(&client).await;
        took.push(since.elapsed());
    }
    took.sort_unstable();
    crate::bounds::p99(&took)
}

async fn asks_in_vain(client: &Redis) {
    let answer = client.query::<String>(&redis::cmd("PING")).await;
    assert!(answer.is_err(), "{answer:?} from a server that is away");
}

async fn f34_redis_hangs(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;
    stand.redis.signal("STOP");
    let gone = Gone::now(&stand).await;
    load.goes_on(500).await;
    let meanwhile = gone.few_arrive(&stand);
    stand.redis.signal("CONT");
    stand.more_arrive(100, PROGRESS).await;
    let report = stand.ends(load, Terms::default()).await;
    format!("{meanwhile}; {report}")
}

async fn f35_redis_is_slow(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    latency(&stand, 20);
    let load = stand.load();
    stand.more_arrive(150, TAKEOVER).await;
    let report = stand.ends(load, Terms::default()).await;
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    report.to_string()
}

async fn f35_redis_is_slower_than_its_deadline(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;
    latency(&stand, 100);
    load.goes_on(125).await;
    let pushed = load.end().await;
    stand.pushed.extend(pushed);
    latency(&stand, 0);
    let after = stand.p99_of(125).await;
    let report = stand.settles(Instant::now(), Terms::default()).await;
    assert!(after < 5_000, "{after} ms for what was pushed after it; {report}");
    format!("99 in 100 of what was pushed after it were answered within {after} ms; {report}")
}

fn latency(stand: &Stand, ms: u64) {
    let mode = if ms == 0 { Mode::Forward } else { Mode::Latency(Duration::from_millis(ms)) };
    [&stand.edges.ledger, &stand.edges.memory].iter().for_each(|edge| edge.set(mode));
}

fn client(server: &RedisServer) -> Redis {
    Redis::new(&RedisConfig::new(server.url(), Duration::from_secs(10)), "").unwrap()
}

async fn asks(redis: &Redis, words: &[&str]) -> String {
    let mut command = Cmd::new();
    words.iter().for_each(|word| _ = command.arg(*word));
    redis.query::<String>(&command).await.unwrap()
}

/// The ledger loses acknowledged writes: what was not yet committed may be sent again, and is counted.
const FORGETFUL: Terms = Terms {
    allowed: Allowed { duplicates: IN_FLIGHT, reordered: 0, ledger_lost: true },
    costs: Costs::unknown(IN_FLIGHT),
    within: TAKEOVER,
    tail: true,
    reasons: &[],
};

async fn f36_a_replica_takes_over_without_the_last_writes(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let replica = RedisServer::start().await;
    let held = Proxy::before(vec![([127, 0, 0, 1], stand.redis.port()).into()]).await;
    let (second, port) = (client(&replica), held.address().port().to_string());
    asks(&second, &["REPLICAOF", "127.0.0.1", &port]).await;
    let copied = async || {
        asks(&second, &["INFO", "replication"]).await.contains("master_link_status:up").then_some(())
    };
    until("the replica has copied everything", PROGRESS, copied).await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;
    held.set(Mode::BlackHole);
    load.goes_on(25).await;
    stand.redis.kill();
    let since = Instant::now();
    asks(&second, &["REPLICAOF", "NO", "ONE"]).await;
    for edge in [&stand.edges.ledger, &stand.edges.memory] {
        edge.lead_to(vec![([127, 0, 0, 1], replica.port()).into()]);
    }
    stand.redis = replica;
    stand.more_arrive(10, RECOVERY).await;
    let recovered = since.elapsed();
    stand.more_arrive(100, TAKEOVER).await;
    let report = no_more_twice_than_lost(&mut stand, load).await;
    format!("ten replies after {:.1} s; {report}", recovered.as_secs_f64())
}

/// What the ledger forgot may have been sent twice, and nothing else.
async fn no_more_twice_than_lost(stand: &mut Stand, load: Load) -> Report {
    let report = stand.ends(load, FORGETFUL).await;
    let lost = stand.counted("content_ledger_writes_lost_total").await;
    assert!(report.duplicates as f64 <= lost, "{lost} writes lost; {report}");
    report
}

/// From the death of a primary until its replica, which is led to at once, serves.
const RECOVERY: Duration = Duration::from_secs(3);

async fn f37_redis_is_full(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;
    let redis = collect::redis(&stand);
    asks(&redis, &["CONFIG", "SET", "maxmemory", "1000000"]).await;
    let gone = Gone::now(&stand).await;
    load.goes_on(125).await;
    let meanwhile = gone.few_arrive(&stand);
    asks(&redis, &["CONFIG", "SET", "maxmemory", "0"]).await;
    stand.more_arrive(100, PROGRESS).await;
    let report = stand.ends(load, Terms::default()).await;
    format!("{meanwhile}; {report}")
}

async fn f39_everything_in_redis_is_gone(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    stand.answers_slowly().await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;
    asks(&collect::redis(&stand), &["FLUSHALL"]).await;
    stand.more_arrive(50, PROGRESS).await;
    no_more_twice_than_lost(&mut stand, load).await.to_string()
}

async fn f40_scripts_are_forgotten(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    for _ in 0..5 {
        stand.more_arrive(20, PROGRESS).await;
        asks(&collect::redis(&stand), &["SCRIPT", "FLUSH"]).await;
    }
    let report = stand.ends(load, Terms::default()).await;
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    report.to_string()
}

async fn f42_profile_service_hangs(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { users: 10_000, ..Shape::default() }).await;
    // The first wait until the group has met.
    stand.p99_of(20).await;
    let before = stand.p99_of(100).await;
    stand.is_calm().await;
    let mut meanwhile = Vec::new();
    for mode in [Mode::Latency(Duration::from_secs(1)), Mode::BlackHole] {
        stand.edges.enrich.set(mode);
        meanwhile.push(stand.p99_of(100).await);
    }
    stand.edges.enrich.set(Mode::Forward);
    let report = stand.settles(Instant::now(), Terms::default()).await;
    let told = format!("99 in 100 within {before} ms before, {meanwhile:?} ms meanwhile");
    assert!(meanwhile.iter().all(|p99| *p99 <= before + LATER_MS), "{told}; {report}");
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    format!("{told}; {}; {report}", without_profile(&stand, report.events).await.1)
}

/// By how much replies without a profile may be later: the deadline of a call, and what a busy machine takes.
const LATER_MS: i64 = 150 + 50;

/// Replies made without a profile: their share, and a sentence.
async fn without_profile(stand: &Stand, events: usize) -> (f64, String) {
    let content = stand.contents[0].as_ref().expect("it runs");
    let neutral = content.counts(&stand.http, "content_fallbacks_total{name=\"profile\"").await;
    #[expect(clippy::cast_precision_loss, reason = "a count of pushes")]
    let share = 100.0 * neutral / events as f64;
    (share, format!("{neutral} of {events} without profile"))
}

async fn f43_connections_to_profile_service_end_all_the_time(trial: &mut Trial<'_>) -> String {
    let shape = Shape { profile: "max_connection_age = '1s'", ..Shape::default() };
    let mut stand = trial.stand(shape).await;
    let load = stand.load();
    load.goes_on(250).await;
    let report = stand.ends(load, Terms::default()).await;
    let (share, told) = without_profile(&stand, report.events).await;
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    assert!(share < 20.0, "{told}; {report}");
    format!("{told}; {report}")
}

async fn f82_edges_go_silent(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;
    let edges = [&stand.edges.ledger, &stand.edges.memory, &stand.edges.enrich];
    edges.iter().for_each(|edge| edge.set(Mode::BlackHole));
    // Whoever keeps connections alive misses an answer after 10 seconds, and gives them up 3 seconds later.
    load.goes_on(500).await;
    edges.iter().for_each(|edge| edge.set(Mode::DropAnswers));
    load.goes_on(250).await;
    edges.iter().for_each(|edge| edge.set(Mode::Forward));
    stand.more_arrive(100, TAKEOVER).await;
    stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await.to_string()
}
