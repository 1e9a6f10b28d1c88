//! Everything runs, something breaks every few seconds, and at the end the books have to agree and the processes be no larger.

use std::{fs, path::Path, time::Duration};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    checker::Costs,
    cluster::Cluster,
    load::Load,
    proxy::Mode,
    stand::{Shape, Stand},
    trial::{TAKEOVER, Terms, Trial},
};

/// Pushes between two faults: two to six seconds.
const BETWEEN: std::ops::Range<usize> = 40..120;
/// Growth of a process that is no leak: caches fill, and the allocator keeps.
const GROWTH_MIB: u64 = 150;

/// As many faults as there is time for: unknown and refused ends cannot be told beforehand, but nothing may grow too old or be set aside.
const COSTS: Costs = Costs { unknown: usize::MAX, refused: usize::MAX, expired: 0, set_aside: 0 };

/// What can break.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Gateway,
    Content,
    Profile,
    ContentStops,
    Broker,
    BrokerSlow,
    Redis,
    RedisHangs,
    EnrichSilent,
    ApiRefuses,
    AnswersLost,
    TokenRefused,
}

const ALL: [Fault; 12] = [
    Fault::Gateway,
    Fault::Content,
    Fault::Profile,
    Fault::ContentStops,
    Fault::Broker,
    Fault::BrokerSlow,
    Fault::Redis,
    Fault::RedisHangs,
    Fault::EnrichSilent,
    Fault::ApiRefuses,
    Fault::AnswersLost,
    Fault::TokenRefused,
];

/// How many failed: none or one.
pub(crate) async fn soak(minutes: u64, seed: u64) -> usize {
    println!("soak of {minutes} min, SEED={seed}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults/soak");
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    let mut cluster = Cluster::start(1).await;
    let mut trial = Trial::soaks(seed, &mut cluster, &folder);
    let mut stand = trial.stand(Shape { gateways: 2, contents: 2, ..Shape::default() }).await;
    let load = stand.load();
    let (mut random, end) = (StdRng::seed_from_u64(seed), Instant::now() + Duration::from_secs(60 * minutes));
    let mut first = 0;
    let mut count = 0;
    while Instant::now() < end {
        let fault = ALL[random.random_range(0..ALL.len())];
        happens(fault, &mut stand, trial.cluster, &load, &mut random).await;
        load.goes_on(random.random_range(BETWEEN)).await;
        let rss = stand.services().map(|service| service.vitals().rss).max().unwrap_or(0);
        if count == 10 {
            first = rss;
        }
        count += 1;
        println!("  {count:4} {fault:?}: {} arrived, largest process {rss} MiB", stand.arrived());
    }
    load.goes_on(100).await;
    let report = stand.ends(load, Terms { costs: COSTS, within: 2 * TAKEOVER, ..Terms::default() }).await;
    let last = stand.services().map(|service| service.vitals().rss).max().unwrap_or(0);
    println!("{count} faults; {report}; largest process {first} → {last} MiB");
    usize::from(first > 0 && last > first + GROWTH_MIB)
}

/// One fault, begun and ended.
async fn happens(fault: Fault, stand: &mut Stand, cluster: &mut Cluster, load: &Load, random: &mut StdRng) {
    let n = random.random_range(0..2);
    let pushes = random.random_range(10..100);
    match fault {
        Fault::Gateway => stand.gateways[n].take().expect("it runs").kill(),
        Fault::Content => stand.contents[n].take().expect("it runs").kill(),
        Fault::Profile => stand.profile.take().expect("it runs").kill(),
        Fault::Broker => cluster.kill(0),
        Fault::Redis => stand.redis.kill(),
        Fault::ContentStops => stand.contents[n].as_ref().expect("it runs").process.signal("STOP"),
        Fault::RedisHangs => stand.redis.signal("STOP"),
        Fault::BrokerSlow => cluster.nodes()[0].to_gateways.set(Mode::Latency(Duration::from_millis(300))),
        Fault::EnrichSilent => stand.edges.enrich.set(Mode::BlackHole),
        Fault::ApiRefuses => stand.edges.api.set(Mode::Refuse),
        Fault::AnswersLost => {
            stand.script(json!({"path": "send", "kind": "reset", "taken": true, "count": 5})).await;
        }
        Fault::TokenRefused => {
            stand.script(json!({"path": "send", "kind": "errcode", "errcode": 40001, "count": 3})).await;
        }
    }
    load.goes_on(pushes).await;
    is_over(fault, n, stand, cluster).await;
}

async fn is_over(fault: Fault, n: usize, stand: &mut Stand, cluster: &mut Cluster) {
    match fault {
        Fault::Broker => {
            cluster.launch(0);
            cluster.answers().await;
        }
        Fault::Redis => stand.redis.start_again().await,
        Fault::ContentStops => stand.contents[n].as_ref().expect("it runs").process.signal("CONT"),
        Fault::RedisHangs => stand.redis.signal("CONT"),
        Fault::BrokerSlow => cluster.nodes()[0].to_gateways.set(Mode::Forward),
        Fault::EnrichSilent => stand.edges.enrich.set(Mode::Forward),
        Fault::ApiRefuses => stand.edges.api.set(Mode::Forward),
        Fault::AnswersLost | Fault::TokenRefused => stand.unscript().await,
        Fault::Gateway | Fault::Content | Fault::Profile => stand.staff().await,
    }
}
