//! From push to message: the house beside the bare chain of the same hops, for people it knows and for strangers.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::runtime::Runtime;

use super::{
    IN_FLIGHT, RATE, WARM, enough,
    meter::{Cost, Meter},
    subject::Subject,
};
use crate::{
    account::{self, Push},
    load::{in_flight, open_loop},
    plan::Plan,
    report::{Report, progress},
    servers::Servers,
    sink::Sink,
    stats::{Latency, Rounds},
};

/// One round of one subject.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// At 64 in flight.
    pub(super) busy: Cost,
    pub(super) busy_latency: Latency,
    pub(super) busy_rate: f64,
    /// At 100/s.
    pub(super) quiet: Cost,
    pub(super) quiet_latency: Latency,
    /// Round trips to Redis an event at 100/s.
    pub(super) trips: f64,
}

/// Everything that a round needs.
pub(super) struct Stage<'a> {
    pub(super) plan: &'a Plan,
    pub(super) servers: &'a Servers,
    pub(super) runtime: &'a Runtime,
    pub(super) sink: &'a Sink,
}

pub(crate) fn run(plan: &Plan, servers: &Servers, report: &mut Report) -> Result<()> {
    let runtime = Runtime::new()?;
    let sink = Sink::start(&runtime)?;
    let stage = Stage { plan, servers, runtime: &runtime, sink: &sink };
    progress("starting the house and the chain");
    let house = Subject::house("message", servers, &runtime, &sink, 100, 0)?;
    let chain = Subject::chain(servers, &runtime, &sink)?;
    let who = [
        ("the house, people it knows", &house, false),
        ("the house, strangers", &house, true),
        ("the bare chain", &chain, false),
    ];
    stage.warm(&house)?;
    stage.warm(&chain)?;
    let mut all: Vec<Vec<Round>> = who.iter().map(|_| Vec::new()).collect();
    for number in 1..=plan.rounds {
        for ((name, subject, strangers), rounds) in who.iter().zip(&mut all) {
            progress(&format!("{name}: round {number} of {}", plan.rounds));
            let users: &dyn Fn(u64) -> u64 = if *strangers { &stranger } else { &known };
            rounds.push(stage.round(subject, users)?);
        }
    }
    let asked = stage.commands(&house)?;
    told(&who.map(|(name, ..)| name), &all, &asked, report);
    Ok(())
}

/// The n-th push of people who come back one after the other.
pub(super) fn known(n: u64) -> u64 {
    n % WARM
}

/// Somebody who has never been there.
fn stranger(_: u64) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1_000_000_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Stage<'_> {
    /// Everybody has been there once.
    pub(super) fn warm(&self, subject: &Subject) -> Result<()> {
        let pushes = account::pushes(0..WARM)?;
        let long = self.plan.closed * 10;
        in_flight(self.runtime, subject.door()?, self.sink, &pushes, IN_FLIGHT, long).map(drop)
    }

    /// Closed loop, then open loop; `user` names the user of the n-th push.
    pub(super) fn round(&self, subject: &Subject, user: &dyn Fn(u64) -> u64) -> Result<Round> {
        let (plan, door) = (self.plan, subject.door()?);
        let pushes = account::pushes((0..enough(plan.closed)).map(user))?;
        let meter = Meter::start(subject, self.servers);
        let seen = in_flight(self.runtime, door, self.sink, &pushes, IN_FLIGHT, plan.closed)?;
        let busy = meter.stop(seen.latencies.len());
        let busy_rate = seen.rate();

        let pushes = account::pushes((0..plan.open_message.as_secs() * u64::from(RATE)).map(user))?;
        let (trips, meter) = (subject.trips()?, Meter::start(subject, self.servers));
        let latencies = self.open(subject, &pushes)?;
        let quiet = meter.stop(pushes.len());
        Ok(Round {
            busy,
            busy_rate,
            busy_latency: Latency::of(seen.latencies),
            quiet,
            quiet_latency: Latency::of(latencies),
            trips: (subject.trips()? - trips) / pushes.len() as f64,
        })
    }

    fn open(&self, subject: &Subject, pushes: &[Push]) -> Result<Vec<std::time::Duration>> {
        self.sink.board.forget();
        open_loop(subject.door()?, pushes, RATE, |push, intended| {
            // Whether it came is seen at the end.
            drop(self.sink.board.expect(push.user, intended));
        })?;
        self.runtime.block_on(self.sink.board.all_there())?;
        Ok(self.sink.board.arrived())
    }

    /// What Redis is asked for one event of somebody known.
    fn commands(&self, subject: &Subject) -> Result<String> {
        let pushes = account::pushes((0..u64::from(RATE)).map(known))?;
        let before = self.servers.commands()?;
        self.open(subject, &pushes)?;
        let asked = self.servers.commands()?.into_iter().filter_map(|(name, calls)| {
            let calls = calls - before.get(&name).copied().unwrap_or_default();
            (calls * 20 > pushes.len() as u64)
                .then(|| format!("{name} {:.1}", calls as f64 / pushes.len() as f64))
        });
        Ok(asked.collect::<Vec<_>>().join(", "))
    }
}

fn told(names: &[&str], all: &[Vec<Round>], asked: &str, report: &mut Report) {
    report.say("## Push to message");
    let row = |(name, rounds): (&&str, &Vec<Round>)| {
        let of = |value: fn(&Round) -> f64| Rounds::of(rounds.iter().map(value));
        let each =
            |n: usize| Rounds::of(rounds.iter().filter_map(|round| round.busy.each.get(n).copied())).median();
        vec![
            (*name).to_owned(),
            format!("{:.2}", of(|round| round.quiet_latency.p50)),
            format!("{:.2}", of(|round| round.quiet_latency.p99)),
            format!("{:.0}", of(|round| round.busy_rate)),
            format!(
                "{:.1} / {:.1}",
                of(|r| r.busy_latency.p50).median(),
                of(|r| r.busy_latency.p99).median()
            ),
            format!("{:.0}", of(|round| round.busy.services)),
            format!("{:.0} + {:.0} + {:.0}", each(0), each(1), each(2)),
            format!("{:.0}", of(|round| round.quiet.services)),
            format!("{:.0} / {:.0}", of(|r| r.busy.kafka).median(), of(|r| r.busy.redis).median()),
            format!("{:.2}", of(|round| round.trips).median()),
        ]
    };
    let mut rows: Vec<Vec<String>> = names.iter().zip(all).map(row).collect();
    // It has no counter: GET and SET.
    if let Some(trips) = rows.last_mut().and_then(|row| row.last_mut()) {
        *trips = "2".to_owned();
    }
    report.table(
        &[
            "subject",
            "100/s: p50 ms",
            "p99 ms",
            "64 in flight: events/s",
            "p50 / p99 ms",
            "µs an event",
            "door + content + profile",
            "µs at 100/s",
            "Kafka / Redis µs",
            "Redis round trips",
        ],
        &rows,
    );
    report.say(&format!(
        "Latency is from the intended sending of the push to the arrival of the message. Redis, per event of somebody known \
         at 100/s (commands within scripts counted too): {asked}. {}",
        bottleneck(all),
    ));
    let ratio = |value: fn(&Round) -> f64| {
        Rounds::of(all[0].iter().zip(&all[2]).map(move |(a, b)| value(a) / value(b)))
    };
    report.aim("push to message at 100/s, p50 to the chain's", &ratio(|r| r.quiet_latency.p50), 1.5);
    report.aim("CPU per event at 64 in flight to the chain's", &ratio(|r| r.busy.services), 2.0);
    report.aim(
        "Redis round trips an event, people it knows",
        &Rounds::of(all[0].iter().map(|r| r.trips)),
        6.0,
    );
    report.aim("Redis round trips an event, strangers", &Rounds::of(all[1].iter().map(|r| r.trips)), 6.0);
}

fn bottleneck(all: &[Vec<Round>]) -> String {
    let median = |value: fn(&Round) -> f64| Rounds::of(all.iter().flatten().map(value)).median();
    let ours = median(|round| round.busy.service_cores + round.busy.other_cores);
    let (strangers, cores) = (median(|round| round.busy.strangers), crate::process::cores());
    let what = if ours + strangers > 0.85 * cores as f64 { "CPU" } else { "waiting" };
    format!(
        "With 64 in flight {ours:.2} of {cores} cores were busy, generator, receiver and servers included, and programs that \
         have nothing to do with the bench took {strangers:.2}: the bottleneck was {what}."
    )
}
