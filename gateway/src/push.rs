//! `/wechat/{account}`: a push is answered `success` when its event is in Kafka, and not before.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use prost::Message as _;
use proto::{CloudEvent, event::Event};
use runtime::{
    kafka::{Delivery, ProduceError},
    trace::TraceParent,
};
use tokio::time::{Instant, timeout};
use wechat::push::{Query, open, verify_url};

use crate::{
    accounts::Account,
    body, event,
    metrics::Held,
    pages::{self, Answer},
    report::{self, Failure},
    service::Gateway,
};

/// Longest text that an encrypted URL verification gives back; the platform's are 19 digits, a push is longer.
const MAX_ECHO_BYTES: usize = 64;

/// `GET`: the platform asks whether this is the server that knows the Token (`facts.md` §1.2).
pub(crate) fn verify(gateway: &Gateway, account: &str, query: &str) -> Answer {
    let account = gateway.accounts.named(account);
    let query = Query::parse(query);
    match verified(gateway, account, &query) {
        Ok(echo) => {
            gateway.metrics.push(&account.name, "verified").inc();
            pages::text(StatusCode::OK, echo)
        }
        Err(failure) => report::failed(&gateway.metrics, account, &failure),
    }
}

fn verified(gateway: &Gateway, account: &Account, query: &Query<'_>) -> Result<String, Failure> {
    check_age(gateway, query)?;
    let echo = verify_url(&account.credentials, query)?;
    // `msg_signature` is the same over the ciphertext of a push, so a captured one would verify here too.
    if query.signature.is_none() && (echo.len() > MAX_ECHO_BYTES || echo.starts_with(['<', '{'])) {
        return Err(Failure::Oracle);
    }
    Ok(echo)
}

/// `POST`: one push (`facts.md` §1.3, §3).
///
/// Cancel safe in this sense: once the event is handed to the producer, a dropped request does not take it back.
pub(crate) async fn receive(gateway: &Gateway, account: &str, request: Request<Incoming>) -> Answer {
    let _held = Held::new(&gateway.metrics.in_flight);
    let account = gateway.accounts.named(account);
    match take(gateway, account, request).await {
        Ok(()) => success(),
        Err(failure) => report::failed(&gateway.metrics, account, &failure),
    }
}

async fn take(gateway: &Gateway, account: &Account, request: Request<Incoming>) -> Result<(), Failure> {
    let (head, body) = request.into_parts();
    let body = body::read(body).await?;
    let event = checked(gateway, account, head.uri.query().unwrap_or_default(), &body)?;
    let started = Instant::now();
    let delivery = produce(gateway, &event)?;
    timeout(gateway.produce_timeout, delivery).await.map_err(|_| Failure::NoReport)??;
    gateway.metrics.produce_seconds.observe(started.elapsed().as_secs_f64());
    if event::is_unreadable(&event) {
        report::unreadable(&gateway.metrics, account, &event.id);
    } else {
        account.accepted.inc();
    }
    Ok(())
}

/// Everything between the bytes of a request and its event; no I/O.
fn checked(gateway: &Gateway, account: &Account, query: &str, body: &[u8]) -> Result<Event, Failure> {
    let now_ms = gateway.clock.now_ms();
    let query = Query::parse(query);
    check_age(gateway, &query)?;
    let opened = open(&account.credentials, &query, body)?;
    Ok(event::of_push(&account.name, &account.credentials.app_id, opened.document(), now_ms))
}

/// Neither `signature` nor `msg_signature` expires: what is too old, or too far ahead, is a replay. Where a simulation has moved the
/// clock, pushes signed by the machine's own time are as fresh as those of the simulator.
fn check_age(gateway: &Gateway, query: &Query<'_>) -> Result<(), Failure> {
    let signed_ms = query.timestamp_seconds().ok_or(Failure::Stale)?.saturating_mul(1000);
    let near = |now_ms: i64| u128::from(now_ms.abs_diff(signed_ms)) <= gateway.replay_tolerance.as_millis();
    let fresh = near(gateway.clock.now_ms()) || near(gateway.clock.machine_ms());
    if fresh { Ok(()) } else { Err(Failure::Stale) }
}

/// Hands an event to the producer under a trace of its own: strangers do not choose our ids.
pub(crate) fn produce(gateway: &Gateway, event: &Event) -> Result<Delivery, ProduceError> {
    let trace = TraceParent::new_root().to_string();
    let attributes = CloudEvent::of_event(event, &trace);
    let (key, value) = (attributes.key.as_bytes(), event.encode_to_vec());
    gateway.producer.send(&gateway.topic, key, &attributes.headers(), Some(&value))
}

fn success() -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(b"success")));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}
