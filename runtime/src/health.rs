//! Liveness, readiness and metrics of a process, on a port of their own.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the probes are told. Clones share it.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    not_ready: Mutex<BTreeSet<String>>,
    checks: Mutex<Vec<(&'static str, Check)>>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("not_ready", &self.waiting_for()).finish()
    }
}

/// Keeps the process from being ready until it is released or dropped.
#[derive(Debug)]
pub struct Hold {
    health: Health,
    name: String,
}

impl Hold {
    /// The thing is ready.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.health.0.not_ready).remove(&self.name);
    }
}

impl Health {
    /// Ready and alive until somebody says otherwise.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Not ready before the hold is released; forgetting it fails safe.
    #[must_use]
    pub fn hold(&self, name: &str) -> Hold {
        lock(&self.0.not_ready).insert(name.to_owned());
        Hold { health: self.clone(), name: name.to_owned() }
    }

    /// Adds a condition of being alive; its error says what is wrong.
    pub fn check(&self, name: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        lock(&self.0.checks).push((name, Box::new(check)));
    }

    /// From now on not ready: the process is ending.
    pub fn closing(&self) {
        lock(&self.0.not_ready).insert("closing".to_owned());
    }

    /// What the process is still waiting for; empty: it is ready.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<String> {
        lock(&self.0.not_ready).iter().cloned().collect()
    }

    fn livez(&self) -> (StatusCode, String) {
        let failures: Vec<String> = lock(&self.0.checks)
            .iter()
            .filter_map(|(name, check)| check().err().map(|why| format!("{name}: {why}")))
            .collect();
        if failures.is_empty() {
            (StatusCode::OK, format!("alive {}\n", crate::VERSION))
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, failures.join("\n") + "\n")
        }
    }

    fn readyz(&self) -> (StatusCode, String) {
        let waiting = self.waiting_for();
        if waiting.is_empty() {
            (StatusCode::OK, "ready\n".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", waiting.join(", ")))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves `/livez`, `/readyz` and `/metrics` until `shutdown`.
///
/// # Errors
/// The listener failed.
pub async fn admin(
    listener: TcpListener,
    health: Health,
    registry: Arc<Registry>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (live, ready) = (health.clone(), health);
    let router = Router::new()
        .route("/livez", get(async move || live.livez()))
        .route("/readyz", get(async move || ready.readyz()))
        .route("/metrics", get(move || std::future::ready(metrics(&registry))));
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await?;
    Ok(())
}

fn metrics(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => (
            StatusCode::OK,
            [(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_the_last_hold_is_gone() {
        let health = Health::new();
        let (items, broker) = (health.hold("items"), health.hold("broker"));
        assert_eq!(health.readyz().1, "waiting for broker, items\n");
        items.release();
        drop(broker);
        assert_eq!(health.readyz().0, StatusCode::OK);
        health.closing();
        assert_eq!(health.readyz().0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_failed_check_says_why() {
        let health = Health::new();
        assert_eq!(health.livez().0, StatusCode::OK);
        health.check("producer", || Err("fenced".to_owned()));
        assert_eq!(health.livez(), (StatusCode::SERVICE_UNAVAILABLE, "producer: fenced\n".to_owned()));
    }
}
