//! The server around the service: limits, keep-alive, health, reflection, trace context.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use proto::profile::profile_service_server::ProfileServiceServer;
use runtime::{
    health::Hold,
    tls::{Pem, TlsFiles},
    trace::{self, TraceParent},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{
    Certificate, Identity, Server, ServerTlsConfig,
    server::{Router, TcpIncoming},
};
use tonic_health::{
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

use super::Door;
use crate::{config::Grpc, learn::bounds, metrics::Metrics, people::People};

/// Calls of one connection at once.
const CALLS_PER_CONNECTION: usize = 1024;
/// A connection that was asked to end and still has calls (an import) gets so long.
const AGE_GRACE: Duration = Duration::from_secs(600);
/// After the shutdown calls under way get so long.
const DRAIN: Duration = Duration::from_secs(5);
/// How often Redis is asked whether it is there.
const PROBE: Duration = Duration::from_millis(500);

/// Serves until `shutdown`, then lets the calls under way end.
///
/// # Errors
/// The listener failed.
pub(crate) async fn serve(
    listener: TcpListener,
    settings: Grpc,
    door: Door,
    health: HealthReporter,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let router = router(&settings, door, health)?;
    let ended = router.serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    // A client that watches the health never ends its call, so the end is not left to the clients.
    tokio::select! {
        ended = ended => ended.context("serve grpc"),
        () = overdue => Ok(()),
    }
}

fn router(settings: &Grpc, door: Door, health: HealthReporter) -> anyhow::Result<Router> {
    let service = ProfileServiceServer::new(door)
        .max_decoding_message_size(bounds::MESSAGE_BYTES)
        .max_encoding_message_size(bounds::MESSAGE_BYTES);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let reflected = match settings.reflection {
        true => Some((
            reflection().build_v1().context("reflection")?,
            reflection().build_v1alpha().context("reflection")?,
        )),
        false => None,
    };
    let (v1, v1alpha) = reflected.unzip();
    Ok(secure(Server::builder(), &settings.tls)?
        .trace_fn(|request: &http::Request<()>| {
            let parent = request.headers().get(trace::HEADER).and_then(|header| header.to_str().ok());
            span(request.uri().path(), parent)
        })
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION)
        .load_shed(true)
        .max_concurrent_streams(Some(CALLS_PER_CONNECTION as u32))
        .max_connection_age(settings.max_connection_age)
        .max_connection_age_grace(AGE_GRACE)
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(3)))
        .http2_max_pending_accept_reset_streams(Some(64))
        .http2_max_header_list_size(Some(16 * 1024))
        .add_service(service)
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)))
        .add_optional_service(v1)
        .add_optional_service(v1alpha))
}

/// With TLS, where there is a certificate.
fn secure(server: Server, files: &TlsFiles) -> anyhow::Result<Server> {
    let Pem { ca, own } = files.load().map_err(|error| anyhow::anyhow!("grpc.{error}"))?;
    let Some((certificate, key)) = own else { return Ok(server) };
    files.watch();
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
    let tls = match ca {
        Some(ca) => tls.client_ca_root(Certificate::from_pem(ca)),
        None => tls,
    };
    server.tls_config(tls).context("grpc.certificate")
}

/// The span of a call, or of one request of it, continues the trace of its caller.
pub(super) fn span(path: &str, parent: Option<&str>) -> tracing::Span {
    let trace_id = TraceParent::continue_from(parent).trace_id();
    tracing::info_span!("rpc", path, trace_id)
}

/// Tells the health service whether Redis answers, and lets `ready` go when it does so for the first time. Ends with
/// the shutdown, after saying that calls should go elsewhere.
pub(crate) async fn watch_store(
    people: Arc<People>,
    health: HealthReporter,
    metrics: Metrics,
    ready: Hold,
    shutdown: CancellationToken,
) {
    let mut ready = Some(ready);
    let mut before = None;
    while !shutdown.is_cancelled() {
        let answers = people.store().ping().await;
        if before.replace(answers.is_ok()) != Some(answers.is_ok()) {
            tell(&health, &metrics, answers.is_ok()).await;
            if let Err(error) = &answers {
                tracing::warn!(%error, "the profile store is away; calls are answered UNAVAILABLE until it is back");
            }
        }
        ready = ready.filter(|_| answers.is_err());
        let _ended = shutdown.run_until_cancelled(tokio::time::sleep(PROBE)).await;
    }
    tell(&health, &metrics, false).await;
}

async fn tell(health: &HealthReporter, metrics: &Metrics, ready: bool) {
    metrics.store_ready(ready);
    if ready {
        health.set_serving::<ProfileServiceServer<Door>>().await;
    } else {
        health.set_not_serving::<ProfileServiceServer<Door>>().await;
    }
}
