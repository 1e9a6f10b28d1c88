//! The `gateway` process.

use std::process::ExitCode;

use gateway::{Config, Listeners, serve};

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints belong into test builds only");

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    runtime::process::main("gateway", Config::read, async |config, clock, shutdown| {
        let listeners = Listeners::bind(&config).await?;
        serve(config, listeners, clock, shutdown).await
    })
}
