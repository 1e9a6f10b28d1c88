//! The ports of a process that holds everything. All taken ones are named at once, each with the flag that moves it.

use anyhow::{Result, bail};
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

    /// Each with the flag that moves it: gateway, simulator, profile-service, then the three for probes and metrics.
    fn all(self) -> [(u16, &'static str); 6] {
        let admin = |n: u16| if self.admin_port == 0 { 0 } else { self.admin_port.saturating_add(n) };
        [
            (self.gateway_port, "--gateway-port"),
            (self.simulator_port, "--simulator-port"),
            (self.profile_port, "--profile-port"),
            (admin(0), "--admin-port"),
            (admin(1), "--admin-port"),
            (admin(2), "--admin-port"),
        ]
    }
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
    /// Binds all, or says of every port why it cannot be had.
    pub(super) async fn bind(ports: Ports) -> Result<Self> {
        let mut taken = Vec::new();
        let mut bound = Vec::with_capacity(6);
        for (port, flag) in ports.all() {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => bound.push(listener),
                Err(error) => taken.push(format!("port {port} cannot be used ({error}): {flag} moves it")),
            }
        }
        let all: Result<[TcpListener; 6], _> = bound.try_into();
        let Ok([gateway, simulator, profile, first, second, third]) = all else {
            bail!("{}; 0 takes any free one", taken.join("\n         "));
        };
        Ok(Self { gateway, simulator, profile, admin: [first, second, third] })
    }
}

/// Where everything listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Pushes and links.
    pub gateway: String,
    /// WeChat, its control and the phone.
    pub simulator: String,
    /// gRPC.
    pub profile: String,
    /// Probes and metrics of gateway, profile-service, content-service.
    pub admin: [String; 3],
}

impl Addresses {
    pub(super) fn of(bound: &Bound) -> Result<Self> {
        let [gateway, profile, content] = &bound.admin;
        Ok(Self {
            gateway: address(&bound.gateway)?,
            simulator: address(&bound.simulator)?,
            profile: address(&bound.profile)?,
            admin: [address(gateway)?, address(profile)?, address(content)?],
        })
    }
}

/// `http://127.0.0.1:port` of a listener.
fn address(listener: &TcpListener) -> Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_and_metrics_are_on_three_ports_in_a_row() {
        let ports = Ports { gateway_port: 1, simulator_port: 2, profile_port: 3, admin_port: 7_000 };
        assert_eq!(ports.all().map(|(port, _)| port), [1, 2, 3, 7_000, 7_001, 7_002]);
        assert_eq!(Ports::ANY.all().map(|(port, _)| port), [0; 6], "0 is any, also for the second and third");
    }

    #[tokio::test]
    async fn the_three_are_told_in_their_order() {
        let bound = Bound::bind(Ports::ANY).await.unwrap();
        let ports = bound.admin.each_ref().map(|admin| admin.local_addr().unwrap().port());
        let told = Addresses::of(&bound).unwrap().admin;
        assert_eq!(told, ports.map(|port| format!("http://127.0.0.1:{port}")));
    }
}
