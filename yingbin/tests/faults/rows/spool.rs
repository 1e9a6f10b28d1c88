//! A gateway dies with its spool in the middle of something (F74).

use super::rows;
use crate::{
    failpoints::{PASSES, Victim, dies_at, is_dead, will_die_at},
    proxy::Mode,
    stand::{Shape, Stand},
    support::processes::until,
    trial::{TAKEOVER, Terms, Trial},
};

rows! {
    f74_a_gateway_is_killed_at_every_stage_of_its_spool, 1, full,
        "two gateways and no broker; one dies with records written and not synced, with them synced and nobody answered, and with a file that its folder does not have for certain; then, each time that the broker is back, with a record reported and not noted, with all of a file noted and nothing deleted, and with its notes deleted and the file there",
        "lost 0, one reply each, settled < 30 s",
        raises ["gateway_spool_appended_total", "gateway_spool_drained_total"];
}

async fn f74_a_gateway_is_killed_at_every_stage_of_its_spool(trial: &mut Trial<'_>) -> String {
    if !Victim::Gateway.has_stages() {
        return "not tried: this build has no failpoints".to_owned();
    }
    let mut stand = trial.stand(Shape { gateways: 2, users: 400, rate: 50, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(20, TAKEOVER).await;
    let edge = &trial.cluster.nodes()[0].to_gateways;
    edge.set(Mode::Refuse);
    for stage in ["s1", "s2", "s6"] {
        dies_at(stage, Victim::Gateway, &mut stand, &load, &mut trial.random).await;
    }
    for stage in ["s3", "s4", "s5"] {
        edge.set(Mode::Refuse);
        will_die_at(stage, Victim::Gateway, &mut stand, &mut trial.random).await;
        until("records wait in its spool", TAKEOVER, async || enough_wait(&stand).await.then_some(())).await;
        edge.set(Mode::Forward);
        is_dead(stage, Victim::Gateway, &mut stand).await;
        load.goes_on(10).await;
        stand.staff().await;
    }
    let report = stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await;
    assert!(report.repeats > 0, "what was not noted is sent again: {report}");
    report.to_string()
}

/// More than what is drained before the first gateway dies of it.
async fn enough_wait(stand: &Stand) -> bool {
    let gateway = stand.gateways[0].as_ref().expect("it runs");
    let waiting = gateway.counts(&stand.http, "gateway_spool_records").await;
    (0..).take_while(|count| f64::from(*count) < waiting).count() > PASSES.end
}
