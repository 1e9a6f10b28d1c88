//! Breaks a running system at every seam and holds the books of both ends against each other. Rows are named by their fault:
//! `cargo test -p yingbin --test faults -- f17` tries one, `FAULTS=all` all, `FAULTS=long` all, with sizes that take
//! their time, `SEED=…` repeats one, `SOAK=minutes` soaks.
//! `FAULTS_BINARIES=folder` breaks another build, and `FAULTS_OLDER=folder` is the build that F77 rolls from and back to.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on has failed")]

mod checker;
mod cluster;
mod collect;
mod failpoints;
mod load;
mod page;
mod proxy;
mod rows;
mod service;
mod soak;
mod stand;
mod starved;
mod support;
mod times;
mod trial;

use std::{
    any::Any,
    fs,
    io::Write as _,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use cluster::Cluster;
use futures::FutureExt as _;
use rows::Row;
use trial::Trial;

/// A row that takes longer hangs; and where it has the size of the specification.
const LONGEST: Duration = Duration::from_secs(480);
const LONGEST_LONG: Duration = Duration::from_secs(3_000);

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| word.starts_with('f')).collect();
    let rows = chosen(&wanted);
    if std::env::args().any(|word| word == "--list") {
        rows.iter().for_each(|row| println!("{}: test", row.name));
        return ExitCode::SUCCESS;
    }
    remember_places();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let failed = runtime.block_on(async {
        match variable("SOAK") {
            Some(minutes) => soak::soak(minutes.parse().expect("SOAK is a number of minutes"), seed()).await,
            None => try_all(&rows).await,
        }
    });
    runtime.shutdown_background();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Named ones, all of them, or those that carry the promises. One node serves all that need no more, then three serve the rest.
fn chosen(wanted: &[String]) -> Vec<Row> {
    let all = long() || variable("FAULTS").is_some_and(|faults| faults == "all");
    let named = |row: &Row| wanted.iter().any(|word| row.name.contains(word.as_str()));
    let mut rows = rows::all();
    rows.retain(|row| if wanted.is_empty() { all || row.short } else { named(row) });
    rows.sort_by_key(|row| row.nodes);
    rows
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Sizes as the specification has them.
pub(crate) fn long() -> bool {
    variable("FAULTS").is_some_and(|faults| faults == "long")
}

/// `SEED` repeats a run.
fn seed() -> u64 {
    variable("SEED").map_or_else(rand::random, |seed| seed.parse().expect("SEED is a number"))
}

async fn try_all(rows: &[Row]) -> usize {
    let (mut cluster, mut failed) = (None::<(usize, Cluster)>, Vec::new());
    for (n, row) in rows.iter().enumerate() {
        if cluster.as_ref().is_none_or(|(nodes, _)| *nodes != row.nodes) {
            drop(cluster.take());
            println!("        starting Kafka, {} node(s)", row.nodes);
            cluster = Some((row.nodes, Cluster::start(row.nodes).await));
        }
        let seed = seed();
        print!("[{:2}/{}] {} (SEED={seed}) ... ", n + 1, rows.len(), row.title());
        std::io::stdout().flush().unwrap();
        let (since, (_, servers)) = (Instant::now(), cluster.as_mut().expect("it was just started"));
        let tried = try_one(row, seed, servers).await;
        let seconds = since.elapsed().as_secs_f64();
        match &tried {
            Ok(measured) => println!("ok, {seconds:.0} s\n        {measured}"),
            Err(why) => {
                println!(
                    "FAILED after {seconds:.0} s\n        {why}\n        logs: {}",
                    folder(row).display()
                );
                failed.push(row.name);
                // Whatever it broke may still be broken.
                cluster = None;
            }
        }
        page::write(row, &tried.unwrap_or_else(|why| format!("**not held**: {why}")));
    }
    println!("{} faults, {} failed {failed:?}", rows.len(), failed.len());
    failed.len()
}

/// What was measured, or why it failed. Logs of a failure are kept.
async fn try_one(row: &Row, seed: u64, cluster: &mut Cluster) -> Result<String, String> {
    let folder = folder(row);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    let mut trial = Trial::new(row, seed, cluster, &folder);
    let longest = if long() { LONGEST_LONG } else { LONGEST };
    let tried = AssertUnwindSafe(tokio::time::timeout(longest, (row.run)(&mut trial))).catch_unwind().await;
    match tried {
        Ok(Ok(measured)) => {
            trial.clean().await;
            fs::remove_dir_all(&folder).ok();
            Ok(measured)
        }
        Ok(Err(_)) => Err(format!("not over within {longest:?}")),
        Err(panic) => Err(message(&*panic)),
    }
}

fn folder(row: &Row) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults").join(row.name)
}

/// Where the last panic was; what it said is told in the line of its fault.
static PLACE: Mutex<String> = Mutex::new(String::new());

fn remember_places() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    format!("{text}, at {}", PLACE.lock().unwrap_or_else(PoisonError::into_inner))
}
