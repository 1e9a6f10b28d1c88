//! Processes die, stop and come back (F1–F12).

use std::time::Duration;

use rand::Rng as _;
use tokio::time::Instant;

use super::rows;
use crate::{
    checker::{Costs, End},
    failpoints::{Victim, dies_at},
    proxy::Mode,
    stand::Shape,
    trial::{IN_FLIGHT, TAKEOVER, Terms, Trial},
};

rows! {
    f01_a_gateway_is_killed_before_it_produces, 1, full,
        "two gateways; one dies six times with a connection it has accepted, and a request whose head or body it has read, that it has verified, decrypted or parsed",
        "lost 0, one reply each",
        quiet "whoever is killed takes its counters along; a repeat of the platform is the same event and costs nothing";
    f02_a_gateway_is_killed_with_records_on_their_way, 1, full,
        "two gateways; one dies three times with records handed to the producer and not acknowledged", "lost 0, one reply each",
        quiet "whoever is killed takes its counters along; a repeat of the platform is the same event and costs nothing";
    f03_a_gateway_is_killed_before_it_answers, 1, short,
        "two gateways; one dies three times with records acknowledged and pushes not answered, and with an answer written",
        "lost 0, one reply each",
        quiet "whoever is killed takes its counters along; a repeat of the platform is the same event and costs nothing";
    f04_a_content_service_is_killed_before_it_reserves, 1, full,
        "two content-services; one dies three times under load", "unknown ≤ 64 a kill, settled < 30 s",
        quiet "whoever is killed takes its counters along, and whoever takes over does what it always does";
    f05_a_content_service_is_killed_with_entries_reserved, 1, full,
        "the same; an entry is reserved and armed in one script, so it dies deciding, and waiting for its turn",
        "unknown ≤ 64 a kill, settled < 30 s",
        quiet "whoever is killed takes its counters along, and whoever takes over does what it always does";
    f06_a_content_service_is_killed_when_sending_is_stored, 1, full,
        "the same, before a byte leaves", "unknown ≤ 64 a kill, settled < 30 s", raises ["content_outcomes_total{outcome=\"unknown\""];
    f07_a_content_service_is_killed_with_bytes_written, 1, short,
        "two content-services, a platform that answers slowly; one dies", "sent twice 0, unknown ≤ 64, settled < 30 s", raises ["content_outcomes_total{outcome=\"unknown\""];
    f08_a_content_service_is_killed_with_answers_not_recorded, 1, full,
        "the same, three times", "sent twice 0, unknown ≤ 64 a kill, settled < 30 s", raises ["content_outcomes_total{outcome=\"unknown\""];
    f09_a_content_service_is_killed_before_it_commits, 1, full,
        "the same on a fast platform", "sent twice 0, unknown ≤ 64 a kill, settled < 30 s",
        quiet "whoever is killed takes its counters along, and whoever takes over does what it always does";
    f10_profile_service_is_killed, 1, full,
        "killed under load, started again 100 pushes later", "every event is answered: the neutral edition", raises ["content_fallbacks_total{name=\"profile\""];
    f11_all_three_are_killed_together, 1, full,
        "two gateways, two content-services and profile-service, all killed together six times, each time as soon as the system works again; with `FAULTS=long` every 20 s for ten minutes",
        "lost 0, unknown ≤ 128 a kill, settled < 30 s",
        quiet "everybody is killed, and their counters with them";
    f12_a_content_service_is_stopped_and_goes_on, 1, full,
        "one of two gets SIGSTOP for 750 pushes (30 s) with sends under way and a Redis that is 15 ms away, then SIGCONT; then the other one",
        "sent twice 0, unknown ≤ 64 a stop",
        raises ["content_rebalances_total"];
}

/// A platform that answers after a third of a second keeps many sends in flight.
async fn killed(trial: &mut Trial<'_>, victim: Victim, slowly: bool, stages: &[&str]) -> String {
    let count = 2;
    let shape = match victim {
        Victim::Gateway => Shape { gateways: count, rate: 50, ..Shape::default() },
        Victim::Content => Shape { contents: count, rate: 50, ..Shape::default() },
    };
    let mut stand = trial.stand(shape).await;
    if slowly {
        stand.answers_slowly().await;
    }
    let load = stand.load();
    stand.more_arrive(20, Duration::from_secs(30)).await;
    for stage in stages {
        if slowly {
            stand.is_busy(0).await;
        }
        dies_at(stage, victim, &mut stand, &load, &mut trial.random).await;
    }
    let unknown = if matches!(victim, Victim::Content) { stages.len() * IN_FLIGHT } else { 0 };
    let terms = Terms { costs: Costs::unknown(unknown), within: TAKEOVER, ..Terms::default() };
    let report = stand.ends(load, terms).await;
    let ended = [End::Sent, End::Unknown, End::Suppressed].map(|end| report.count(end));
    assert_eq!(ended.iter().sum::<usize>(), report.events, "{report}");
    format!("{}: {report}", victim.moments(stages))
}

async fn f01_a_gateway_is_killed_before_it_produces(trial: &mut Trial<'_>) -> String {
    killed(trial, Victim::Gateway, false, &["g1", "g2", "g3", "g4", "g5", "g6"]).await
}

async fn f02_a_gateway_is_killed_with_records_on_their_way(trial: &mut Trial<'_>) -> String {
    killed(trial, Victim::Gateway, false, &["g7", "g7", "g7"]).await
}

async fn f03_a_gateway_is_killed_before_it_answers(trial: &mut Trial<'_>) -> String {
    killed(trial, Victim::Gateway, false, &["g8", "g8", "g9"]).await
}

async fn f04_a_content_service_is_killed_before_it_reserves(trial: &mut Trial<'_>) -> String {
    killed(trial, Victim::Content, false, &["c1", "c2", "enrich"]).await
}

async fn f05_a_content_service_is_killed_with_entries_reserved(trial: &mut Trial<'_>) -> String {
    killed(trial, Victim::Content, false, &["decide", "wait for a place"]).await
}

async fn f06_a_content_service_is_killed_when_sending_is_stored(trial: &mut Trial<'_>) -> String {
    killed(trial, Victim::Content, false, &["c6", "c6"]).await
}

async fn f07_a_content_service_is_killed_with_bytes_written(trial: &mut Trial<'_>) -> String {
    killed(trial, Victim::Content, true, &["c7"]).await
}

async fn f08_a_content_service_is_killed_with_answers_not_recorded(trial: &mut Trial<'_>) -> String {
    killed(trial, Victim::Content, true, &["c8", "c8", "publish"]).await
}

async fn f09_a_content_service_is_killed_before_it_commits(trial: &mut Trial<'_>) -> String {
    killed(trial, Victim::Content, false, &["c10", "c11"]).await
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

async fn f12_a_content_service_is_stopped_and_goes_on(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { contents: 2, ..Shape::default() }).await;
    stand.answers_slowly().await;
    stand.edges.ledger.set(Mode::Latency(Duration::from_millis(15)));
    let load = stand.load();
    for n in 0..2 {
        stand.is_busy(n).await;
        let stopped = stand.contents[n].as_ref().expect("it runs");
        stopped.process.signal("STOP");
        load.goes_on(750).await;
        stopped.process.signal("CONT");
        stand.more_arrive(50, TAKEOVER).await;
    }
    let costs = Costs::unknown(2 * IN_FLIGHT);
    let report = stand.ends(load, Terms { costs, within: TAKEOVER, ..Terms::default() }).await;
    format!("{} sends stopped by the fence; {report}", stand.counted("content_fence_rejected_total").await)
}
