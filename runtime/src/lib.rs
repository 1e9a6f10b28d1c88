//! What it means to be a process here: configuration, telemetry, health, supervision, ordered shutdown, Kafka and Redis with deadlines.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod health;
pub mod kafka;
pub mod process;
pub mod redis;
pub mod service;
pub mod telemetry;
pub mod tls;
pub mod trace;

/// Version of the code, as it stands in decisions and on `/livez`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Events are taken apart and put together in small pieces: that takes less CPU with it than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
