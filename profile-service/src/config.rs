//! What can be set. Learning has no settings here: half-lives and thresholds are part of the contract.

use std::{net::SocketAddr, time::Duration};

use runtime::{config::Settings, kafka::Kafka, redis::RedisConfig, tls::TlsFiles};

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where gRPC is served.
    pub grpc: Grpc,
    /// Where probes and metrics are served.
    pub admin_listen: SocketAddr,
    /// Where activities come from.
    pub kafka: Kafka,
    /// Where profiles are kept.
    pub redis: RedisConfig,
    /// Memory for profiles written last, bytes; 0: none.
    pub cache_bytes: u64,
}

/// The gRPC server.
#[derive(Clone, Debug)]
pub struct Grpc {
    /// Address and port.
    pub listen: SocketAddr,
    /// A connection is asked to end after so long, so that new replicas get their share.
    pub max_connection_age: Duration,
    /// Who asks is told what can be called.
    pub reflection: bool,
    /// Without a certificate: no TLS.
    pub tls: TlsFiles,
}

impl Grpc {
    /// Without TLS; all else as it is by default.
    #[must_use]
    pub fn on(listen: SocketAddr) -> Self {
        let max_connection_age = Duration::from_secs(300);
        Self { listen, max_connection_age, reflection: true, tls: TlsFiles::default() }
    }

    fn read(settings: &mut Settings) -> Self {
        let default = Self::on(([0, 0, 0, 0], 50051).into());
        Self {
            listen: settings.get("grpc.listen", default.listen, "Where gRPC is served."),
            max_connection_age: settings.get(
                "grpc.max_connection_age",
                default.max_connection_age,
                "A connection is asked to end after so long, so that new replicas get their share of the calls.",
            ),
            reflection: settings.get(
                "grpc.reflection",
                default.reflection,
                "Whoever asks is told what can be called (gRPC reflection).",
            ),
            tls: TlsFiles::read_server(settings, "grpc"),
        }
    }
}

impl Config {
    /// Reads the settings.
    pub fn read(settings: &mut Settings) -> Self {
        let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
        Self {
            grpc: Grpc::read(settings),
            admin_listen: settings.get("admin.listen", any(9091), "Where probes and metrics are served."),
            kafka: Kafka::read(settings),
            redis: RedisConfig::read(settings),
            cache_bytes: settings.get(
                "cache.bytes",
                64 * 1024 * 1024,
                "Memory for the profiles written last, in bytes; it saves one round trip per returning user. 0: none.",
            ),
        }
    }
}
