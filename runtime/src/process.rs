//! The life of a service process: flags, configuration, telemetry, signals, exit code.

use std::{future::Future, net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, config::Settings, telemetry};

/// Exit code of flags or a configuration that cannot be used (`EX_USAGE`).
pub const BAD_CONFIGURATION: u8 = 64;

/// What shows only when a service has started: servers that it cannot rely on as they are set. Ends the process with
/// [`BAD_CONFIGURATION`], however deep in an error it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(pub String);

#[derive(Parser)]
#[command(version = crate::VERSION)]
struct Flags {
    /// Settings, TOML. See docs/configuration.md.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, over file and environment.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Looks at the configuration without starting.
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
}

#[derive(Subcommand, Clone, Copy)]
enum ConfigCommand {
    /// Says everything that is wrong with it; exit code 64 if something is.
    Check,
    /// Prints what is in force and where it comes from, secrets left out.
    Print,
}

/// Runs a service from its flags to its exit code: 0 in order, 1 failed, 64 badly configured (before any port is bound, but for what
/// only a server can tell: [`Misconfigured`]).
pub fn main<C, Serving>(
    service: &'static str,
    read: impl FnOnce(&mut Settings) -> C,
    serve: impl FnOnce(C, Clock, CancellationToken) -> Serving,
) -> ExitCode
where
    Serving: Future<Output = anyhow::Result<()>>,
{
    let flags = Flags::command().name(service).try_get_matches();
    let flags = match flags.and_then(|matches| Flags::from_arg_matches(&matches)) {
        Ok(flags) => flags,
        Err(told) => return misused(&told),
    };
    let mut settings = Settings::load(service, flags.config.as_deref(), std::env::vars(), &flags.set);
    let config = read(&mut settings);
    let printed = settings.print();
    if let Err(problems) = settings.finish() {
        eprint!("{problems}");
        return ExitCode::from(BAD_CONFIGURATION);
    }
    match flags.command {
        Some(Command::Config { what: ConfigCommand::Print }) => say(&printed),
        Some(Command::Config { what: ConfigCommand::Check }) => {
            say(&format!("{service}: the configuration is good\n"))
        }
        None => run(service, &printed, config, serve),
    }
}

/// Help and version are answers; any other word of clap's is a configuration that cannot be used.
fn misused(told: &clap::Error) -> ExitCode {
    // Nobody is left to be told that it could not be written.
    told.print().unwrap_or_default();
    if told.use_stderr() { ExitCode::from(BAD_CONFIGURATION) } else { ExitCode::SUCCESS }
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn say(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

fn run<C, Serving: Future<Output = anyhow::Result<()>>>(
    service: &'static str,
    printed: &str,
    config: C,
    serve: impl FnOnce(C, Clock, CancellationToken) -> Serving,
) -> ExitCode {
    telemetry::init("info");
    telemetry::tell_panics();
    let ended =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Into::into).and_then(
            |runtime| {
                let ended = runtime.block_on(async {
                    tracing::info!(service, version = crate::VERSION, settings = printed, "starting");
                    serve(config, Clock::system(), on_signal()?).await
                });
                runtime.shutdown_timeout(std::time::Duration::from_secs(2));
                ended
            },
        );
    match ended {
        Ok(()) => {
            tracing::info!(service, "ended in order");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(service, error = format!("{error:#}"), "ended");
            let misconfigured = error.chain().any(|cause| cause.is::<Misconfigured>());
            if misconfigured { ExitCode::from(BAD_CONFIGURATION) } else { ExitCode::FAILURE }
        }
    }
}

/// Binds the address that a setting names.
///
/// # Errors
/// It is taken or is not this machine's; the error names the setting that moves it.
pub async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}: free it, or set {setting} to another address"))
}

/// A token that SIGTERM or SIGINT cancels. A SIGINT after that ends the process at once: a person does not want to wait. SIGTERM may come
/// as often as it likes.
///
/// # Errors
/// The signals cannot be listened to.
pub fn on_signal() -> anyhow::Result<CancellationToken> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => if token.is_cancelled() { std::process::exit(130) },
            }
            token.cancel();
        }
    });
    Ok(shutdown)
}
