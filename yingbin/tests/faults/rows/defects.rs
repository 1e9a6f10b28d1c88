//! Handlers panic, a worker blocks, there is more to do than memory (F14, F15, F23).

use std::time::Duration;

use tokio::time::Instant;

use super::rows;
use crate::{
    checker::{Costs, End},
    failpoints::Victim,
    proxy::Mode,
    stand::{Shape, Stand},
    support::processes::until,
    trial::{IN_FLIGHT, TAKEOVER, Terms, Trial},
};

rows! {
    f14_handlers_panic, 1, short,
        "three handlers of gateway panic, each with a push that it has parsed, and two of content-service, about to ask for the profile", "answered 500 and delivered again; two events set aside, all others sent; nobody restarts",
        raises ["process_panics_total", "content_dlq_total", "gateway_pushes_total{result=\"defect\""];
    f15_a_content_service_has_more_to_do_than_memory, 1, full,
        "connections to the platform refused, and 10,000 users write as fast as the gateway takes it; then content-service is ended by SIGKILL, as whoever has no memory left, and connections are taken", "the last 7,500 of them add at most 40 MiB; unknown ≤ 64, sent twice 0, settled < 90 s",
        quiet "whoever is killed takes its counters along";
    f23_a_worker_blocks, 1, full,
        "two content-services under load; a send of one blocks its thread for ten minutes", "it ends < 30 s, the other one goes on; sent twice 0, unknown ≤ 64, settled < 30 s",
        quiet "whoever ends takes its counters along: its exit tells it";
}

/// What a row says that needs a build that can break at a stage.
const NO_STAGES: &str = "not tried: this build has no failpoints";

async fn f14_handlers_panic(trial: &mut Trial<'_>) -> String {
    if !Victim::Content.has_stages() {
        return NO_STAGES.to_owned();
    }
    let failpoints = Some("g6=3*panic;enrich=2*panic".to_owned());
    let mut stand = trial.stand(Shape { failpoints, ..Shape::default() }).await;
    let begun = pids(&stand);
    stand.push_each(0, "u", 40).await;
    let terms = Terms { costs: Costs { set_aside: 2, ..Costs::default() }, ..Terms::default() };
    let report = stand.settles(Instant::now(), terms).await;
    let again: usize = stand.pushed.iter().map(|push| push.attempts.len() - 1).sum();
    assert_eq!((again, report.given_up, report.count(End::SetAside)), (3, 0, 2), "{report}");
    assert_eq!(pids(&stand), begun, "{report}");
    format!("{again} deliveries again; {report}")
}

fn pids(stand: &Stand) -> Vec<u32> {
    stand.services().map(|service| service.process.pid()).collect()
}

/// Users who write at once, and how often.
const CROWD: usize = 500;
const CROWDS: usize = 20;
/// What the last three quarters of them may add to the memory, MiB: what waits in Kafka costs nothing.
const MOST_GROWN: u64 = 40;

async fn f15_a_content_service_has_more_to_do_than_memory(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    stand.edges.api.set(Mode::Refuse);
    let mut memory = Vec::new();
    for crowd in 0..CROWDS {
        stand.push_each(crowd % 2, &format!("crowd{crowd}-"), CROWD).await;
        memory.push(stand.contents[0].as_ref().expect("it runs").vitals().rss);
    }
    // As the kernel does when there is no memory left.
    stand.contents[0].take().expect("it runs").kill();
    stand.edges.api.set(Mode::Forward);
    let since = Instant::now();
    stand.staff().await;
    let costs = Costs::unknown(IN_FLIGHT);
    let report = stand.settles(since, Terms { costs, within: BACKLOG, ..Terms::default() }).await;
    let (few, half, all) = (memory[CROWDS / 4], memory[CROWDS / 2], memory[CROWDS - 1]);
    let told = format!("{few} MiB with a quarter of them, {half} MiB with half, {all} MiB with all");
    assert!(all <= few + MOST_GROWN, "{told}; {report}");
    format!("{told}; {report}")
}

/// Ten thousand replies of a build that is not optimised take their time.
const BACKLOG: Duration = Duration::from_secs(90);

async fn f23_a_worker_blocks(trial: &mut Trial<'_>) -> String {
    if !Victim::Content.has_stages() {
        return NO_STAGES.to_owned();
    }
    let failpoints = Some("c6=1*sleep(600000)".to_owned());
    let mut stand = trial.stand(Shape { contents: 2, failpoints, ..Shape::default() }).await;
    let (load, since) = (stand.load(), Instant::now());
    let mut blocked = stand.contents[0].take().expect("it runs").process;
    let ends = async || blocked.ended().map(|ended| (ended, since.elapsed()));
    let (ended, took) = until("the watchdog ends it", Duration::from_secs(30), ends).await;
    stand.more_arrive(50, TAKEOVER).await;
    stand.staff().await;
    let terms = Terms { costs: Costs::unknown(IN_FLIGHT), within: TAKEOVER, ..Terms::default() };
    let report = stand.ends(load, terms).await;
    format!("it ended with {ended} after {:.1} s; {report}", took.as_secs_f64())
}
