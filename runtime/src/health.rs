//! Liveness, readiness and metrics of a process, on a port of their own.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    registry::Registry,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{telemetry, tls};

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the probes are told. Clones share it.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// How many holds there are of each name.
    not_ready: watch::Sender<BTreeMap<String, usize>>,
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
        self.health.0.not_ready.send_modify(|not_ready| match not_ready.get_mut(&self.name) {
            Some(holds) if *holds > 1 => *holds -= 1,
            _ => {
                not_ready.remove(&self.name);
            }
        });
    }
}

impl Health {
    /// Ready and alive until somebody says otherwise.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Not ready before the hold, and every other of its name, is released; forgetting it fails safe.
    #[must_use]
    pub fn hold(&self, name: &str) -> Hold {
        self.0.not_ready.send_modify(|not_ready| *not_ready.entry(name.to_owned()).or_default() += 1);
        Hold { health: self.clone(), name: name.to_owned() }
    }

    /// Resolves when nobody holds `name` (any more). Cancel safe.
    pub async fn released(&self, name: &str) {
        let mut not_ready = self.0.not_ready.subscribe();
        let free = not_ready.wait_for(|not_ready| !not_ready.contains_key(name)).await;
        drop(free.expect("its sender lives in self"));
    }

    /// Adds a condition of being alive; its error says what is wrong.
    pub fn check(&self, name: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.checks().push((name, Box::new(check)));
    }

    fn checks(&self) -> MutexGuard<'_, Vec<(&'static str, Check)>> {
        self.0.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on not ready: the process is ending.
    pub fn closing(&self) {
        self.0.not_ready.send_modify(|not_ready| {
            not_ready.insert("closing".to_owned(), 1);
        });
    }

    /// What the process is still waiting for; empty: it is ready.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<String> {
        self.0.not_ready.borrow().keys().cloned().collect()
    }

    fn livez(&self) -> (StatusCode, String) {
        let failures: Vec<String> = self
            .checks()
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
    match encoded(registry) {
        Ok(text) => (
            StatusCode::OK,
            [(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What the service counts, and what every process does.
fn encoded(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, registry)?;
    encode_registry(&mut text, telemetry::registry())?;
    encode_registry(&mut text, &tls::REGISTRY)?;
    encode_eof(&mut text)?;
    Ok(text)
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
    fn holds_of_one_name_last_as_long_as_the_last_of_them() {
        let health = Health::new();
        let (one, other) = (health.hold("replies"), health.hold("replies"));
        one.release();
        assert_eq!(health.waiting_for(), ["replies"]);
        other.release();
        assert!(health.waiting_for().is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_for_a_hold_is_woken_by_its_release_and_not_by_another() {
        let health = Health::new();
        health.released("items").await;
        let (items, broker) = (health.hold("items"), health.hold("broker"));
        let waiter = health.clone();
        let waiting = tokio::spawn(async move { waiter.released("items").await });
        broker.release();
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        items.release();
        waiting.await.unwrap();
    }

    #[test]
    fn a_failed_check_says_why() {
        let health = Health::new();
        assert_eq!(health.livez().0, StatusCode::OK);
        health.check("producer", || Err("fenced".to_owned()));
        assert_eq!(health.livez(), (StatusCode::SERVICE_UNAVAILABLE, "producer: fenced\n".to_owned()));
    }
}
