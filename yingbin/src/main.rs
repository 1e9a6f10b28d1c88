//! The `yingbin` process: its commands, and how each ends.

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind};
use runtime::{clock::Clock, telemetry};
use yingbin::{
    command::{
        Output,
        activity::{self, ActivityCommand},
        config::{self, ConfigCommand},
        import::{self, ImportFlags},
        items::{self, ItemsCommand},
        push::{self, PushCommand},
        tail::{self, TailFlags},
        topics::{self, TopicsCommand},
        unknown::{self, UnknownCommand},
        usage::{self, Usage},
        who::{self, WhoFlags},
        why::{self, WhyFlags},
    },
    story::{self, StoryFlags},
    up::{self, UpFlags},
};

/// Yingbin (迎宾): knows who has just walked in, and has the shop rearranged before the guest looks up.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything in this process, with a phone to look at.
    Up(UpFlags),
    /// Plays an example headless and shows what everybody got.
    Story(StoryFlags),
    /// Takes a captured push apart, or sends one.
    #[command(subcommand)]
    Push(PushCommand),
    /// Prints a topic's records as JSON lines.
    Tail(TailFlags),
    /// Publishes what can be shown, or takes it back.
    #[command(subcommand)]
    Items(ItemsCommand),
    /// Brings what the customer database knows into the profiles.
    Import(ImportFlags),
    /// Tells what customers did elsewhere.
    #[command(subcommand)]
    Activity(ActivityCommand),
    /// Creates the Kafka topics.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Shows what can be configured.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Shows what is known about a person.
    #[command(after_help = who::EXAMPLE)]
    Who(WhoFlags),
    /// Shows what was decided on an event, and why.
    #[command(after_help = why::EXAMPLE)]
    Why(WhyFlags),
    /// Shows replies whose end nobody knows, and decides on them.
    #[command(subcommand)]
    Unknown(UnknownCommand),
}

fn main() -> ExitCode {
    let matches = Cli::command().try_get_matches().unwrap_or_else(|error| misunderstood(&error));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // `up` prints one line there, or nothing.
    let output = Output { json: wants_json(&matches) && !matches!(cli.command, Command::Up(_)) };
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(cli.command, Clock::system().now_ms())));
    ended.unwrap_or_else(|error| {
        let say = format!("{error:#}");
        eprintln!("yingbin: {say}");
        if error.chain().any(|cause| cause.is::<Usage>()) {
            output.refusal("usage", &say);
            show_example();
            return ExitCode::from(usage::EXIT);
        }
        output.failure(&say);
        ExitCode::FAILURE
    })
}

/// Ends with what clap says; a program that asked for JSON finds what is wrong in its last line, too.
fn misunderstood(error: &clap::Error) -> ! {
    if !error.use_stderr() {
        error.exit();
    }
    let mut arguments = std::env::args_os().skip(1).take_while(|argument| argument != "--").peekable();
    let up = arguments.peek().is_some_and(|command| command == "up");
    if !up && arguments.any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let say = text.split("\n\nUsage:").next().unwrap_or_default().trim_start_matches("error: ").trim();
        Output { json: true }.refusal("usage", say);
    }
    if error.print().is_ok() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        show_example();
    }
    std::process::exit(usage::EXIT.into())
}

/// One that is right, where the command that was called has one.
fn show_example() {
    let mut command = Cli::command();
    for argument in std::env::args().skip(1) {
        let Some(inner) = command.find_subcommand(argument).cloned() else { break };
        command = inner;
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if help.starts_with("Example: ") {
        eprintln!("\n{help}");
    }
}

/// The flag stands at the innermost command.
fn wants_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, inner)) => wants_json(inner),
        None => matches!(matches.try_get_one::<bool>("json"), Ok(Some(true))),
    }
}

async fn run(command: Command, now_ms: i64) -> anyhow::Result<ExitCode> {
    if !matches!(command, Command::Up(_) | Command::Story(_)) {
        // What goes wrong is told once, by the command itself; RUST_LOG shows what the clients say.
        telemetry::init("off");
    }
    match command {
        Command::Up(flags) => up::run(flags).await,
        Command::Story(flags) => story::run(flags).await,
        Command::Push(command) => push::run(command, now_ms).await,
        Command::Tail(flags) => tail::run(flags).await,
        Command::Items(command) => items::run(command, now_ms).await,
        Command::Import(flags) => import::run(flags, now_ms).await,
        Command::Activity(command) => activity::run(command, now_ms).await,
        Command::Topics(command) => topics::run(command).await,
        Command::Config(command) => config::run(command),
        Command::Who(flags) => who::run(flags).await,
        Command::Why(flags) => why::run(flags).await,
        Command::Unknown(command) => unknown::run(command, now_ms).await,
    }
}
