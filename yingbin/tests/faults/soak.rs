//! Everything runs, something breaks every few seconds, and at the end the books have to agree and the processes be no larger.

use std::{path::Path, time::Duration};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    bounds::{may_leak, rise, slope},
    checker::Costs,
    cluster::Cluster,
    load::Load,
    proxy::Mode,
    rows::Seen,
    service::Service,
    stand::{Shape, Stand},
    trial::{TAKEOVER, Terms, Trial},
};

/// Pushes between two faults: two to six seconds.
const BETWEEN: std::ops::Range<usize> = 40..120;

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

/// What was measured; panics where something did not hold.
pub(crate) async fn soak(minutes: u64, seed: u64, folder: &Path) -> String {
    let mut cluster = Cluster::start(1).await;
    let mut trial = Trial::new(("soak", Seen::Quiet("too many faults at once")), seed, &mut cluster, folder);
    let mut stand = trial.stand(Shape { gateways: 2, contents: 2, ..Shape::default() }).await;
    let load = stand.load();
    let (mut random, since) = (StdRng::seed_from_u64(seed), Instant::now());
    let whole = Duration::from_secs(60 * minutes);
    let (mut stayed, mut count) = (Stayed::default(), 0);
    while since.elapsed() < whole {
        let fault = ALL[random.random_range(0..ALL.len())];
        let spares = since.elapsed() >= whole / 4;
        happens((fault, spares), &mut stand, trial.cluster, &load, &mut random).await;
        load.goes_on(random.random_range(BETWEEN)).await;
        if since.elapsed() >= whole / 2 {
            stayed.look(&stand, since.elapsed());
        }
        count += 1;
        let rss = stand.services().map(|service| service.vitals().rss).max().unwrap_or(0);
        println!("  {count:4} {fault:?}: {} arrived, largest process {rss} MiB", stand.arrived());
    }
    load.goes_on(100).await;
    let report = stand.ends(load, Terms { costs: COSTS, within: 2 * TAKEOVER, ..Terms::default() }).await;
    let told = format!("{count} faults; {report}; {}", stayed.told());
    assert!(!stayed.may_leak(), "{told}");
    told
}

/// What a process had over the hours: memory, MiB, and descriptors.
#[derive(Default)]
struct Had {
    memory: Vec<(f64, f64)>,
    files: Vec<(f64, f64)>,
}

/// One of each service that nobody restarts after a quarter of the time: what it has in the second half.
#[derive(Default)]
struct Stayed([Had; 3]);

impl Stayed {
    const NAMES: [&'static str; 3] = ["gateway", "content-service", "profile-service"];

    fn members(stand: &Stand) -> [&Service; 3] {
        [&stand.gateways[0], &stand.contents[0], &stand.profile].map(|one| one.as_ref().expect("it runs"))
    }

    fn look(&mut self, stand: &Stand, at: Duration) {
        let hours = at.as_secs_f64() / 3_600.0;
        for (Had { memory, files }, member) in self.0.iter_mut().zip(Self::members(stand)) {
            let vitals = member.vitals();
            memory.push((hours, f64::from(u32::try_from(vitals.rss).unwrap())));
            files.push((hours, f64::from(u32::try_from(vitals.files).unwrap())));
        }
    }

    fn may_leak(&self) -> bool {
        self.0.iter().any(|had| may_leak(&had.memory, &had.files))
    }

    fn told(&self) -> String {
        let told = Self::NAMES.iter().zip(&self.0).map(|(name, Had { memory, files })| {
            let (_, last) = memory.last().copied().unwrap_or_default();
            format!(
                "{name} {last:.0} MiB, {:+.1} MiB and {:+.1} descriptors in the second half ({:+.1} MiB/h, {} looks)",
                rise(memory),
                rise(files),
                slope(memory),
                memory.len()
            )
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

/// One fault, begun and ended. Who is spared is one of each service.
async fn happens(
    (fault, spares): (Fault, bool),
    stand: &mut Stand,
    cluster: &mut Cluster,
    load: &Load,
    random: &mut StdRng,
) {
    let n = if spares { 1 } else { random.random_range(0..2) };
    let pushes = random.random_range(10..100);
    match fault {
        Fault::Gateway => stand.gateways[n].take().expect("it runs").kill(),
        Fault::Content => stand.contents[n].take().expect("it runs").kill(),
        Fault::Profile if spares => stand.edges.enrich.cut(),
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
