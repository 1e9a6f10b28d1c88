//! Breaks a running system at every seam and holds the books of both ends against each other. Rows are named by their fault:
//! `cargo test -p yingbin --test faults -- f17` tries one, `FAULTS=all` all, `FAULTS=long` all, with sizes that take
//! their time, `SEED=…` repeats one, `SOAK=minutes` soaks.
//! `FAULTS_BINARIES=folder` breaks another build, and `FAULTS_OLDER=folder` is the build that F77 rolls from and back to.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on has failed")]

mod bounds;
mod checker;
mod cluster;
mod collect;
mod failpoints;
mod hot;
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
#[path = "../../../gateway/tests/it/volume.rs"]
mod volume;
mod words;

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
    let mut wanted = words::words(std::env::args().skip(1));
    let (names, for_the_page) =
        (rows::all().iter().map(|row| row.name).collect::<Vec<_>>(), variable("FAULTS_PAGE"));
    let strange = words::strange(&wanted, &names, for_the_page.is_some());
    if !strange.is_empty() {
        println!("no fault is named {strange:?}: `cargo test -p yingbin --test faults -- --list` names all");
        return ExitCode::FAILURE;
    }
    wanted.retain(|word| word.starts_with('f'));
    let rows = chosen(&wanted);
    if std::env::args().any(|word| word == "--list") {
        rows.iter().for_each(|row| println!("{}: test", row.name));
        return ExitCode::SUCCESS;
    }
    remember_places();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let failed = runtime.block_on(async {
        match variable("SOAK") {
            Some(minutes) => soak(minutes.parse().expect("SOAK is a number of minutes")).await,
            None => try_all(&rows).await,
        }
    });
    runtime.shutdown_background();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Named ones, all of them, or those that carry the promises. One node serves all that need no more, then three serve the rest.
fn chosen(wanted: &[String]) -> Vec<Row> {
    let all = long() || variable("FAULTS").is_some_and(|faults| faults == "all");
    let named = |row: &Row| wanted.iter().any(|word| words::names(word, row.name));
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

/// What became of a fault that was to be tried.
enum Tried {
    /// Everything held; what was measured.
    Held(String),
    /// This machine cannot do it.
    Not(String),
    Failed(String),
}

/// Begins what a row says that this machine cannot try.
const NOT_TRIED: &str = "not tried: ";

impl Tried {
    fn of(row: &Row, tried: Result<String, String>) -> Self {
        match tried {
            Err(why) => Self::Failed(why),
            Ok(told) if told.starts_with(NOT_TRIED) => Self::Not(told),
            Ok(told) => match row.seen.metrics().iter().find(|metric| !told.contains(**metric)) {
                Some(metric) => Self::Failed(format!("it does not tell by how much `{metric}` rose: {told}")),
                None => Self::Held(told),
            },
        }
    }
}

async fn try_all(rows: &[Row]) -> usize {
    let (mut cluster, mut failed, mut not_tried) = (None::<(usize, Cluster)>, Vec::new(), Vec::new());
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
        let tried = Tried::of(row, try_one(row, seed, servers).await);
        let seconds = since.elapsed().as_secs_f64();
        match &tried {
            Tried::Held(measured) => println!("ok, {seconds:.0} s\n        {measured}"),
            Tried::Not(why) => {
                println!("{why}");
                not_tried.push(row.name);
            }
            Tried::Failed(why) => {
                println!(
                    "FAILED after {seconds:.0} s\n        {why}\n        logs: {}",
                    folder(row.name).display()
                );
                failed.push(row.name);
                // Whatever it broke may still be broken.
                cluster = None;
            }
        }
        page::write(row, &tried);
    }
    println!(
        "{} faults, {} failed {failed:?}, {} not tried {not_tried:?}",
        rows.len(),
        failed.len(),
        not_tried.len()
    );
    failed.len()
}

/// How many failed: none or one.
async fn soak(minutes: u64) -> usize {
    let seed = seed();
    println!("soak of {minutes} min, SEED={seed}");
    let folder = folder("soak");
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    let soaked = AssertUnwindSafe(soak::soak(minutes, seed, &folder)).catch_unwind().await;
    let tried = match soaked {
        Ok(measured) => Tried::Held(measured),
        Err(panic) => Tried::Failed(message(&*panic)),
    };
    page::write_soak(minutes, &tried);
    match tried {
        Tried::Held(measured) | Tried::Not(measured) => {
            println!("{measured}");
            0
        }
        Tried::Failed(why) => {
            println!("FAILED: {why}\n        logs: {}", folder.display());
            1
        }
    }
}

/// What was measured, or why it failed. Logs of a failure are kept.
async fn try_one(row: &Row, seed: u64, cluster: &mut Cluster) -> Result<String, String> {
    let folder = folder(row.name);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    let mut trial = Trial::new((row.name, row.seen), seed, cluster, &folder);
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

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults").join(name)
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
