//! The door and the house as a whole: repeats, replays, rolling restarts, orderly ends, logs that nobody reads (F61, F69, F77, F78, F86).

use std::time::Duration;

use runtime::clock::Clock;
use simulator::Order;
use tokio::time::Instant;
use wechat::push::{Format, seal};

use super::{kafka::slowest, rows};
use crate::{
    checker::End,
    service::older_build,
    stand::{Shape, Stand},
    support::processes::until,
    trial::{TAKEOVER, Terms, Trial, spawn_push},
};

rows! {
    f61_pushes_come_three_times_to_different_gateways, 1, short,
        "each of 50 pushes three times, to two gateways in turn", "one reply each; content-service passed over each of the 100 repeats", raises ["content_repeats_total"];
    f69_a_valid_push_is_replayed, 1, short,
        "signed now, eleven minutes and a day ago; then the first one again", "403 for the old ones; the repeat brings nothing new", raises ["gateway_pushes_total{result=\"stale\""];
    f77_every_service_is_rolled, 1, full,
        "two gateways, two content-services and profile-service end with SIGTERM in turn and come back, three times, under load; pushes go to a gateway that ends until it says that it is not ready. They come back from the same build, or, where `FAULTS_OLDER` names one, from that one, this one and that one",
        "no failed delivery, all sent, every end in order, deliveries < 2 s",
        quiet "nothing fails, and whoever ends takes its counters along";
    f78_orderly_ends_under_load, 1, full,
        "content-service and gateway get SIGTERM twice, with 500 events or more read and not committed", "both end < 25 s with 0",
        quiet "both end, and their counters with them: their exit tells it";
    f86_nobody_reads_the_logs, 1, full,
        "250 pushes with logs as usual; then everybody logs everything into a pipe that nobody reads, for 250 pushes more",
        "all sent; 99 in 100 replies < 100 ms later than with logs as usual; what is not logged is counted", raises ["process_log_lines_dropped_total"];
}

async fn f61_pushes_come_three_times_to_different_gateways(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { gateways: 2, ..Shape::default() }).await;
    let pushes = (0..50).map(|n| {
        let (text, order) = stand.pusher.text(0, &format!("u{}", n % 20));
        let gateways = vec![stand.at_gateway(1, 0), stand.at_gateway(0, 0)];
        spawn_push(&stand, (text, Order { repeat: Some(3), gateways, ..order }))
    });
    let pushes: Vec<_> = pushes.collect();
    for push in pushes {
        stand.pushed.push(push.await.unwrap());
    }
    let report = stand.settles(Instant::now(), Terms::default()).await;
    assert!(report.repeats >= 100 && report.count(End::Sent) == report.events, "{report}");
    assert_eq!(stand.counted("content_repeats_total").await, report.repeats as f64, "{report}");
    report.to_string()
}

async fn f69_a_valid_push_is_replayed(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let (text, order) = stand.pusher.text(0, "u1");
    let now = Clock::system().now_ms() / 1000;
    let mut statuses = Vec::new();
    for age in [11 * 60, 24 * 3600, -11 * 60, 0, 0] {
        statuses.push(sealed(&stand, &order.document, now - age).await);
    }
    assert_eq!(statuses, [403, 403, 403, 200, 200]);
    let pushed = stand.pusher.push((text, Order { repeat: Some(1), ..order })).await;
    stand.pushed.push(pushed);
    let report = stand.settles(Instant::now(), Terms { tail: false, ..Terms::default() }).await;
    assert_eq!((report.events, report.count(End::Sent), report.repeats), (1, 1, 2), "{report}");
    format!("answered {statuses:?}; {report}")
}

/// Delivers a document signed at a time of our choice; the status of the answer.
async fn sealed(stand: &Stand, document: &str, timestamp: i64) -> u16 {
    let credentials = stand.pusher.credentials(0);
    let random = rand::random();
    let push = seal(&credentials, document.as_bytes(), Format::Xml, timestamp, "1234567890", random).unwrap();
    let url = format!("{}?{}", stand.at_gateway(0, 0), push.query);
    stand.http.post(url).body(push.body).send().await.unwrap().status().as_u16()
}

/// How long a service may take to end in order.
const END: Duration = Duration::from_secs(25);

async fn f77_every_service_is_rolled(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { gateways: 2, contents: 2, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(50, TAKEOVER).await;
    // The stand is of this build: rolled back, rolled out, and rolled back once more.
    for older in [true, false, true] {
        stand.older = older;
        for n in 0..2 {
            rolled(&mut stand, n).await;
        }
        let profile = stand.profile.take().expect("it runs").terminate(END).await;
        assert_eq!(profile.code(), Some(0));
        stand.staff().await;
    }
    let report = stand.ends(load, Terms::default()).await;
    let failed: Vec<_> = stand.pushed.iter().filter(|push| push.attempts.len() > 1).collect();
    assert!(failed.is_empty() && report.count(End::Sent) == report.events, "{report}; {failed:?}");
    let (slowest, builds) =
        (slowest(&stand), if older_build().is_some() { "two builds" } else { "one build" });
    assert!(slowest < 2_000.0, "the slowest delivery took {slowest} ms; {report}");
    format!("{builds}; no delivery failed, slowest {slowest:.0} ms; {report}")
}

/// One gateway and one content-service end and come back, of the build that is to be. Whoever routes learns it from the gateway.
async fn rolled(stand: &mut Stand, n: usize) {
    let gateway = stand.gateways[n].take().expect("it runs");
    gateway.process.signal("TERM");
    gateway.announces(&stand.http).await;
    stand.route_to(&[1 - n]);
    let gateway = gateway.ends(END).await;
    let content = stand.contents[n].take().expect("it runs").terminate(END).await;
    assert_eq!((gateway.code(), content.code()), (Some(0), Some(0)));
    stand.staff().await;
    stand.route_to(&[0, 1]);
    stand.more_arrive(50, TAKEOVER).await;
}

async fn f86_nobody_reads_the_logs(trial: &mut Trial<'_>) -> String {
    let mut usual = trial.stand(Shape::default()).await;
    let before = warm_p99(&mut usual).await;
    drop(usual);
    trial.clean().await;
    let mut stand = trial.stand(Shape { unread: true, ..Shape::default() }).await;
    let unread = warm_p99(&mut stand).await;
    let report = stand.settles(Instant::now(), Terms::default()).await;
    assert_eq!((report.given_up, report.count(End::Sent)), (0, report.events), "{report}");
    assert!(unread < before + 100, "{before} ms with logs as usual, {unread} ms with none read; {report}");
    format!("99 in 100 within {before} ms with logs as usual, {unread} ms with none read; {report}")
}

/// What 99 in 100 replies do not exceed when tokens are fetched and connections are made, milliseconds.
async fn warm_p99(stand: &mut Stand) -> i64 {
    stand.push_each(0, "before", 50).await;
    stand.handled(TAKEOVER).await;
    stand.p99_of(250).await
}

async fn f78_orderly_ends_under_load(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { rate: 150, users: 400, ..Shape::default() }).await;
    stand.answers_slowly().await;
    let load = stand.load();
    let busy = async || Some(stand.counted(UNDER_WAY).await).filter(|count| *count >= 500.0);
    let under_way = until("hundreds of events are under way", TAKEOVER, busy).await;
    let since = Instant::now();
    let (content, gateway) = (stand.contents[0].take(), stand.gateways[0].take());
    let (content, gateway) = (content.expect("it runs"), gateway.expect("it runs"));
    [&content, &gateway].iter().for_each(|service| service.process.signal("TERM"));
    let (content, gateway) = tokio::join!(content.terminate(END), gateway.terminate(END));
    let ended = since.elapsed();
    stand.unscript().await;
    stand.staff().await;
    let report = stand.ends(load, Terms { within: TAKEOVER, ..Terms::default() }).await;
    assert_eq!((content.code(), gateway.code()), (Some(0), Some(0)), "{report}");
    format!("ended after {:.1} s with {under_way} events under way; {report}", ended.as_secs_f64())
}

/// Events that a content-service handles or has waiting, by partition.
const UNDER_WAY: &str = "content_open{";
