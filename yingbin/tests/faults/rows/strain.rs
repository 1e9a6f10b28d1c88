//! More to do than there is time for: a flood, and a core that others have (F62, F84).

use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::rows;
use crate::{
    checker::Costs,
    load::Load,
    proxy::Mode,
    stand::{Shape, Stand},
    starved::Starved,
    trial::{IN_FLIGHT, TAKEOVER, Terms, Trial},
};

rows! {
    f62_pushes_flood_the_door, 1, full,
        "a gateway with 4 places and a broker 20 ms away gets the 80 pushes a second that it can take, then 3 times as many for 15 s (`FAULTS=long`: 60 s), then 80 again",
        "goodput ≥ 90 % of what is offered before and after the flood, and in it ≥ 90 % of that before; those admitted < 1 s; acknowledged and lost 0",
        raises ["gateway_pushes_total{result=\"overloaded\""];
    f84_a_tenth_of_a_core, 1, full,
        "gateway (with 16 places), content-service and profile-service run 10 ms of every 100 while 100 pushes a second come, for 20 s",
        "pushes that wait for a place are shed; acknowledged and lost 0, rebalances 0, unknown ≤ 64, settled < 30 s",
        raises ["gateway_pushes_total{result=\"overloaded\""];
}

/// Pushes a second that the narrow door of the flood takes.
const ADMITTED: u32 = 80;

async fn f62_pushes_flood_the_door(trial: &mut Trial<'_>) -> String {
    let gateway = "[limits]\nin_flight = 4\n";
    let mut stand = trial.stand(Shape { gateway, rate: ADMITTED, ..Shape::default() }).await;
    trial.cluster.nodes()[0].to_gateways.set(Mode::Latency(Duration::from_millis(20)));
    let before = goodput(&mut stand, ADMITTED, 10).await;
    let flood = goodput(&mut stand, 3 * ADMITTED, if trial.long { 60 } else { 15 }).await;
    let after = goodput(&mut stand, ADMITTED, 10).await;
    trial.cluster.nodes()[0].to_gateways.set(Mode::Forward);
    let report = stand.settles(Instant::now(), Terms { within: TAKEOVER, ..Terms::default() }).await;
    let told = format!("{before} before, {flood} in the flood, {after} after it");
    let well = [&before, &after].iter().all(|rate| rate.accepted >= 0.9 * rate.offered);
    assert!(well && flood.accepted >= 0.9 * before.accepted, "{told}; {report}");
    let slowest = super::kafka::slowest(&stand);
    assert!(slowest < 1_000.0, "the slowest that was admitted took {slowest} ms; {report}");
    format!("{told}; slowest of those {slowest:.0} ms; {report}")
}

/// Pushes a second.
struct Rate {
    offered: f64,
    accepted: f64,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} of {:.0} a second", self.accepted, self.offered)
    }
}

/// Offers so many pushes a second for so many seconds; what was really offered and accepted.
async fn goodput(stand: &mut Stand, offered: u32, seconds: u64) -> Rate {
    let load = Load::start(&stand.pusher, offered, stand.seed);
    load.lasts(Duration::from_secs(2)).await;
    let counts = async || (accepted(stand).await, f64::from(u32::try_from(load.begun()).unwrap_or(u32::MAX)));
    let (since, before) = (Instant::now(), counts().await);
    load.lasts(Duration::from_secs(2 + seconds)).await;
    let (after, took) = (counts().await, since.elapsed().as_secs_f64());
    let pushed = load.end().await;
    stand.pushed.extend(pushed);
    Rate { accepted: (after.0 - before.0) / took, offered: (after.1 - before.1) / took }
}

async fn accepted(stand: &Stand) -> f64 {
    stand.counted("gateway_pushes_total{result=\"accepted\"").await
}

async fn f84_a_tenth_of_a_core(trial: &mut Trial<'_>) -> String {
    let gateway = "[limits]\nin_flight = 16\n";
    let mut stand = trial.stand(Shape { gateway, rate: 100, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(100, TAKEOVER).await;
    let rebalances = stand.counted("content_rebalances_total").await;
    let starved = Starved::start(&stand.services().map(|service| service.process.pid()).collect::<Vec<_>>());
    load.goes_on(2_000).await;
    drop(starved);
    stand.more_arrive(100, TAKEOVER).await;
    let costs = Costs::unknown(IN_FLIGHT);
    let report = stand.ends(load, Terms { costs, within: TAKEOVER, ..Terms::default() }).await;
    let rebalances = stand.counted("content_rebalances_total").await - rebalances;
    let shed = stand.counted("gateway_pushes_total{result=\"overloaded\"").await;
    let fenced = stand.counted("content_fence_rejected_total").await;
    assert_eq!(rebalances, 0.0, "{report}");
    format!(
        "{shed} shed, {fenced} sends stopped by the fence, rebalances {rebalances}; {}; {report}",
        stand.reply_times(&stand.pushed)
    )
}
