//! `make bench`: what a push costs, what a message costs, beside bare handlers and chains of the same hops.
//!
//! Every subject is a process of its own (this program again, in a role), so that its CPU can be read from `/proc`.
//! `BENCH_QUICK=1`, or the argument `quick`, makes it short; the names of parts (`start`, `gateway`, `message`, `api`,
//! `profiles`, `items`) run only these.

mod account;
mod load;
mod plan;
mod plot;
mod process;
mod report;
mod roles;
mod scenario;
mod servers;
mod sink;
mod stats;

use std::{env, process::ExitCode};

use anyhow::Result;

use plan::Plan;
use report::Report;
use servers::Servers;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let ended = match &arguments[..] {
        [word, role, settings] if word == "role" => roles::run(role, settings),
        _ => bench(&Plan::read(&arguments, env::var("BENCH_QUICK").is_ok_and(|quick| quick == "1"))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(plan: &Plan) -> Result<()> {
    let servers = Servers::find()?;
    let mut report = Report::new(plan, &servers)?;
    if plan.runs("start") {
        scenario::start::run(plan, &mut report)?;
    }
    if plan.runs("gateway") {
        scenario::gateway::run(plan, &servers, &mut report)?;
    }
    if plan.runs("message") {
        scenario::message::run(plan, &servers, &mut report)?;
    }
    if plan.runs("api") {
        scenario::api::run(plan, &servers, &mut report)?;
    }
    scenario::slope::run(plan, &servers, &mut report)?;
    report.finish()
}
