//! What an event costs as the store of profiles and the catalogue grow.

use std::{cmp::Ordering, fs, thread, time::Duration};

use anyhow::Result;
use prost::Message as _;
use proto::{
    activity::User,
    content::TopicKind,
    profile::{Profile, Taste, Trait, TraitSource, Visit},
};
use runtime::clock::Clock;
use tokio::runtime::Runtime;

use super::{
    message::{Round, Stage, known},
    subject::Subject,
};
use crate::{
    account,
    plan::Plan,
    plot::{self, Line},
    report::{Report, progress},
    servers::Servers,
    sink::Sink,
    stats::Rounds,
};

/// Profiles in one pipeline.
const PIPELINE: u64 = 5_000;
/// A prime beyond every size, so that its multiples visit everybody before anybody twice.
const STRIDE: u64 = 7_368_787;

struct Point {
    size: u64,
    rounds: Vec<Round>,
}

pub(crate) fn run(plan: &Plan, servers: &Servers, report: &mut Report) -> Result<()> {
    let runtime = Runtime::new()?;
    let sink = Sink::start(&runtime)?;
    let stage = Stage { plan, servers, runtime: &runtime, sink: &sink };
    let mut lines = Vec::new();
    if plan.runs("profiles") {
        let points = profiles(&stage)?;
        told("profiles", &points, report);
        lines.push(("profiles", "#1f6feb", points));
    }
    if plan.runs("items") {
        let points = items(&stage)?;
        told("items", &points, report);
        lines.push(("items", "#d1242f", points));
    }
    if lines.is_empty() {
        return Ok(());
    }
    let drawn = |value: fn(&Round) -> f64| -> Vec<Line> {
        lines
            .iter()
            .map(|(name, colour, points)| Line {
                name,
                colour,
                points: points.iter().map(|point| (point.size as f64, point.of(value).median())).collect(),
            })
            .collect()
    };
    let file = report.folder.join("slope.svg");
    let charts = [
        ("CPU of the services, µs an event, 64 in flight", drawn(|round| round.busy.services)),
        ("push to message, p50 in ms, at 100/s", drawn(|round| round.quiet_latency.p50)),
    ];
    fs::write(&file, plot::svg(&charts))?;
    report.say(&format!("Both slopes as a picture: `{}`.", file.display()));
    Ok(())
}

fn profiles(stage: &Stage<'_>) -> Result<Vec<Point>> {
    let house = Subject::house("profiles", stage.servers, stage.runtime, stage.sink, 100, 0)?;
    let (mut points, mut loaded) = (Vec::new(), 0);
    for &size in &stage.plan.profiles {
        progress(&format!("loading {} profiles", size - loaded));
        load(stage.servers, &house.namespace, loaded..size)?;
        loaded = size;
        let anybody = |n: u64| n.wrapping_mul(STRIDE) % size;
        points.push(measured(stage, &house, size, "profiles", &anybody)?);
    }
    Ok(points)
}

fn items(stage: &Stage<'_>) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for &size in &stage.plan.items {
        progress(&format!("starting the house with {size} items"));
        let part = format!("items{size}");
        let house = Subject::house(&part, stage.servers, stage.runtime, stage.sink, size, 0)?;
        stage.warm(&house)?;
        points.push(measured(stage, &house, size, "items", &known)?);
    }
    Ok(points)
}

fn measured(
    stage: &Stage<'_>,
    house: &Subject,
    size: u64,
    what: &str,
    user: &dyn Fn(u64) -> u64,
) -> Result<Point> {
    let mut rounds = Vec::new();
    for number in 1..=stage.plan.slope_rounds {
        progress(&format!("{size} {what}: round {number} of {}", stage.plan.slope_rounds));
        rounds.push(stage.round(house, user)?);
    }
    Ok(Point { size, rounds })
}

/// Writes small profiles as profile-service keeps them (`blob.rs`): 8 bytes of stamp, 8 of `erased_before_ms`, protobuf. Any
/// stamp will do, since a swap takes it from the value.
fn load(servers: &Servers, namespace: &str, users: std::ops::Range<u64>) -> Result<()> {
    let (mut connection, now_ms) = (servers.connection()?, Clock::system().now_ms());
    let mut from = users.start;
    while from < users.end {
        let mut pipeline = redis::Pipeline::new();
        for number in from..(from + PIPELINE).min(users.end) {
            let openid = account::openid(number);
            let key = format!("{namespace}p:{{{}:{openid}}}", account::APP_ID);
            let mut value = [number.to_be_bytes(), [0; 8]].concat();
            value.extend(small(number, openid, now_ms).encode_to_vec());
            pipeline.set(key, value).ignore();
        }
        pipeline.query::<()>(&mut connection)?;
        from += PIPELINE;
    }
    // A rewrite of the append-only file would take the core that is to be measured.
    loop {
        let state: String = redis::cmd("INFO").arg("persistence").query(&mut connection)?;
        let busy = ["aof_rewrite_in_progress:1", "aof_rewrite_scheduled:1", "rdb_bgsave_in_progress:1"];
        if !busy.iter().any(|sign| state.contains(sign)) {
            return Ok(());
        }
        thread::park_timeout(Duration::from_millis(50));
    }
}

/// Somebody with three traits, three tastes and one visit, yesterday.
fn small(number: u64, openid: String, now_ms: i64) -> Profile {
    let at_ms = now_ms - 86_400_000;
    let told = |name: &str, value: &str| Trait {
        name: name.to_owned(),
        value: value.to_owned(),
        source: TraitSource::Crm.into(),
        at_ms,
    };
    let tastes = ["chess", "food", "taiwan"].map(|topic| Taste {
        topic: topic.to_owned(),
        kind: TopicKind::News.into(),
        value: 1.0 + (number % 5) as f64,
        at_ms,
    });
    let visit = Visit {
        number: 1,
        started_at_ms: at_ms,
        last_at_ms: at_ms,
        first_event_id: "1".to_owned(),
        ..Visit::default()
    };
    Profile {
        version: 1,
        user: Some(User { app_id: account::APP_ID.to_owned(), openid }),
        traits: vec![told("city", "杭州"), told("name", "周女士"), told("youth.city", "奎屯")],
        tastes: tastes.into(),
        visit: Some(visit),
        first_seen_at_ms: at_ms,
        ..Profile::default()
    }
}

impl Point {
    fn of(&self, value: fn(&Round) -> f64) -> Rounds {
        Rounds::of(self.rounds.iter().map(value))
    }
}

fn told(what: &str, points: &[Point], report: &mut Report) {
    report.say(&format!("## Slope: {what}"));
    let rows: Vec<Vec<String>> = points.iter().map(row).collect();
    let head = [
        what,
        "µs an event, 64 in flight",
        "door + content + profile",
        "Redis µs",
        "events/s",
        "100/s: p50 ms",
        "p99 ms",
        "Redis round trips",
    ];
    report.table(&head, &rows);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    if first.size.cmp(&last.size) == Ordering::Less {
        let grew = |value: fn(&Round) -> f64| last.of(value).median() / first.of(value).median();
        report.say(&format!(
            "From {} to {} {what}: CPU per event × {:.2}, p50 × {:.2}.",
            first.size,
            last.size,
            grew(|round| round.busy.services),
            grew(|round| round.quiet_latency.p50)
        ));
    }
}

fn row(point: &Point) -> Vec<String> {
    let each = |n: usize| {
        Rounds::of(point.rounds.iter().filter_map(|round| round.busy.each.get(n).copied())).median()
    };
    vec![
        point.size.to_string(),
        format!("{:.0}", point.of(|round| round.busy.services)),
        format!("{:.0} + {:.0} + {:.0}", each(0), each(1), each(2)),
        format!("{:.0}", point.of(|round| round.busy.redis)),
        format!("{:.0}", point.of(|round| round.busy_rate)),
        format!("{:.2}", point.of(|round| round.quiet_latency.p50)),
        format!("{:.2}", point.of(|round| round.quiet_latency.p99)),
        format!("{:.2}", point.of(|round| round.trips).median()),
    ]
}
