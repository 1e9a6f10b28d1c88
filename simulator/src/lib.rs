//! WeChat itself, for local runs, tests and load, with a phone to look at.
//!
//! One HTTP server: the platform's own paths under `/cgi-bin/`, the control under `/sim/`, the phone at `/`.
//! `docs/simulator.md` describes every endpoint.

mod accept;
mod act;
pub mod config;
mod control;
mod deliver;
pub mod faults;
mod nowhere;
mod phone;
mod platform;
mod record;
mod routes;
mod sources;
mod stream;
mod tap;
mod world;

use axum::Router;
use runtime::clock::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use act::{Act, ActError};
pub use config::Config;
pub use deliver::{Attempt, Order, OrderError};
pub use record::{Arrival, Push, Send};
pub use world::Simulator;

/// Runs a simulator until `shutdown`; `extra` is merged into its routes.
///
/// # Errors
/// When the configuration contradicts itself or the HTTP client can not be built.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    clock: Clock,
    extra: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    Simulator::new(config, clock)?.serve(listener, extra, shutdown).await;
    Ok(())
}
