//! The platform's API takes its time (F59).

use std::{fmt, time::Duration};

use serde_json::json;
use tokio::time::Instant;

use super::{
    platform::{arrived, begins, only, told},
    rows,
};
use crate::{
    checker::{Costs, End},
    stand::{Shape, Stand},
    support::processes::until,
    times::Times,
    trial::{IN_FLIGHT, PROGRESS, Report, TAKEOVER, Terms, Trial},
};

rows! {
    f59_the_platform_is_slow, 1, full,
        "answers of 12 messages 4.9 s late", "12 unknown, each arrived once", raises ["content_outcomes_total{outcome=\"unknown\""];
    f59_the_platform_drips, 1, full,
        "the answers to 12 users of one account come byte by byte over 30 s, while both accounts go on: with the usual 64 places for sends, and with 8 (`concurrency.sends`)",
        "12 unknown, each arrived once, given up < 6 s, with 8 places < 10 s; sends in flight ≤ places; 99 in 100 replies of the other account < 1 s, and with 64 places those to the other users of the same one too",
        raises ["content_outcomes_total{outcome=\"unknown\""];
    f59_the_platform_is_slow_for_one_account, 1, full,
        "one partition; the platform takes half a second for one account, of which 2,800 users write within seconds; when a part of them is left behind, content-service is killed and comes back",
        "then, until the kill, 99 in 100 replies of the other account < 1 s; sent twice 0, unknown ≤ 64, everything else sent",
        raises ["content_outcomes_total{outcome=\"unknown\""];
}

async fn f59_the_platform_is_slow(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let faults = json!({"path": "send", "kind": "pass", "delay_ms": 4_900, "count": 12});
    let (texts, report) = told(&mut stand, faults, 12, Costs::unknown(12)).await;
    assert_eq!(report.ends_of(&texts), only(End::Unknown, 12), "{report}");
    report.to_string()
}

/// Users whose answers drip: not so many in a row that their account is stopped.
const DRIPS: usize = 12;
/// Twenty-seven bytes in 30 s.
const ANSWER: &str = r#"{"errcode":0,"errmsg":"ok"}"#;
const EVERY_MS: u64 = 1_111;
/// A send that is not answered takes as long, or a little more.
const GIVEN_UP_MS: i64 = 3_900;
/// Replies of those who have nothing to do with it.
const PROMPT_MS: i64 = 1_000;

async fn f59_the_platform_drips(trial: &mut Trial<'_>) -> String {
    let usual = drips(trial, "").await;
    trial.clean().await;
    let few = drips(trial, "[concurrency]\nsends = 8\n").await;
    assert!(usual.most <= IN_FLIGHT && usual.at_once == DRIPS && usual.ended.as_secs() < 6, "{usual}");
    assert!(few.most <= 8 && few.at_once <= 8 && few.ended.as_secs() < 10, "{few}");
    let prompt = [&usual.same, &usual.other, &few.other].map(|times| times.p99() < PROMPT_MS);
    assert_eq!(prompt, [true; 3], "{usual}; {few}");
    format!("64 places: {usual}; 8 places: {few}; {}", few.report)
}

struct Dripped {
    /// From the pushes until the last send was given up.
    ended: Duration,
    /// Sends in flight, as content-service tells it.
    most: usize,
    /// Answers that dripped at once, as the platform sees it.
    at_once: usize,
    /// Replies to the others.
    same: Times,
    other: Times,
    report: Report,
}

impl fmt::Display for Dripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ended, most, at_once, same, other, .. } = self;
        let (ended, same, other) = (ended.as_secs_f64(), same.p99(), other.p99());
        write!(
            f,
            "given up after {ended:.1} s, {at_once} dripped at once, {most} in flight, 99 in 100 replies within {same} ms to others of the same account and {other} ms to the other one"
        )
    }
}

async fn drips(trial: &mut Trial<'_>, content: &'static str) -> Dripped {
    let mut stand = trial.stand(Shape { content, ..Shape::default() }).await;
    begins(&mut stand).await;
    let drip = |n| json!({"path": "send", "openid": format!("drip{n}"), "kind": "drip", "text": ANSWER, "every_ms": EVERY_MS, "taken": true});
    stand.script((0..DRIPS).map(drip).collect()).await;
    let load = stand.load();
    load.goes_on(25).await;
    let since = Instant::now();
    let texts = stand.push_each(0, "drip", DRIPS).await;
    let (mut most, mut unknown) = (0, 0.0);
    let given_up = async || {
        most = most.max(stand.sends_in_flight().await);
        unknown = stand.counted("content_outcomes_total{outcome=\"unknown\"").await;
        (unknown >= 12.0).then(|| since.elapsed())
    };
    let ended = until("all that drips is given up", PROGRESS, given_up).await;
    let others = load.end().await;
    stand.pushed.extend(others.iter().cloned());
    let terms = Terms { costs: Costs::unknown(DRIPS), within: TAKEOVER, ..Terms::default() };
    let report = stand.settles(Instant::now(), terms).await;
    assert_eq!(report.ends_of(&texts), only(End::Unknown, DRIPS), "{report}");
    assert_eq!(arrived(&report, &texts), DRIPS, "{report}");
    let (same, other): (Vec<_>, Vec<_>) = others.into_iter().partition(|push| push.account == "csair");
    let (same, other) = (stand.reply_times(&same), stand.reply_times(&other));
    Dripped { ended, most, at_once: at_once(&stand), same, other, report }
}

/// How many answers dripped at the same time, from when their messages arrived.
fn at_once(stand: &Stand) -> usize {
    let arrivals = stand.pusher.simulator.arrivals(0, None);
    let dripped = arrivals.iter().filter(|arrival| arrival.openid.starts_with("drip"));
    let begun: Vec<i64> = dripped.map(|arrival| arrival.received_at).collect();
    let from = |at: &i64| begun.iter().filter(|begun| (*at..at + GIVEN_UP_MS).contains(*begun)).count();
    begun.iter().map(from).max().unwrap_or(0)
}

async fn f59_the_platform_is_slow_for_one_account(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { partitions: 1, ..Shape::default() }).await;
    begins(&mut stand).await;
    let slow = stand.pusher.accounts[0].name.clone();
    let late = json!({"path": "send", "kind": "pass", "account": slow, "delay_ms": 500, "count": 1_000_000});
    stand.script(late).await;
    for round in 0..4 {
        stand.push_each(0, &format!("many{round}-"), 700).await;
    }
    let waits = async || Some(stand.counted("content_left_behind").await).filter(|behind| *behind >= 300.0);
    let behind = until("a part of it is left behind", PROGRESS, waits).await;
    let load = stand.load();
    load.goes_on(150).await;
    let others = load.end().await;
    stand.pushed.extend(others.iter().cloned());
    let other: Vec<_> = others.into_iter().filter(|push| push.account != slow).collect();
    stand.contents[0].take().expect("it runs").kill();
    let since = Instant::now();
    stand.staff().await;
    let terms = Terms { costs: Costs::unknown(IN_FLIGHT), within: TAKEOVER, ..Terms::default() };
    let report = stand.settles(since, terms).await;
    let (sent, unknown, prompt) =
        (report.count(End::Sent), report.count(End::Unknown), stand.reply_times(&other).p99());
    assert!(prompt < PROMPT_MS && sent + unknown == report.events, "{prompt} ms; {report}");
    format!("{behind} left behind, 99 in 100 replies of the other account within {prompt} ms; {report}")
}
