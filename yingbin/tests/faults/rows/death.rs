//! Processes die, stop and come back (F1–F13).

use std::{collections::BTreeMap, time::Duration};

use rand::Rng as _;
use serde_json::json;
use tokio::time::Instant;

use super::rows;
use crate::{
    checker::{Costs, End},
    collect,
    failpoints::{Victim, dies_at},
    proxy::Mode,
    stand::{Shape, Stand},
    support::processes::until,
    trial::{IN_FLIGHT, Report, TAKEOVER, Terms, Trial},
};

rows! {
    f01_a_gateway_is_killed_before_it_produces, 1, full,
        "two gateways; one dies six times with a connection it has accepted, and a request whose head or body it has read, that it has verified, decrypted or parsed",
        "lost 0, one reply each",
        quiet "whoever is killed takes its counters along; a repeat of the platform is the same event and costs nothing";
    f02_a_gateway_is_killed_with_records_on_their_way, 1, full,
        "two gateways; one dies three times with records handed to the producer and not acknowledged",
        "lost 0, one reply each; records beyond the first of their event ≤ deliveries beyond the first of their push",
        quiet "whoever is killed takes its counters along; a repeat of the platform is the same event and costs nothing";
    f03_a_gateway_is_killed_before_it_answers, 1, short,
        "two gateways; one dies three times with records acknowledged and pushes not answered, and with an answer written",
        "lost 0, one reply each; at least one record came again, and content-service passed over each that did",
        raises ["content_repeats_total"];
    f04_a_content_service_is_killed_before_it_reserves, 1, full,
        "two content-services; one dies seven times under load, twenty seconds apart: with a record it has polled, and read, asking for the profile, with the profile, with the sources, with the reply waiting for its turn, and about to reserve",
        "unknown ≤ 64 a kill, every reply that was sent < 19 s: who is gone is missed after 6 s, and what he was sending has a lease of 13 s",
        quiet "whoever is killed takes its counters along, and whoever takes over does what it always does";
    f05_a_content_service_is_killed_with_entries_reserved, 1, full,
        "connections to the platform refused, so that 30 entries stand reserved; their owner is killed, connections are taken, another owner comes",
        "each that stood reserved sent once, < 13 s (the lease) after another owner is there; unknown only what was armed again in that moment",
        quiet "whoever is killed takes its counters along, and whoever takes over does what it always does";
    f06_a_content_service_is_killed_when_sending_is_stored, 1, full,
        "two content-services; one dies twice under load, before a byte leaves", "unknown ≤ 64 a kill, settled < 30 s", raises ["content_outcomes_total{outcome=\"unknown\""];
    f07_a_content_service_is_killed_with_bytes_written, 1, short,
        "two content-services, a platform that answers slowly; one dies", "sent twice 0, unknown ≤ 64, settled < 30 s", raises ["content_outcomes_total{outcome=\"unknown\""];
    f08_a_content_service_is_killed_with_answers_not_recorded, 1, full,
        "the same, three times: with an answer it has read, about to record it, and with it recorded and not told", "sent twice 0, unknown ≤ 64 a kill, settled < 30 s", raises ["content_outcomes_total{outcome=\"unknown\""];
    f09_a_content_service_is_killed_before_it_commits, 1, full,
        "the same on a fast platform", "sent twice 0, unknown ≤ 64 a kill, settled < 30 s", raises ["content_repeats_total"];
    f10_profile_service_is_killed, 1, full,
        "killed under load, started again 100 pushes later", "every event is answered: the neutral edition", raises ["content_fallbacks_total{name=\"profile\""];
    f11_all_three_are_killed_together, 1, full,
        "two gateways, two content-services and profile-service, all killed together six times, each time as soon as the system works again; with `FAULTS=long` every 20 s for ten minutes",
        "lost 0, unknown ≤ 128 a kill, settled < 30 s",
        quiet "everybody is killed, and their counters with them";
    f12_a_content_service_is_stopped_and_goes_on, 1, full,
        "one of two gets SIGSTOP for 750 pushes (30 s) with sends under way and questions to a Redis that is 300 ms away, then SIGCONT; then the other one",
        "sends stopped by the fence ≥ 1, sent twice 0, unknown ≤ 64 a stop",
        raises ["content_rebalances_total", "content_fence_rejected_total"];
    f13_a_content_service_is_stopped_between_the_check_and_the_first_byte, 1, full,
        "one waits ten seconds when the age of what it has armed is checked and no byte has left (failpoint `c6`); then it waits there again, gets SIGSTOP, and SIGCONT when another one has told the end; 30 pushes each time",
        "no send begins that late: both are stopped by the fence, the first is armed again and sent, the second never arrives; sent twice 0, unknown 1",
        raises ["content_rebalances_total", "content_fence_rejected_total"];
}

/// What goes on while somebody dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Usual,
    /// The platform answers after a third of a second, which keeps many sends in flight.
    Slow,
    /// Twenty seconds go by before the next one dies, in which what he left is taken over.
    Resting,
}

/// One of two dies at each stage in turn; what is then there is the stand, and what was measured.
async fn killed(trial: &mut Trial<'_>, victim: Victim, pace: Pace, stages: &[&str]) -> (Stand, Report) {
    let count = 2;
    let shape = match victim {
        Victim::Gateway => Shape { gateways: count, rate: 50, ..Shape::default() },
        Victim::Content => Shape { contents: count, rate: 50, ..Shape::default() },
    };
    let mut stand = trial.stand(shape).await;
    if pace == Pace::Slow {
        stand.answers_slowly().await;
    }
    let load = stand.load();
    stand.more_arrive(20, Duration::from_secs(30)).await;
    for stage in stages {
        if pace == Pace::Slow {
            stand.is_busy(0).await;
        }
        dies_at(stage, victim, &mut stand, &load, &mut trial.random).await;
        if pace == Pace::Resting {
            load.goes_on(1_000).await;
        }
    }
    let unknown = if matches!(victim, Victim::Content) { stages.len() * IN_FLIGHT } else { 0 };
    let terms = Terms { costs: Costs::unknown(unknown), within: TAKEOVER, ..Terms::default() };
    let report = stand.ends(load, terms).await;
    let ended = [End::Sent, End::Unknown, End::Suppressed].map(|end| report.count(end));
    assert_eq!(ended.iter().sum::<usize>(), report.events, "{report}");
    (stand, report)
}

/// The same, told.
async fn told(trial: &mut Trial<'_>, victim: Victim, pace: Pace, stages: &[&str]) -> String {
    let (_, report) = killed(trial, victim, pace, stages).await;
    format!("{}: {report}", victim.moments(stages))
}

async fn f01_a_gateway_is_killed_before_it_produces(trial: &mut Trial<'_>) -> String {
    told(trial, Victim::Gateway, Pace::Usual, &["g1", "g2", "g3", "g4", "g5", "g6"]).await
}

async fn f02_a_gateway_is_killed_with_records_on_their_way(trial: &mut Trial<'_>) -> String {
    let stages = ["g7", "g7", "g7"];
    let (stand, report) = killed(trial, Victim::Gateway, Pace::Usual, &stages).await;
    let again: usize = stand.pushed.iter().map(|push| push.attempts.len() - 1).sum();
    assert!(report.repeats <= again, "{again} deliveries again; {report}");
    format!("{}: {again} deliveries again; {report}", Victim::Gateway.moments(&stages))
}

async fn f03_a_gateway_is_killed_before_it_answers(trial: &mut Trial<'_>) -> String {
    let stages = ["g8", "g8", "g9"];
    let (stand, report) = killed(trial, Victim::Gateway, Pace::Usual, &stages).await;
    let passed_over = stand.counted("content_repeats_total").await;
    assert!(
        report.repeats >= 1 && passed_over == report.repeats as f64,
        "{passed_over} passed over; {report}"
    );
    format!("{}: {report}", Victim::Gateway.moments(&stages))
}

async fn f04_a_content_service_is_killed_before_it_reserves(trial: &mut Trial<'_>) -> String {
    let stages = ["c1", "c2", "enrich", "gather", "decide", "wait for a place", "reserve"];
    let (stand, report) = killed(trial, Victim::Content, Pace::Resting, &stages).await;
    let slowest = stand.reply_times(&stand.pushed).slowest();
    assert!(slowest < TAKEN_OVER_MS, "the slowest reply took {slowest} ms; {report}");
    format!("{}: slowest reply {slowest} ms; {report}", Victim::Content.moments(&stages))
}

/// Whoever is gone is missed after a session of six seconds, and what he was sending has a lease of thirteen.
const TAKEN_OVER_MS: i64 = 19_000;

async fn f05_a_content_service_is_killed_with_entries_reserved(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    stand.edges.api.set(Mode::Refuse);
    let texts = stand.push_each(0, "u", 30).await;
    let reserved = async || (entries(&stand, "reserved").await >= 25).then_some(());
    until("the entries stand reserved", TAKEOVER, reserved).await;
    stand.contents[0].take().expect("it runs").kill();
    let (reserved, armed) = (entries(&stand, "reserved").await, entries(&stand, "sending").await);
    stand.edges.api.set(Mode::Forward);
    let since = Instant::now();
    stand.staff().await;
    let sent = async || (stand.arrived() >= reserved).then(|| since.elapsed());
    let sent = until("what stood reserved is sent", LEASE, sent).await.as_secs_f64();
    let terms = Terms { costs: Costs::unknown(armed), within: TAKEOVER, ..Terms::default() };
    let report = stand.settles(since, terms).await;
    let ends = report.ends_of(&texts);
    assert_eq!((ends.get(&End::Sent).copied(), reserved + armed), (Some(reserved), 30), "{ends:?}; {report}");
    format!("{reserved} stood reserved and {armed} armed, sent after {sent:.1} s; {report}")
}

/// How long an entry belongs to one who is gone.
const LEASE: Duration = Duration::from_secs(13);

/// Entries of the ledger in one state.
async fn entries(stand: &Stand, state: &str) -> usize {
    let redis = collect::redis(stand);
    let mut keys = redis::cmd("KEYS");
    keys.arg(format!("{}*", redis.key("l:")));
    let names: Vec<String> = redis.query(&keys).await.unwrap();
    let mut states = Vec::new();
    for name in names {
        let mut of = redis::cmd("HGET");
        of.arg(name).arg("s");
        states.push(redis.query::<String>(&of).await.unwrap());
    }
    states.iter().filter(|other| *other == state).count()
}

async fn f06_a_content_service_is_killed_when_sending_is_stored(trial: &mut Trial<'_>) -> String {
    told(trial, Victim::Content, Pace::Usual, &["c6", "c6"]).await
}

async fn f07_a_content_service_is_killed_with_bytes_written(trial: &mut Trial<'_>) -> String {
    told(trial, Victim::Content, Pace::Slow, &["c7"]).await
}

async fn f08_a_content_service_is_killed_with_answers_not_recorded(trial: &mut Trial<'_>) -> String {
    told(trial, Victim::Content, Pace::Slow, &["c8", "settle", "publish"]).await
}

async fn f09_a_content_service_is_killed_before_it_commits(trial: &mut Trial<'_>) -> String {
    told(trial, Victim::Content, Pace::Usual, &["c10", "c11"]).await
}

async fn f10_profile_service_is_killed(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(30, Duration::from_secs(30)).await;
    stand.profile.take().expect("it runs").kill();
    stand.more_arrive(100, Duration::from_secs(30)).await;
    stand.staff().await;
    let report = stand.ends(load, Terms::default()).await;
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    report.to_string()
}

async fn f11_all_three_are_killed_together(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { gateways: 2, contents: 2, ..Shape::default() }).await;
    let (load, since) = (stand.load(), Instant::now());
    let kills = if trial.long { 30 } else { 6 };
    for n in 1..=kills {
        if trial.long {
            load.lasts(Duration::from_secs(20) * n).await;
        } else {
            stand.more_arrive(20, TAKEOVER).await;
            load.goes_on(trial.random.random_range(1..10)).await;
        }
        let all = stand.gateways.iter_mut().chain(&mut stand.contents).chain([&mut stand.profile]);
        all.filter_map(Option::take).for_each(crate::service::Service::kill);
        stand.staff().await;
    }
    let (minutes, unknown) =
        (since.elapsed().as_secs_f64() / 60.0, Costs::unknown(kills as usize * 2 * IN_FLIGHT));
    let report = stand.ends(load, Terms { costs: unknown, within: TAKEOVER, ..Terms::default() }).await;
    format!("{kills} kills in {minutes:.1} minutes; {report}")
}

/// No answer of Redis is late for a process that was stopped, so it hears after half a minute that it may send.
const PATIENT: &str = "deadline = '60s'";

async fn f12_a_content_service_is_stopped_and_goes_on(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { contents: 2, redis: PATIENT, ..Shape::default() }).await;
    // Few enough that what they come to after half a minute stops no account.
    let late = json!({"path": "send", "kind": "pass", "delay_ms": 200, "count": 1_000_000});
    stand.script(late).await;
    stand.edges.ledger.set(Mode::Latency(Duration::from_millis(300)));
    let load = stand.load();
    for n in 0..2 {
        stand.is_busy(n).await;
        let stopped = stand.contents[n].as_ref().expect("it runs");
        stopped.process.signal("STOP");
        load.goes_on(750).await;
        stopped.process.signal("CONT");
        stand.more_arrive(50, TAKEOVER).await;
    }
    stand.edges.ledger.set(Mode::Forward);
    let costs = Costs::unknown(2 * IN_FLIGHT);
    let report = stand.ends(load, Terms { costs, within: TAKEOVER, ..Terms::default() }).await;
    format!("{} sends stopped by the fence; {report}", stand.counted(FENCED).await)
}

/// Sends that were stopped before their first byte.
const FENCED: &str = "content_fence_rejected_total";

async fn f13_a_content_service_is_stopped_between_the_check_and_the_first_byte(
    trial: &mut Trial<'_>,
) -> String {
    if !Victim::Content.has_stages() {
        return "not tried: this build has no failpoints".to_owned();
    }
    let mut stand = trial.stand(Shape { failpoints: sleeps(), ..Shape::default() }).await;
    stand.push_each(0, "slept", 30).await;
    stand.handled(TAKEOVER).await;
    let fenced = stand.counted(FENCED).await;
    assert!(fenced >= 1.0, "a send began ten seconds after it had been armed");
    stand.contents[0].take().expect("it runs").kill();
    stand.shape.failpoints = sleeps();
    stand.staff().await;
    let texts = stand.push_each(0, "stopped", 30).await;
    let armed = async || (stand.arrived() == 59 && entries(&stand, "sending").await == 1).then_some(());
    until("one is armed, and no byte of it leaves", TAKEOVER, armed).await;
    stand.contents[0].as_ref().expect("it runs").process.signal("STOP");
    stand.contents.push(Some(stand.content_service(1)));
    stand.handled(2 * TAKEOVER).await;
    stand.contents[0].as_ref().expect("it runs").process.signal("CONT");
    let ended = async || (stand.counted(FENCED).await >= 1.0 || stand.arrived() > 59).then_some(());
    until("its send is stopped, or is not", TAKEOVER, ended).await;
    assert_eq!(stand.arrived(), 59, "it was sent after its end had been told");
    let report = stand.settles(Instant::now(), Terms { costs: Costs::unknown(1), ..Terms::default() }).await;
    assert_eq!(report.ends_of(&texts), BTreeMap::from([(End::Sent, 29), (End::Unknown, 1)]), "{report}");
    format!("{fenced} sends stopped that had slept; {report}")
}

/// One send of the first content-service waits with everything decided and no byte written: below the bound of the watchdog.
fn sleeps() -> Option<String> {
    Some("c6=1*sleep(10000)".to_owned())
}
