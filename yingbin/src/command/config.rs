//! `yingbin config docs`: the reference of every setting, made by asking the services' own configuration readers.

use std::{fmt::Write as _, process::ExitCode};

use clap::Subcommand;
use runtime::config::{Asked, Settings};
use serde_json::{Value, json};

use super::Output;

/// What to do with the configuration.
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum ConfigCommand {
    /// Prints docs/configuration.md: every setting of every service with its default and meaning.
    Docs {
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
}

/// Runs it.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    let ConfigCommand::Docs { output } = command;
    output.answer(as_json, docs)?;
    Ok(ExitCode::SUCCESS)
}

/// A service by its name, what it does, and who asks for its settings.
struct Service {
    name: &'static str,
    does: &'static str,
    ask: fn(&mut Settings),
}

const SERVICES: [Service; 4] = [
    Service {
        name: "gateway",
        does: "Turns each push into one durable Kafka event.",
        ask: |settings| drop(gateway::Config::read(settings)),
    },
    Service {
        name: "profile-service",
        does: "Knows the user, and learns.",
        ask: |settings| drop(profile_service::Config::read(settings)),
    },
    Service {
        name: "content-service",
        does: "Decides what this user gets, and delivers it.",
        ask: |settings| drop(content_service::Config::read(settings)),
    },
    Service {
        name: "simulator",
        does: "WeChat without WeChat, for local runs, tests and load.",
        ask: |settings| drop(simulator::Config::read(settings)),
    },
];

/// Settings below a name of the operator's choice are asked for only if there is one; these stand for all.
const PLACEHOLDERS: [&str; 6] = [
    "accounts.0.name=NAME",
    "accounts.0.menu.0.name=NAME",
    "people.0.name=NAME",
    "sources.NAME.base=https://example.com",
    "kafka.properties.NAME=value",
    "kafka.consumer_properties.NAME=value",
];

const HEAD: &str = "# Configuration

<!-- Made by `yingbin config docs`; a test compares them. -->

Every service reads the same way: a default, over that the file of `--config FILE` (TOML), over that the environment, over that
`--set key=value`. A dot in a key is a table in the file (`[kafka]`, then `bootstrap = …`), and `__` in a variable:
`GATEWAY__KAFKA__BOOTSTRAP` is `kafka.bootstrap` of the gateway. `KAFKA_BOOTSTRAP` and `REDIS_URL` reach every service.
`accounts.*.name` stands for `name` in each `[[accounts]]` table, `NAME` for a name of yours.

A secret is better named by its `…_file`, which holds it, than written down; neither is ever printed. Whatever is wrong is
told at once, with file, line and key, and ends the process with code 64 before any port is bound: `SERVICE config check`
does only that, and `SERVICE config print` says what is in force and where it comes from.
";

/// The page, Markdown.
#[must_use]
pub fn docs() -> String {
    SERVICES.iter().fold(HEAD.to_owned(), |mut page, service| {
        let _infallible = write!(
            page,
            "\n## {}\n\n{}\n\n| setting | default | meaning |\n|---|---|---|\n",
            service.name, service.does
        );
        for asked in asked(service) {
            let _infallible = writeln!(page, "{}", row(&asked));
        }
        page
    })
}

fn asked(service: &Service) -> Vec<Asked> {
    let mut settings = Settings::load(service.name, None, [], &PLACEHOLDERS.map(str::to_owned));
    (service.ask)(&mut settings);
    settings.asked().cloned().collect()
}

fn row(asked: &Asked) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let default = match asked.default.as_str() {
        "" => String::new(),
        "required" => "**required**".to_owned(),
        default => format!("`{}`", cell(default)),
    };
    format!("| `{}` | {default} | {} |", cell(&asked.key), cell(&asked.meaning))
}

fn as_json() -> Value {
    let services = SERVICES.iter().map(|service| {
        let settings = asked(service)
            .into_iter()
            .map(|asked| json!({ "key": asked.key, "default": asked.default, "meaning": asked.meaning }));
        json!({ "service": service.name, "settings": settings.collect::<Vec<_>>() })
    });
    json!({ "services": services.collect::<Vec<_>>() })
}
