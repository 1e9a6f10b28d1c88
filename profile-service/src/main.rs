//! The `profile-service` process.

use std::process::ExitCode;

use profile_service::{Config, Listeners, serve};

fn main() -> ExitCode {
    runtime::process::main("profile-service", Config::read, |config, clock, shutdown| async {
        let listeners = Listeners::bind(&config).await?;
        serve(config, listeners, clock, shutdown).await
    })
}
