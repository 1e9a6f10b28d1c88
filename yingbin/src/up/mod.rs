//! Everything in one process: services, simulator, infrastructure, examples.

mod announce;
mod file;
mod ports;
mod running;
mod services;
mod system;

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub use announce::Announcement;
pub use ports::{Addresses, Ports};
pub use system::{Setup, System};

use crate::{example::Example, folders, infrastructure::Outside};

/// Flags of `yingbin up`.
#[derive(Args, Clone, Debug)]
pub struct UpFlags {
    /// Print one line of JSON on standard output when the present is reached, and nothing else there.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    ports: Ports,
    /// Folder of examples; found by itself from the project's folder.
    #[arg(long, value_name = "DIR")]
    examples: Option<PathBuf>,
    /// Put before the names of topics, groups and keys on servers that others use too.
    #[arg(long, default_value = "")]
    namespace: String,
}

/// Runs until Ctrl-C or SIGTERM, or until something ends that must not: that is told at once, and everything else ends in order.
///
/// # Errors
/// Something could not be started, or did not end in order; the error says what would help.
pub async fn run(flags: UpFlags) -> Result<ExitCode> {
    let shutdown = runtime::process::on_signal()?;
    let examples = match flags.examples {
        Some(folder) => Example::read_all(&folder)?,
        None => Example::read_all(&examples_folder()?)?,
    };
    let setup = Setup { examples, ports: flags.ports, outside: Outside::from_environment(&flags.namespace) };
    let Some(started) = shutdown.run_until_cancelled(System::start(setup)).await else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut system = started?;
    let ran = shutdown.run_until_cancelled(serve(&mut system, flags.json)).await;
    let code = match ran {
        Some(failure) => {
            eprintln!("yingbin: {failure:#}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    };
    eprintln!("ending …");
    system.stop().await?;
    Ok(code)
}

/// Reaches the present and serves until something fails. Dropped, it takes its announcement back.
async fn serve(system: &mut System, json: bool) -> anyhow::Error {
    let reached = tokio::select! {
        ended = system.redis_ended() => Err(ended.into()),
        announced = present(system, json) => announced,
    };
    match reached {
        Ok(_announcement) => system.failure().await,
        Err(failure) => failure,
    }
}

async fn present(system: &System, json: bool) -> Result<Announcement> {
    let bar = progress_bar();
    system
        .live_the_past(&|lived, all| {
            bar.set_length(all as u64);
            bar.set_position(lived as u64);
        })
        .await
        .context("the examples' past could not be lived through")?;
    bar.finish_and_clear();
    let mut announcement = Announcement::of(system);
    announcement.write(json)?;
    Ok(announcement)
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    let style =
        ProgressStyle::with_template("living through two months {bar:40} {pos}/{len} moments {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
        eprintln!("living through two months …");
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// The project's `examples/`.
///
/// # Errors
/// It is nowhere above the present folder nor above the program.
pub fn examples_folder() -> Result<PathBuf> {
    // Cargo, too, has folders of that name.
    let holds_one = |folder: &PathBuf| Example::folders(folder).is_ok_and(|found| !found.is_empty());
    let found = folders::upwards(std::path::Path::new("examples")).find(holds_one);
    found.context("no examples/ was found: start it in the project's folder, or name one with --examples DIR")
}
