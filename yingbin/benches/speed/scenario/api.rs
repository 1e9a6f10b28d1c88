//! An API that takes 100 ms to answer beside one that answers at once: as fast, as long as the bound on sends allows it.

use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;

use super::{
    enough,
    message::{Stage, known},
    subject::Subject,
};
use crate::{
    account,
    load::in_flight,
    plan::Plan,
    report::{Report, progress},
    servers::Servers,
    sink::Sink,
    stats::Rounds,
};

/// How late the slow API answers.
const SLOW: Duration = Duration::from_millis(100);
/// Sends in flight: the usual bound, and one that leaves room for what this machine can do.
const BOUNDS: [usize; 2] = [64, 256];

pub(crate) fn run(plan: &Plan, servers: &Servers, report: &mut Report) -> Result<()> {
    let runtime = Runtime::new()?;
    let sink = Sink::start(&runtime)?;
    let stage = Stage { plan, servers, runtime: &runtime, sink: &sink };
    report.say("## With an API that takes 100 ms");
    let mut rows = Vec::new();
    for bound in BOUNDS {
        progress(&format!("starting the house with {bound} sends in flight"));
        let house = Subject::house(&format!("api{bound}"), servers, &runtime, &sink, 100, bound)?;
        stage.warm(&house)?;
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        for number in 1..=plan.rounds {
            progress(&format!("{bound} sends in flight: round {number} of {}", plan.rounds));
            fast.push(rate(&stage, &house, bound, Duration::ZERO)?);
            slow.push(rate(&stage, &house, bound, SLOW)?);
        }
        sink.answer_after(Duration::ZERO);
        let most = bound as f64 / SLOW.as_secs_f64();
        let reached = Rounds::of(slow.iter().zip(&fast).map(|(slow, fast)| slow / fast.min(most)));
        let name = format!("{bound} sends in flight: slow API to what the bound allows of a fast one");
        report.at_least(&name, &reached, 0.95);
        rows.push(vec![
            bound.to_string(),
            format!("{:.0}", Rounds::of(fast)),
            format!("{:.0}", Rounds::of(slow)),
            format!("{most:.0}"),
            format!("{reached:.2}"),
        ]);
    }
    report.table(
        &["bound on sends", "fast API: events/s", "100 ms API: events/s", "the bound allows", "reached"],
        &rows,
    );
    Ok(())
}

/// Events a second with twice as many under way as the bound has places, so that none is ever free.
fn rate(stage: &Stage<'_>, house: &Subject, bound: usize, answers_after: Duration) -> Result<f64> {
    let pushes = account::pushes((0..enough(stage.plan.closed)).map(known))?;
    stage.sink.answer_after(answers_after);
    let seen = in_flight(stage.runtime, house.door()?, stage.sink, &pushes, 2 * bound, stage.plan.closed)?;
    Ok(seen.rate())
}
