//! `yingbin push`: captured pushes taken apart, pushes made and sent.

mod cause;
mod decode;
mod scan;
mod send;
mod steps;

use std::process::ExitCode;

use clap::Subcommand;

pub use decode::DecodeFlags;
pub use send::SendFlags;

/// What to do with a push.
#[derive(Subcommand, Debug)]
pub enum PushCommand {
    /// Says step by step whether a captured push (or URL verification) verifies and decrypts, and prints what is in it.
    #[command(after_long_help = decode::JSON, after_help = decode::JSON)]
    Decode(DecodeFlags),
    /// Signs, encrypts and sends a push to any gateway, as WeChat would.
    ///
    /// WeChat itself, or its simulator, learns nothing of it and opens no window for an answer: what is sent back is refused with
    /// 45015 unless a window is open already. A push that is to be answered is made by the simulator's `POST /sim/push`.
    #[command(after_help = send::EXAMPLE)]
    Send(SendFlags),
}

/// Runs it at `now_ms`, Unix milliseconds. Exit code 0: verified, or answered 2xx; 1: not.
///
/// # Errors
/// A file cannot be read, flags do not fit together, or the gateway cannot be reached.
pub async fn run(command: PushCommand, now_ms: i64) -> anyhow::Result<ExitCode> {
    match command {
        PushCommand::Decode(flags) => decode::run(&flags, now_ms / 1_000),
        PushCommand::Send(flags) => send::run(&flags, now_ms / 1_000).await,
    }
}
