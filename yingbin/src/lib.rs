//! Everything in one process on embedded infrastructure, and the operator's command line.

pub mod backstage;
pub mod command;
pub mod example;
pub mod folders;
pub mod infrastructure;
pub mod json;
pub mod play;
pub mod story;
pub mod up;
