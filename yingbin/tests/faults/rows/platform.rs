//! The platform's API refuses, hangs, lies and forbids (F46–F51, F55–F57, F60).

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};

use super::rows;
use crate::{
    checker::{Allowed, Costs, End},
    proxy::Mode,
    stand::{AGAIN, Shape, Stand},
    support::processes::until,
    trial::{PROGRESS, Report, TAKEOVER, Terms, Trial},
};

rows! {
    f46_the_platform_cannot_be_connected_to, 1, full,
        "connections refused for 30 pushes, then taken", "each sent once",
        quiet "a call of which no byte left is made again, and only `content_send_seconds` counts it";
    f47_a_timeout_before_and_after_the_bytes, 1, full,
        "600 pushes meet a closed port; 360 requests are cut after 50 bytes, and 48 meet a black hole that opens when they are told, each dozen between pushes that go through",
        "600 sent, 360 unknown that never arrived, 48 unknown, exactly", raises ["content_outcomes_total{outcome=\"unknown\""];
    f48_the_answer_is_lost, 1, short,
        "12 messages are taken and the connection reset", "12 unknown, each arrived once", raises ["content_outcomes_total{outcome=\"unknown\""];
    f48_the_answer_is_lost_of_what_may_be_sent_again, 1, full,
        "a playbook with `unknown: at_least_once` and two messages; the first of 12 users is taken and the connection reset", "all sent: the first message twice, the second once", raises ["content_sent_again_total"];
    f49_server_errors_with_and_without_the_message, 1, full,
        "500, 502, 503, 503 with Retry-After and 504, each taken and not taken, but for the one that says when to come again", "8 unknown; the one that says when to come again sent", raises ["content_outcomes_total{outcome=\"unknown\""];
    f50_answers_that_are_none, 1, full,
        "HTML, cut JSON, nothing, 40 MB, a broken body; two each, taken", "10 unknown; content-service never has 20 MiB more than before", raises ["content_outcomes_total{outcome=\"unknown\""];
    f51_the_system_is_busy, 1, full,
        "errcode -1, six taken and six not", "12 unknown, sent twice 0", raises ["content_outcomes_total{outcome=\"unknown\""];
    f55_a_minutes_quota_is_used_up, 1, full,
        "45011 for one account, then ten pushes for it and ten for the other", "one call after it at most, refused ≤ 11; the other account all sent", raises ["content_account_stops_total"];
    f55_a_days_quota_is_used_up, 1, full,
        "the same with 45009", "no call after it, refused ≤ 11; the other account all sent", raises ["content_account_stops_total"];
    f56_codes_that_close_a_user, 1, short,
        "45015, 45047, 43004, 43019, 48002, 40003, 46004, 50005, one user each", "one call each, refused with its code", raises ["content_outcomes_total{outcome=\"refused\""];
    f57_codes_that_stop_an_account, 1, full,
        "48001, 48004, 45087 and 40013 for one account, and 50002 for five of its users, a fresh system each", "no call after it, refused ≤ 10 more than met the code; the other account all sent", raises ["content_account_stops_total"];
    f60_the_platform_redirects, 1, full,
        "302 to another address, 10 times", "nobody connects there; 10 unknown", raises ["content_outcomes_total{outcome=\"unknown\""];
}

/// So many sends in a row without an answer stop their account for a while, and what is pushed then is refused.
const STOPS: usize = 16;

/// A trial without load: what is pushed, each text by somebody else, ends so.
pub(super) async fn told(
    stand: &mut Stand,
    faults: Value,
    count: usize,
    costs: Costs,
) -> (Vec<String>, Report) {
    begins(stand).await;
    stand.script(faults).await;
    let texts = stand.push_each(0, "u", count).await;
    let terms = Terms { costs, within: TAKEOVER, tail: count < STOPS, ..Terms::default() };
    let report = stand.settles(Instant::now(), terms).await;
    (texts, report)
}

/// What a content-service asks the platform at its start must not use the faults up.
pub(super) async fn begins(stand: &mut Stand) {
    for account in 0..2 {
        stand.push_each(account, "before", 1).await;
    }
    stand.handled(PROGRESS).await;
}

pub(super) fn only(end: End, count: usize) -> BTreeMap<End, usize> {
    BTreeMap::from([(end, count)])
}

async fn f46_the_platform_cannot_be_connected_to(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    stand.push_each(0, "before", 5).await;
    stand.handled(PROGRESS).await;
    stand.edges.api.set(Mode::Refuse);
    let texts = stand.push_each(0, "u", 30).await;
    let since = Instant::now();
    assert_eq!(stand.arrived(), 5);
    stand.edges.api.set(Mode::Forward);
    let report = stand.settles(since, Terms { within: TAKEOVER, ..Terms::default() }).await;
    assert_eq!(report.ends_of(&texts), only(End::Sent, 30), "{report}");
    report.to_string()
}

async fn f47_a_timeout_before_and_after_the_bytes(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    goes_through(&mut stand, "before").await;
    stand.edges.api.set(Mode::Refuse);
    let (mut before, tried) = (Vec::new(), sends_tried(&stand).await);
    for n in 0..6 {
        before.extend(stand.push_each(0, &format!("b{n}-"), 100).await);
    }
    let met = async || (sends_tried(&stand).await >= tried + 600.0).then_some(());
    until("they have met the closed port", TAKEOVER, met).await;
    stand.edges.api.set(Mode::Forward);
    stand.handled(TAKEOVER).await;
    let cut = dozens(&mut stand, Mode::CutAfter(50), 30).await;
    let after = dozens(&mut stand, Mode::BlackHole, 4).await;
    let terms = Terms { costs: Costs::unknown(360 + 48), ..Terms::default() };
    let report = stand.settles(Instant::now(), terms).await;
    let ends = [&before, &cut, &after].map(|texts| report.ends_of(texts));
    assert_eq!(ends, [only(End::Sent, 600), only(End::Unknown, 360), only(End::Unknown, 48)], "{report}");
    assert_eq!(arrived(&report, &cut), 0, "{report}");
    report.to_string()
}

/// Pushes of both accounts that are answered: no account has many sends without an answer in a row.
async fn goes_through(stand: &mut Stand, who: &str) {
    for account in 0..2 {
        stand.push_each(account, who, 3).await;
    }
    stand.handled(TAKEOVER).await;
}

/// Calls of `custom/send`, those that no byte of left among them.
async fn sends_tried(stand: &Stand) -> f64 {
    let content = stand.contents[0].as_ref().expect("it runs");
    content.counts(&stand.http, "content_send_seconds_count").await
}

/// So many dozens of pushes, for both accounts in turn, that meet this on their way to the platform.
async fn dozens(stand: &mut Stand, mode: Mode, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for n in 0..count {
        stand.edges.api.set(mode);
        texts.extend(stand.push_each(n % 2, &format!("d{mode:?}{n}-"), 12).await);
        stand.handled(TAKEOVER).await;
        stand.edges.api.set(Mode::Forward);
        goes_through(stand, &format!("t{mode:?}{n}-")).await;
    }
    texts
}

async fn f48_the_answer_is_lost(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let faults = json!({"path": "send", "kind": "reset", "taken": true, "count": 12});
    let (texts, report) = told(&mut stand, faults, 12, Costs::unknown(12)).await;
    assert_eq!(report.ends_of(&texts), only(End::Unknown, 12), "{report}");
    assert!(arrived(&report, &texts) == 12, "{report}");
    report.to_string()
}

async fn f48_the_answer_is_lost_of_what_may_be_sent_again(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { playbook: AGAIN, ..Shape::default() }).await;
    begins(&mut stand).await;
    let lost = |n| json!({"path": "send", "openid": format!("u{n}"), "kind": "reset", "taken": true});
    stand.script((0..12).map(lost).collect()).await;
    let texts = stand.push_each(0, "u", 12).await;
    let allowed = Allowed { duplicates: 12, ..Allowed::default() };
    let report = stand.settles(Instant::now(), Terms { allowed, ..Terms::default() }).await;
    assert_eq!(report.ends_of(&texts), only(End::Sent, 12), "{report}");
    let second: Vec<_> = texts.iter().map(|text| format!("{text}, again")).collect();
    assert_eq!((arrived(&report, &texts), arrived(&report, &second)), (24, 12), "{report}");
    report.to_string()
}

pub(super) fn arrived(report: &Report, texts: &[String]) -> usize {
    report.books.arrivals.iter().filter(|arrival| texts.contains(&arrival.text)).count()
}

async fn f49_server_errors_with_and_without_the_message(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let kinds = [(500, None), (502, None), (503, None), (503, Some(1)), (504, None)];
    let both = kinds.iter().flat_map(|(status, retry)| [true, false].map(|taken| (status, retry, taken)));
    // Who says when to come again says that nothing was done.
    let both = both.filter(|(_, retry, taken)| retry.is_none() || !taken);
    let fault = |(status, retry, taken)| json!({"path": "send", "kind": "status", "status": status, "retry_after": retry, "taken": taken, "count": 1});
    let (texts, report) = told(&mut stand, both.map(fault).collect(), 9, Costs::unknown(8)).await;
    let ends = report.ends_of(&texts);
    assert_eq!(ends, BTreeMap::from([(End::Sent, 1), (End::Unknown, 8)]), "{report}");
    format!("{ends:?}; {report}")
}

async fn f50_answers_that_are_none(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let body = |text: &str, repeat: usize| json!({"path": "send", "kind": "body", "text": text, "repeat": repeat, "taken": true, "count": 2});
    let faults = json!([
        body("<html>busy</html>", 1),
        body(r#"{"errcode":0,"errm"#, 1),
        body("", 1),
        body("0123456789", 4_000_000),
        {"path": "send", "kind": "cut", "text": r#"{"errcode":0}"#, "taken": true, "count": 2},
    ]);
    begins(&mut stand).await;
    let before = stand.contents[0].as_ref().expect("it runs").vitals().rss;
    let (texts, report) = told(&mut stand, faults, 10, Costs::unknown(10)).await;
    assert_eq!(report.ends_of(&texts), only(End::Unknown, 10), "{report}");
    let most = stand.contents[0].as_ref().expect("it runs").vitals().peak;
    let told = format!("content-service had {before} MiB, and {most} MiB at most");
    assert!(most <= before + MOST_GROWN, "{told}; {report}");
    format!("{told}; {report}")
}

/// What answers that nobody can use may cost, MiB.
const MOST_GROWN: u64 = 20;

async fn f51_the_system_is_busy(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let busy =
        |taken: bool| json!({"path": "send", "kind": "errcode", "errcode": -1, "taken": taken, "count": 6});
    let (texts, report) = told(&mut stand, json!([busy(true), busy(false)]), 12, Costs::unknown(12)).await;
    assert_eq!(report.ends_of(&texts), only(End::Unknown, 12), "{report}");
    format!("{} of 12 arrived; {report}", arrived(&report, &texts))
}

/// So many users of one account meet a code that stops it; then both are pushed to.
async fn stopped(trial: &mut Trial<'_>, errcode: i32, users: usize) -> Stopped {
    let mut stand = trial.stand(Shape::default()).await;
    for account in 0..2 {
        stand.push_each(account, "before", 2).await;
    }
    stand.handled(PROGRESS).await;
    let refused =
        json!({"path": "send", "kind": "errcode", "errcode": errcode, "account": "csair", "count": users});
    stand.script(refused).await;
    stand.push_each(0, "first", users).await;
    let calls = async || (calls_of(&stand).await >= 2 + users).then_some(());
    until("the account has met the code", PROGRESS, calls).await;
    let before = calls_of(&stand).await;
    stand.push_each(0, "stopped", 10).await;
    let others = stand.push_each(1, "other", 10).await;
    let costs = Costs::refused(users + 10);
    let terms = Terms { costs, within: Duration::from_secs(90), tail: false, ..Terms::default() };
    let report = stand.settles(Instant::now(), terms).await;
    assert_eq!(report.ends_of(&others), only(End::Sent, 10), "{report}");
    let stops = stand.counted("content_account_stops_total").await;
    Stopped { calls: calls_of(&stand).await - before, stops, report }
}

/// Calls after the code, and how often the metric says that an account was stopped.
struct Stopped {
    calls: usize,
    stops: f64,
    report: Report,
}

/// Calls of `custom/send` for the first account.
async fn calls_of(stand: &Stand) -> usize {
    let sends = stand.ask("/sim/sends?account=csair").await;
    sends["sends"].as_array().unwrap().len()
}

async fn f55_a_minutes_quota_is_used_up(trial: &mut Trial<'_>) -> String {
    let Stopped { calls, report, .. } = stopped(trial, 45_011, 1).await;
    assert!(calls <= 1, "{calls} calls after 45011; {report}");
    format!("{calls} calls after it, in the minute that followed; {report}")
}

async fn f55_a_days_quota_is_used_up(trial: &mut Trial<'_>) -> String {
    let Stopped { calls, report, .. } = stopped(trial, 45_009, 1).await;
    assert_eq!(calls, 0, "calls after 45009; {report}");
    report.to_string()
}

async fn f56_codes_that_close_a_user(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let codes = [45_015, 45_047, 43_004, 43_019, 48_002, 40_003, 46_004, 50_005];
    let fault = |(n, code): (usize, &i32)| json!({"path": "send", "openid": format!("u{n}"), "kind": "errcode", "errcode": code});
    let (faults, count) = (codes.iter().enumerate().map(fault).collect(), codes.len());
    let (texts, report) = told(&mut stand, faults, count, Costs::refused(count)).await;
    assert_eq!(report.ends_of(&texts), only(End::Refused, codes.len()), "{report}");
    for n in 0..codes.len() {
        let sends = stand.ask(&format!("/sim/sends?openid=u{n}")).await;
        assert_eq!(sends["sends"].as_array().unwrap().len(), 1, "{sends}");
    }
    report.to_string()
}

async fn f57_codes_that_stop_an_account(trial: &mut Trial<'_>) -> String {
    let mut told = Vec::new();
    // 50002 is said of a user, and holds for the account when five in a row have met it.
    for (errcode, users) in [(48_001, 1), (48_004, 1), (45_087, 1), (40_013, 1), (50_002, 5)] {
        let Stopped { calls, stops, report } = stopped(trial, errcode, users).await;
        trial.clean().await;
        assert_eq!(calls, 0, "calls after {errcode}; {report}");
        let refused = report.count(End::Refused);
        told.push(format!(
            "{errcode}: {calls} calls after it, {refused} refused, `content_account_stops_total` +{stops}"
        ));
    }
    told.join("; ")
}

async fn f60_the_platform_redirects(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/latest/meta-data", elsewhere.local_addr().unwrap());
    let faults = json!({"path": "send", "kind": "redirect", "location": location, "count": 10});
    let (texts, report) = told(&mut stand, faults, 10, Costs::unknown(10)).await;
    let connected = tokio::time::timeout(Duration::ZERO, elsewhere.accept()).await;
    assert!(connected.is_err(), "somebody followed a redirect");
    assert_eq!(report.ends_of(&texts), only(End::Unknown, 10), "{report}");
    report.to_string()
}
