//! Plays an example headless: scene by scene, with what every guest is expected to see.

mod page;
mod scene;
mod stage;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;

pub use page::Page;
pub use scene::{Expectation, Scene, Script};
pub use stage::{Played, Stage};

use crate::{
    example::Example,
    infrastructure::Outside,
    up::{Ports, Setup, System},
};

/// Flags of `yingbin story`.
#[derive(Args, Clone, Debug)]
pub struct StoryFlags {
    /// Folder of the example: `examples/qianjiang`.
    folder: PathBuf,
    /// One JSON object a line: every act with its push, event, decision and messages; the verdict last.
    #[arg(long)]
    json: bool,
    /// Put before the names of topics, groups and keys on servers that others use too.
    #[arg(long, default_value = "")]
    namespace: String,
}

/// Starts a system of its own, lives the past, plays the scenes, and ends. Success only if every event reached its outcome and
/// every expectation held.
///
/// # Errors
/// The system could not be started, or a push was not taken.
pub async fn run(flags: StoryFlags) -> Result<ExitCode> {
    let example = Example::read(&flags.folder)?;
    let script = Script::read(&flags.folder.join("story.yaml"))?;
    let mut page = Page::new(flags.json);
    page.opening(&script.title);
    let setup = Setup {
        examples: vec![example],
        ports: Ports::ANY,
        outside: Outside::from_environment(&flags.namespace),
    };
    let system = System::start(setup).await?;
    let playing = async {
        system.live_the_past(&|_, _| {}).await?;
        Stage::new(&system, &mut page)?.play(&script).await
    };
    let played = tokio::select! {
        ended = system.redis_ended() => Err(ended.into()),
        played = playing => played,
    };
    let stopped = system.stop().await;
    let played = played?;
    stopped?;
    page.verdict(&played);
    Ok(if played.complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
