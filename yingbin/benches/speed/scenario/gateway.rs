//! CPU per push: the gateway beside a bare handler and the handler of an afternoon, one server on one core.

use anyhow::Result;
use tokio::runtime::Runtime;

use super::{
    meter::{Cost, Meter},
    subject::Subject,
};
use crate::{
    account::{self, Push, Pushes},
    load::{open_loop, saturate},
    plan::Plan,
    process,
    report::{Report, progress},
    servers::Servers,
    stats::{Latency, Rounds},
};

/// Connections at saturation.
const CONNECTIONS: usize = 32;
/// Pushes a second of the quiet case.
const RATE: u32 = 500;

/// One round of one server.
struct Round {
    busy: Cost,
    busy_latency: Latency,
    busy_rate: f64,
    quiet: Cost,
    quiet_latency: Latency,
}

pub(crate) fn run(plan: &Plan, servers: &Servers, report: &mut Report) -> Result<()> {
    let runtime = Runtime::new()?;
    let subjects = [
        Subject::handler("gateway", "gateway", servers, &runtime)?,
        Subject::handler("bare axum, raw body", "bare", servers, &runtime)?,
        Subject::handler("the afternoon's handler", "afternoon", servers, &runtime)?,
    ];
    drop(runtime);
    progress(&format!("sealing {} pushes", plan.pushes));
    let pushes = account::pushes(0..plan.pushes as u64)?;
    // Kafka and this program share the other cores.
    let others: Vec<u32> = servers.kafka_pid.into_iter().chain([std::process::id()]).collect();
    process::pin(&others, "1");
    let measured = rounds(plan, servers, &subjects, &pushes);
    process::pin(&others, &format!("0-{}", process::cores() - 1));
    told(&subjects, &measured?, report);
    Ok(())
}

fn rounds(plan: &Plan, servers: &Servers, subjects: &[Subject], pushes: &Pushes) -> Result<Vec<Vec<Round>>> {
    for subject in subjects {
        progress(&format!("{}: warm-up", subject.name));
        saturate(subject.door()?, pushes, CONNECTIONS, plan.warm_up)?;
    }
    let mut all: Vec<Vec<Round>> = subjects.iter().map(|_| Vec::new()).collect();
    for number in 1..=plan.rounds {
        for (subject, rounds) in subjects.iter().zip(&mut all) {
            progress(&format!("{}: round {number} of {}", subject.name, plan.rounds));
            rounds.push(round(plan, servers, subject, pushes)?);
        }
    }
    Ok(all)
}

fn round(plan: &Plan, servers: &Servers, subject: &Subject, pushes: &Pushes) -> Result<Round> {
    let meter = Meter::start(subject, servers);
    let seen = saturate(subject.door()?, pushes, CONNECTIONS, plan.closed)?;
    let busy = meter.stop(seen.latencies.len());
    let busy_rate = seen.rate();
    let few: &[Push] = &pushes[..(plan.open_push.as_secs() as usize * RATE as usize).min(pushes.len())];
    let meter = Meter::start(subject, servers);
    let quiet = open_loop(subject.door()?, few, RATE, |_, _| {})?;
    Ok(Round {
        busy,
        busy_rate,
        busy_latency: Latency::of(seen.latencies),
        quiet: meter.stop(few.len()),
        quiet_latency: Latency::of(quiet.latencies),
    })
}

fn told(subjects: &[Subject], all: &[Vec<Round>], report: &mut Report) {
    report.say("## CPU per push");
    let row = |(subject, rounds): (&Subject, &Vec<Round>)| {
        let of = |value: fn(&Round) -> f64| Rounds::of(rounds.iter().map(value));
        vec![
            subject.name.to_owned(),
            format!("{:.1}", of(|round| round.busy.services)),
            format!("{:.0}", of(|round| round.busy_rate)),
            format!(
                "{:.2} / {:.2}",
                of(|r| r.busy_latency.p50).median(),
                of(|r| r.busy_latency.p99).median()
            ),
            format!("{:.1}", of(|round| round.quiet.services)),
            format!("{:.2}", of(|round| round.quiet_latency.p50)),
            format!("{:.2}", of(|round| round.quiet_latency.p99)),
            format!(
                "{:.2}, {:.2}",
                of(|r| r.busy.service_cores).median(),
                of(|r| r.busy.other_cores).median()
            ),
            format!("{:.1}", of(|round| round.busy.kafka).median()),
        ]
    };
    let rows: Vec<Vec<String>> = subjects.iter().zip(all).map(row).collect();
    report.table(
        &[
            "server, one core",
            "saturated: µs a push",
            "pushes/s",
            "p50 / p99 ms",
            "at 500/s: µs a push",
            "p50 ms",
            "p99 ms",
            "busy: server, others",
            "Kafka µs a push",
        ],
        &rows,
    );
    report.say(&bottleneck(all));
    let ratio = |value: fn(&Round) -> f64, to: usize| {
        Rounds::of(all[0].iter().zip(&all[to]).map(move |(ours, theirs)| value(ours) / value(theirs)))
    };
    report.aim("gateway to the afternoon's handler, CPU at saturation", &ratio(|r| r.busy.services, 2), 1.2);
    report.aim("gateway to the afternoon's handler, CPU at 500/s", &ratio(|r| r.quiet.services, 2), 1.2);
}

fn bottleneck(all: &[Vec<Round>]) -> String {
    let median = |value: fn(&Round) -> f64| Rounds::of(all.iter().flatten().map(value)).median();
    let (server, others) = (median(|r| r.busy.service_cores), median(|r| r.busy.other_cores));
    let strangers = median(|r| r.busy.strangers);
    let who = if server >= others { "the server's core" } else { "the core of generator and Kafka" };
    format!(
        "32 connections at saturation, an open loop at 500/s, every answer's body checked. At saturation the server kept \
         {server:.2} of its core busy, generator and Kafka {others:.2} of theirs: the bottleneck was {who}. \
         Programs that have nothing to do with the bench took {strangers:.2} cores meanwhile."
    )
}
