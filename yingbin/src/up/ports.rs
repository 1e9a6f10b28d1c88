//! The ports of a process that holds everything. A taken one is named together with the setting that moves it.

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::net::TcpListener;

/// Where everything listens, on the loopback; 0: any free port.
#[derive(Args, Clone, Copy, Debug)]
pub struct Ports {
    /// Pushes and links.
    #[arg(long, default_value_t = 8080)]
    pub gateway_port: u16,
    /// WeChat and the phone.
    #[arg(long, default_value_t = 8090)]
    pub simulator_port: u16,
    /// gRPC of profile-service.
    #[arg(long, default_value_t = 50051)]
    pub profile_port: u16,
    /// Probes and metrics: gateway on N, profile-service on N+1, content-service on N+2.
    #[arg(long, value_name = "N", default_value_t = 9090)]
    pub admin_port: u16,
}

impl Ports {
    /// Any free ones.
    pub const ANY: Self = Self { gateway_port: 0, simulator_port: 0, profile_port: 0, admin_port: 0 };
}

/// The listeners, bound.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) gateway: TcpListener,
    pub(super) simulator: TcpListener,
    pub(super) profile: TcpListener,
    pub(super) admin: [TcpListener; 3],
}

impl Bound {
    pub(super) async fn bind(ports: Ports) -> Result<Self> {
        let admin = |n: u16| if ports.admin_port == 0 { 0 } else { ports.admin_port.saturating_add(n) };
        Ok(Self {
            gateway: bind(ports.gateway_port, "--gateway-port").await?,
            simulator: bind(ports.simulator_port, "--simulator-port").await?,
            profile: bind(ports.profile_port, "--profile-port").await?,
            admin: [
                bind(admin(0), "--admin-port").await?,
                bind(admin(1), "--admin-port").await?,
                bind(admin(2), "--admin-port").await?,
            ],
        })
    }
}

async fn bind(port: u16, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("port {port} cannot be used: choose another with {flag} (0: any free one)"))
}

/// `http://127.0.0.1:port` of a listener.
pub(super) fn address(listener: &TcpListener) -> Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}
