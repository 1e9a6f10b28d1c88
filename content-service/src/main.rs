//! The `content-service` process.

use std::process::ExitCode;

use content_service::{Config, Listeners, serve};

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints belong into test builds only");

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    runtime::process::main("content-service", Config::read, |config, clock, shutdown| async move {
        let listeners = Listeners::bind(&config).await?;
        serve(config, listeners, clock, shutdown).await
    })
}
