//! The `gateway` process.

use std::process::ExitCode;

use gateway::{Config, Listeners, serve};

fn main() -> ExitCode {
    runtime::process::main("gateway", Config::read, async |config, clock, shutdown| {
        let listeners = Listeners::bind(&config).await?;
        serve(config, listeners, clock, shutdown).await
    })
}
