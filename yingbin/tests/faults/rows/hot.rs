//! One user who writes more than all others together (F41).

use std::{collections::BTreeMap, fmt, time::Duration};

use tokio::time::Instant;

use super::rows;
use crate::{
    checker::{End, outcomes},
    hot::Hot,
    stand::Shape,
    times::Times,
    trial::{Report, TAKEOVER, Terms, Trial},
};

rows! {
    f41_one_user_writes_more_than_all_others, 1, full,
        "no spool; texts of one user, sealed before, over 256 connections that stay, while others push 50 a second: 1,200 a second for 8 s; and in a fresh system 5,000 a second, or as many as this machine takes beside all else",
        "every push answered 200, all of the others sent, his oldest give way, settled < 30 s; at 1,200 a second (≥ 1,000 taken) 99 in 100 of the others' replies < 1 s, at more it is told",
        raises ["content_outcomes_total{reason=\"superseded by newer events\""];
    f41_one_user_writes_where_there_is_a_spool, 1, full,
        "the same with a spool, 5,000 a second offered, 256 at a time",
        "the gateway takes one of his pushes after the other: every push answered 200, all of the others sent, 99 in 100 of their replies < 1 s",
        raises ["content_outcomes_total{reason=\"superseded by newer events\""];
}

const HOT: &str = "hot";
const CONNECTIONS: usize = 256;
const TIME: Duration = Duration::from_secs(8);
/// Pushes a second that this machine takes, and more than it takes.
const MANY: u32 = 1_200;
const TOO_MANY: u32 = 5_000;
/// Fewer were not what is to be tried.
const LEAST: f64 = 1_000.0;
/// Replies to the others.
const PROMPT_MS: i64 = 1_000;

async fn f41_one_user_writes_more_than_all_others(trial: &mut Trial<'_>) -> String {
    let many = flood(trial, MANY, false).await;
    trial.clean().await;
    let too_many = flood(trial, TOO_MANY, false).await;
    let told = format!("{many}; {too_many}; {}", too_many.report);
    assert!(many.per_second >= LEAST && too_many.per_second >= LEAST, "{told}");
    assert!(many.meanwhile.p99() < PROMPT_MS, "{told}");
    told
}

async fn f41_one_user_writes_where_there_is_a_spool(trial: &mut Trial<'_>) -> String {
    let flood = flood(trial, TOO_MANY, true).await;
    let told = format!("{flood}; {}", flood.report);
    assert!(flood.meanwhile.p99() < PROMPT_MS, "{told}");
    told
}

/// What was measured.
struct Flood {
    per_second: f64,
    /// How his events ended.
    his: BTreeMap<End, usize>,
    /// Replies to the others.
    before: Times,
    meanwhile: Times,
    report: Report,
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, his, before, meanwhile, .. } = self;
        let (before, meanwhile) = (before.p99(), meanwhile.p99());
        write!(
            f,
            "{per_second:.0} of his a second, {his:?}, and 99 in 100 of the others' replies within {before} ms before and {meanwhile} ms meanwhile"
        )
    }
}

async fn flood(trial: &mut Trial<'_>, per_second: u32, spool: bool) -> Flood {
    let mut stand = trial.stand(Shape { users: 200, rate: 50, spool, ..Shape::default() }).await;
    let hot = Hot::seal(&stand.pusher, HOT, stand.gateway(0), (per_second, TIME));
    for account in 0..2 {
        stand.push_each(account, "first", 10).await;
    }
    stand.handled(TAKEOVER).await;
    let load = stand.load();
    load.lasts(TIME).await;
    let before = load.end().await;
    let (load, since) = (stand.load(), Instant::now());
    let his = hot.push(CONNECTIONS, TIME).await;
    let per_second = f64::from(u32::try_from(his.len()).unwrap()) / since.elapsed().as_secs_f64();
    let meanwhile = load.end().await;
    stand.pushed.extend([&before[..], &his, &meanwhile].concat());
    let terms = Terms { within: TAKEOVER, reasons: &["superseded by newer events"], ..Terms::default() };
    let report = stand.settles(Instant::now(), terms).await;
    let (before, meanwhile) = (stand.reply_times(&before), stand.reply_times(&meanwhile));
    let (his, others) = ends(&report, &proto::record_key(&stand.pusher.accounts[0].app_id, HOT));
    let flood = Flood { per_second, his, before, meanwhile, report };
    assert!(
        flood.report.given_up == 0 && others.keys().eq([&End::Sent]),
        "{others:?}; {flood}; {}",
        flood.report
    );
    flood
}

/// How the events of one user ended, and those of everybody else.
fn ends(report: &Report, user: &str) -> (BTreeMap<End, usize>, BTreeMap<End, usize>) {
    let (mut his, mut others) = (BTreeMap::new(), BTreeMap::new());
    for outcome in outcomes(&report.books).values() {
        let ends = if outcome.user == user { &mut his } else { &mut others };
        *ends.entry(outcome.end).or_default() += 1;
    }
    (his, others)
}
