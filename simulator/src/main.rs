//! The `simulator` process.

use std::process::ExitCode;

use anyhow::Context;
use simulator::Config;

fn main() -> ExitCode {
    runtime::process::main("simulator", Config::read, |config, clock, shutdown| async move {
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("bind {}: move it with the setting `listen`", config.listen))?;
        tracing::info!(address = %config.listen, "the phone is at this address");
        simulator::serve(config, listener, clock, axum::Router::new(), shutdown).await
    })
}
