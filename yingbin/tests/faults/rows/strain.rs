//! More to do than there is time for: a flood, and a core that others have (F62, F84).

use std::{fmt, process::Command, time::Duration};

use tokio::time::Instant;

use super::rows;
use crate::{
    bounds::p99,
    checker::Costs,
    load::{Kind, Load, Pushed},
    proxy::Mode,
    stand::{Shape, Stand},
    starved::Starved,
    trial::{IN_FLIGHT, TAKEOVER, Terms, Trial},
};

rows! {
    f62_pushes_flood_the_door, 1, full,
        "a gateway with 4 places and a broker 40 ms away gets the 40 pushes a second that it can take, then 20 times as many for 15 s (`FAULTS=long`: 60 s), each once and at its time whatever became of the others, then 40 again",
        "goodput ≥ 90 % of what is offered before and after the flood, and in it ≥ 90 % of that before; 99 in 100 of those admitted < 1 s; acknowledged and lost 0",
        raises ["gateway_pushes_total{result=\"overloaded\""];
    f84_a_tenth_of_a_core, 1, full,
        "gateway (with 8 places), content-service and profile-service run 10 ms of every 100 while 100 pushes a second come, for 20 s",
        "pushes that wait for a place are shed; acknowledged and lost 0, rebalances 0, unknown ≤ 64, settled < 30 s",
        raises ["gateway_pushes_total{result=\"overloaded\""];
}

/// Pushes a second that the narrow door of the flood takes.
const ADMITTED: u32 = 40;
/// How many times as many the flood has.
const FLOOD: u32 = 20;

async fn f62_pushes_flood_the_door(trial: &mut Trial<'_>) -> String {
    may_open_files();
    let gateway = "[limits]\nin_flight = 4\n";
    let mut stand = trial.stand(Shape { gateway, rate: ADMITTED, ..Shape::default() }).await;
    trial.cluster.nodes()[0].to_gateways.set(Mode::Latency(Duration::from_millis(40)));
    let before = goodput(&mut stand, ADMITTED, Kind::Usual, 10).await;
    let seconds = if trial.long { 60 } else { 15 };
    let flood = goodput(&mut stand, FLOOD * ADMITTED, Kind::Open, seconds).await;
    let after = goodput(&mut stand, ADMITTED, Kind::Usual, 10).await;
    trial.cluster.nodes()[0].to_gateways.set(Mode::Forward);
    let report = stand.settles(Instant::now(), Terms { within: TAKEOVER, ..Terms::default() }).await;
    let told = format!("{before} before, {flood} in the flood of {seconds} s, {after} after it");
    let well = [&before, &after].iter().all(|rate| rate.accepted >= 0.9 * rate.offered);
    assert!(well && flood.accepted >= 0.9 * before.accepted, "{told}; {report}");
    assert!(flood.offered >= 0.9 * f64::from(FLOOD * ADMITTED), "that was no such flood: {told}; {report}");
    assert!([&before, &flood, &after].iter().all(|rate| rate.p99 < 1_000.0), "{told}; {report}");
    format!("{told}; {report}")
}

/// A push that waits is three connections of this process, and a shell may have 1,024 files only because nobody asked for more.
fn may_open_files() {
    const RAISE: &str = r#"prlimit --pid "$0" --nofile="$(ulimit -H -n):""#;
    let raised = Command::new("sh").args(["-c", RAISE, &std::process::id().to_string()]).status();
    assert!(raised.unwrap().success(), "`prlimit` (util-linux) cannot let this process open more files");
}

/// Pushes a second, and what 99 in 100 of those that were accepted did not exceed, milliseconds.
struct Rate {
    offered: f64,
    accepted: f64,
    p99: f64,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} of {:.0} a second (99 in 100 within {:.0} ms)",
            self.accepted, self.offered, self.p99
        )
    }
}

/// Offers so many pushes a second for so many seconds; what was really offered and accepted.
async fn goodput(stand: &mut Stand, offered: u32, kind: Kind, seconds: u64) -> Rate {
    let load = Load::start(&stand.pusher, offered, stand.seed, kind);
    load.lasts(Duration::from_secs(2)).await;
    let counts = async || (accepted(stand).await, f64::from(u32::try_from(load.begun()).unwrap_or(u32::MAX)));
    let (since, before) = (Instant::now(), counts().await);
    load.lasts(Duration::from_secs(2 + seconds)).await;
    let (after, took) = (counts().await, since.elapsed().as_secs_f64());
    let pushed = load.end().await;
    let p99 = p99_of(&pushed);
    stand.pushed.extend(pushed);
    Rate { accepted: (after.0 - before.0) / took, offered: (after.1 - before.1) / took, p99 }
}

/// Of the deliveries that were answered 200.
fn p99_of(pushed: &[Pushed]) -> f64 {
    let answered = pushed.iter().flat_map(|push| &push.attempts).filter(|attempt| attempt.status == 200);
    let mut times: Vec<f64> = answered.map(|attempt| attempt.ms).collect();
    times.sort_by(f64::total_cmp);
    p99(&times)
}

async fn accepted(stand: &Stand) -> f64 {
    stand.counted("gateway_pushes_total{result=\"accepted\"").await
}

async fn f84_a_tenth_of_a_core(trial: &mut Trial<'_>) -> String {
    let gateway = "[limits]\nin_flight = 8\n";
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
