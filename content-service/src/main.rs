//! The `content-service` process.

use std::process::ExitCode;

use content_service::{Config, Listeners, serve};

fn main() -> ExitCode {
    runtime::process::main("content-service", Config::read, |config, clock, shutdown| async move {
        let listeners = Listeners::bind(&config).await?;
        serve(config, listeners, clock, shutdown).await
    })
}
