//! The operator's commands. Each says what it found in a few lines, or as JSON with `--json`.

pub mod activity;
pub mod config;
pub mod import;
pub mod items;
mod lines;
mod output;
mod progress;
mod publish;
pub mod push;
mod records;
mod servers;
pub mod tail;
mod time;
pub mod topics;
pub mod unknown;
pub mod usage;
pub mod who;
pub mod why;

pub use lines::Problem;
pub use output::Output;
pub use servers::{Account, KafkaFlags, ProfileFlags, Servers};
pub use usage::Usage;
