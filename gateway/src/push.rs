//! `/wechat/{account}`: a push is answered `success` when its event is in Kafka or on the disk, and not before.

use std::{hint::black_box, panic::AssertUnwindSafe, time::Duration};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use proto::event::Event;
use tokio::time::{Instant, timeout_at};
use wechat::push::{Opened, Query, Refusal, open, verify_url};

use crate::{
    accounts::{Account, Accounts},
    body, event,
    metrics::Held,
    pages::{self, Answer},
    parcel::Parcel,
    report::{self, Failure},
    service::Gateway,
};

/// How old a push may get, from its headers on, while it waits for its turn: what is served later than this is of little use to anybody,
/// and serving it would make all that follow as late.
const QUEUE_AGE: Duration = Duration::from_millis(500);
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
    let echo = verify_url(&account.credentials.load(), query)?;
    // `msg_signature` is the same over the ciphertext of a push, so a captured one would verify here too.
    if query.signature.is_none() && (echo.len() > MAX_ECHO_BYTES || echo.starts_with(['<', '{'])) {
        return Err(Failure::Oracle);
    }
    Ok(echo)
}

/// `POST`: one push (`facts.md` §1.3, §3).
///
/// Cancel safe in this sense: once the event is handed to the producer or the spool, a dropped request does not take it back.
pub(crate) async fn receive(gateway: &Gateway, account: &str, request: Request<Incoming>) -> Answer {
    let _held = Held::new(&gateway.metrics.in_flight);
    let account = gateway.accounts.named(account);
    let taking = AssertUnwindSafe(take(gateway, account, request)).catch_unwind();
    match taking.await.unwrap_or(Err(Failure::Defect)) {
        Ok(()) => success(),
        Err(failure) => report::failed(&gateway.metrics, account, &failure),
    }
}

async fn take(gateway: &Gateway, account: &Account, request: Request<Incoming>) -> Result<(), Failure> {
    let turn_by = Instant::now() + QUEUE_AGE;
    let (head, body) = request.into_parts();
    let body = body::read(body).await?;
    fail::fail_point!("g3", |_| std::process::abort());
    let _place = timeout_at(turn_by, gateway.places.acquire()).await.map_err(|_| Failure::Overloaded)?;
    let event = checked(gateway, account, head.uri.query().unwrap_or_default(), &body)?;
    fail::fail_point!("g6", |_| std::process::abort());
    let parcel = Parcel::new(event);
    gateway.outlet.deliver(&parcel).await?;
    fail::fail_point!("g8", |_| std::process::abort());
    if event::is_unreadable(&parcel.event) {
        report::unreadable(&gateway.metrics, account, &parcel.event.id);
    } else {
        account.accepted.inc();
    }
    Ok(())
}

/// Everything between the bytes of a request and its event; no I/O.
fn checked(gateway: &Gateway, account: &Account, query: &str, body: &[u8]) -> Result<Event, Failure> {
    let now_ms = gateway.clock.now_ms();
    let query = Query::parse(query);
    let opened = opened(&gateway.accounts, account, check_age(gateway, &query), &query, body)?;
    fail::fail_point!("g5", |_| std::process::abort());
    Ok(event::of_push(&account.name, &account.app_id, opened.document(), now_ms))
}

/// Whatever of age, mode and signature is wrong takes as long: no clock tells which accounts there are, and in which mode.
fn opened<'b>(
    accounts: &Accounts,
    account: &Account,
    age: Result<(), Failure>,
    query: &Query<'_>,
    body: &'b [u8],
) -> Result<Opened<'b>, Failure> {
    let opened = age.and_then(|()| Ok(open(&account.credentials.load(), query, body)?));
    if matches!(opened, Err(Failure::Stale | Failure::Refused(Refusal::Mode(_)))) {
        let _refused_as_well = black_box(open(&accounts.stranger().load(), query, body));
    }
    opened
}

/// Neither `signature` nor `msg_signature` expires: what is too old, or too far ahead, is a replay. Where a simulation has moved the
/// clock, pushes signed by the machine's own time are as fresh as those of the simulator.
fn check_age(gateway: &Gateway, query: &Query<'_>) -> Result<(), Failure> {
    let signed_ms = query.timestamp_seconds().ok_or(Failure::Stale)?.saturating_mul(1000);
    let near = |now_ms: i64| u128::from(now_ms.abs_diff(signed_ms)) <= gateway.replay_tolerance.as_millis();
    let fresh = near(gateway.clock.now_ms()) || near(gateway.clock.machine_ms());
    if fresh { Ok(()) } else { Err(Failure::Stale) }
}

fn success() -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(b"success")));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

#[cfg(test)]
#[path = "push_tests.rs"]
mod tests;
