//! Names that are gone, lines that lose and delay, and one that goes silent (F75, F82, F83).

use std::time::Duration;

use prost::Message as _;
use proto::{
    ACTIVITY, CloudEvent,
    activity::{Activity, Customer, User, customer::Name},
};
use tokio::time::Instant;

use super::{kafka::slowest, rows};
use crate::{
    checker::{Costs, End},
    proxy::Mode,
    service::can_have_own_etc,
    stand::{Edges, Shape, Stand},
    support::processes::until,
    trial::{TAKEOVER, Terms, Trial},
};

rows! {
    f75_names_are_not_found, 1, full,
        "services find Kafka, Redis, profile-service and the platform by names; the names are gone for a minute: 250 pushes (10 s) while connections stand, 500 with all ended but those to Kafka, 750 with these ended too",
        "while connections stand all goes on, then nothing is sent, and without Kafka the spool takes what comes; every push answered 200, unknown ≤ 8; replies again < 5 s after the names are back",
        raises ["content_ledger_waits_total", "gateway_spool_appended_total", "gateway_spool_drained_total"];
    f82_profile_service_cannot_reach_kafka, 1, full,
        "a black hole between profile-service and Kafka for 250 pushes (10 s), and 20 activities told meanwhile",
        "all sent, with their profile; the activities are learned after it",
        raises ["profile_activities_total{outcome=\"learned\""];
    f83_every_line_is_bad, 1, full,
        "each edge in turn, and then all at once: whatever is written comes up to 200 ms late, each way, and 5 % of it is lost and sent again 250 ms later, for 200 pushes (8 s); Redis is given two seconds for a call",
        "every push answered 200, unknown 0, 99 in 100 replies < 5 s for each edge and < 10 s for all at once",
        raises ["content_fallbacks_total{name=\"profile\""];
}

async fn f75_names_are_not_found(trial: &mut Trial<'_>) -> String {
    if !can_have_own_etc() {
        return "not tried: this machine does not let a process have a `hosts` file of its own".to_owned();
    }
    let mut stand = trial.stand(Shape { names: true, users: 400, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(50, TAKEOVER).await;
    stand.names(false);
    stand.more_arrive(250, TAKEOVER).await;
    let Edges { api, ledger, memory, enrich, .. } = &stand.edges;
    [api, ledger, memory, enrich].iter().for_each(|edge| edge.cut());
    let before = stand.arrived();
    load.goes_on(500).await;
    assert_eq!(stand.counted(SPOOLED).await, 0.0, "Kafka is connected, and the spool takes something");
    trial.cluster.nodes()[0].to_named.cut();
    load.goes_on(750).await;
    let (spooled, sent) = (stand.counted(SPOOLED).await, stand.arrived() - before);
    stand.names(true);
    let since = Instant::now();
    stand.more_arrive(10, Duration::from_secs(5)).await;
    let recovered = since.elapsed();
    let terms = Terms { costs: Costs::unknown(CUT_OFF), within: TAKEOVER, ..Terms::default() };
    let report = stand.ends(load, terms).await;
    assert_eq!(report.given_up, 0, "{report}");
    assert!(spooled >= 600.0 && sent <= CUT_OFF, "{spooled} spooled, {sent} sent meanwhile; {report}");
    format!(
        "{spooled} waited in the spool, {sent} were sent meanwhile, replies again after {:.1} s; {report}",
        recovered.as_secs_f64()
    )
}

/// What waits on the disk.
const SPOOLED: &str = "gateway_spool_records";
/// Sends under way in the moment in which their connections end.
const CUT_OFF: usize = 8;

/// How Redis is reached over a bad line: its usual 100 ms are less than the way there.
const PATIENT: &str = "deadline = '2s'";

/// The edges, and all of them.
const LINES: [&str; 8] = [
    "platform–gateway",
    "gateway–Kafka",
    "Kafka–content",
    "content–profile",
    "profile–Redis",
    "content–Redis",
    "content–platform",
    ALL,
];
const ALL: &str = "all at once";

async fn f83_every_line_is_bad(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { redis: PATIENT, ..Shape::default() }).await;
    stand.push_each(0, "before", 5).await;
    stand.handled(TAKEOVER).await;
    stand.is_calm().await;
    let mut told = Vec::new();
    for (n, name) in LINES.into_iter().enumerate() {
        set(n, &stand, trial, Mode::Lossy(trial.seed));
        let load = stand.load();
        load.goes_on(200).await;
        let pushed = load.end().await;
        stand.handled(TAKEOVER).await;
        set(n, &stand, trial, Mode::Forward);
        let p99 = stand.reply_times(&pushed).p99();
        stand.pushed.extend(pushed);
        told.push(format!("{name} {p99} ms"));
        assert!(p99 < if name == ALL { 10_000 } else { 5_000 }, "{told:?}");
    }
    let report = stand.settles(Instant::now(), Terms::default()).await;
    let told = told.join(", ");
    assert_eq!(report.given_up, 0, "{told}; {report}");
    format!("99 in 100 within: {told}; slowest delivery {:.0} ms; {report}", slowest(&stand))
}

/// What happens on one of the edges.
fn set(line: usize, stand: &Stand, trial: &Trial<'_>, mode: Mode) {
    let (Edges { push, api, ledger, memory, enrich }, node) = (&stand.edges, &trial.cluster.nodes()[0]);
    let edges = [push, &node.to_gateways, &node.to_contents, enrich, memory, ledger, api, &node.to_profiles];
    match edges.get(line).filter(|_| LINES[line] != ALL) {
        Some(edge) => edge.set(mode),
        None => edges.iter().for_each(|edge| edge.set(mode)),
    }
}

async fn f82_profile_service_cannot_reach_kafka(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(30, TAKEOVER).await;
    let edge = &trial.cluster.nodes()[0].to_profiles;
    edge.set(Mode::BlackHole);
    tell_activities(&stand, 20).await;
    load.goes_on(250).await;
    let meanwhile = learned(&stand).await;
    edge.set(Mode::Forward);
    until("the activities are learned", TAKEOVER, async || (learned(&stand).await >= 20.0).then_some(()))
        .await;
    let report = stand.ends(load, Terms::default()).await;
    let neutral = stand.counted("content_fallbacks_total{name=\"profile\"").await;
    assert_eq!(
        (meanwhile, neutral),
        (0.0, 0.0),
        "learned meanwhile, and answered without a profile; {report}"
    );
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    report.to_string()
}

async fn learned(stand: &Stand) -> f64 {
    stand.counted("profile_activities_total{outcome=\"learned\"").await
}

/// Tells what somebody has bought, each time somebody else.
async fn tell_activities(stand: &Stand, count: usize) {
    let producer = stand.kafka.producer("till").unwrap();
    let topic = stand.kafka.topic(ACTIVITY.name);
    for n in 0..count {
        let app_id = stand.pusher.accounts[0].app_id.clone();
        let user = User { app_id, openid: format!("buyer{n}") };
        let activity = Activity {
            id: format!("activity {n}"),
            customer: Some(Customer { name: Some(Name::User(user)) }),
            kind: "purchase".to_owned(),
            occurred_at_ms: runtime::clock::Clock::system().now_ms(),
            ..Activity::default()
        };
        let record = CloudEvent::of_activity(&activity, "/till", "").expect("it names somebody");
        let value = activity.encode_to_vec();
        let sent = producer.send(&topic, record.key.as_bytes(), &record.headers(), Some(&value));
        sent.unwrap().await.unwrap();
    }
}
