//! What this program can be besides the bench: one subject, until its input ends.

mod afternoon;
mod bare;
mod chain;
mod system;

use std::{future::Future, io::Read as _, net::SocketAddr, path::PathBuf, thread};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What a role is told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// `host:port` of Kafka.
    pub(crate) bootstrap: String,
    /// Address of Redis.
    pub(crate) redis: String,
    /// Before all names there.
    pub(crate) namespace: String,
    /// The platform's API.
    pub(crate) api: Option<SocketAddr>,
    /// gRPC of the profiles.
    pub(crate) profiles: Option<SocketAddr>,
    /// The playbook.
    pub(crate) playbook: PathBuf,
    /// Bound on sends under way; events are twice as many at least. 0: the service's own defaults.
    pub(crate) sends: usize,
}

/// Where a role listens; printed as one line when it does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// Its door: HTTP or gRPC. `None`: it only consumes.
    pub(crate) door: Option<SocketAddr>,
    /// Probes and metrics.
    pub(crate) admin: Option<SocketAddr>,
}

/// Runs a role until the end of standard input.
pub(crate) fn run(role: &str, settings: &str) -> Result<()> {
    runtime::telemetry::init("error");
    let settings: Settings = serde_json::from_str(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let shutdown = until_input_ends();
        match role {
            "bare" => bare::run(settings, shutdown).await,
            "afternoon" => afternoon::run(settings, shutdown).await,
            "gateway" => system::gateway(settings, shutdown).await,
            "profile" => system::profile(settings, shutdown).await,
            "content" => system::content(settings, shutdown).await,
            "chain-profile" => chain::profile(settings, shutdown).await,
            "chain-content" => chain::content(settings, shutdown).await,
            other => bail!("there is no role {other}"),
        }
    });
    runtime.shutdown_background();
    ended
}

fn until_input_ends() -> CancellationToken {
    let token = CancellationToken::new();
    let told = token.clone();
    thread::spawn(move || {
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap_or_default();
        told.cancel();
    });
    token
}

async fn any_port() -> Result<TcpListener> {
    Ok(TcpListener::bind("127.0.0.1:0").await?)
}

#[expect(clippy::print_stdout, reason = "read by the bench")]
fn announce(door: Option<&TcpListener>, admin: Option<&TcpListener>) -> Result<()> {
    let address = |listener: Option<&TcpListener>| listener.map(TcpListener::local_addr).transpose();
    println!("{}", serde_json::to_string(&Addresses { door: address(door)?, admin: address(admin)? })?);
    Ok(())
}

/// Runs something until the shutdown.
async fn until<T>(shutdown: CancellationToken, serving: impl Future<Output = Result<T>>) -> Result<()> {
    shutdown.run_until_cancelled(serving).await.map_or(Ok(()), |ended| ended.map(drop))
}
