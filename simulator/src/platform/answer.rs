//! How the platform answers: refusals with their texts, and answers that a scripted fault spoils.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::{Value, json};
use wechat::errcode;

use crate::accept::Line;
use crate::faults::{Answer, Fault};

/// Time for the server to write what it has before a connection is broken.
const FLUSH: Duration = Duration::from_millis(20);

/// A refusal by errcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The code.
    pub errcode: i32,
}

impl Refusal {
    /// The refusal with this code.
    pub(crate) const fn of(errcode: i32) -> Self {
        Self { errcode }
    }

    /// The body that the platform answers.
    pub(crate) fn to_json(self) -> Value {
        answer(self.errcode)
    }
}

/// The platform's answer for a code: `{"errcode":…,"errmsg":"… rid: …"}`.
pub(crate) fn answer(errcode: i32) -> Value {
    if errcode == 0 {
        return json!({ "errcode": 0, "errmsg": "ok" });
    }
    let text = errcode::lookup(errcode).map_or_else(|| other_text(errcode), |row| row.text);
    json!({ "errcode": errcode, "errmsg": format!("{text} rid: {}", rid()) })
}

/// Texts of the codes that a send is never answered with (global table of return codes).
fn other_text(errcode: i32) -> &'static str {
    match errcode {
        40002 => "invalid grant_type",
        40066 => "invalid url",
        41002 => "appid missing",
        41004 => "appsecret missing",
        43001 => "require GET method",
        43002 => "require POST method",
        _ => "unknown error",
    }
}

/// `xxxxxxxx-xxxxxxxx-xxxxxxxx`, `facts.md` §4.1.
fn rid() -> String {
    let word = rand::random::<u32>;
    format!("{:08x}-{:08x}-{:08x}", word(), word(), word())
}

/// Lets `call` happen unless the fault says that it is not taken, and answers what the fault says.
///
/// Ends early, with nothing done any more, when the client goes away.
pub(crate) async fn carry_out<R: IntoResponse>(
    fault: Option<Fault>,
    line: &Line,
    call: impl FnOnce() -> R,
) -> Response {
    let Some(fault) = fault else { return call().into_response() };
    tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    match fault.answer {
        Answer::Pass => return call().into_response(),
        _ if fault.taken => drop(call()),
        _ => {}
    }
    spoiled(fault.answer, line).await
}

async fn spoiled(answer: Answer, line: &Line) -> Response {
    match answer {
        Answer::Pass => StatusCode::OK.into_response(),
        Answer::Errcode { errcode, errmsg } => refused(errcode, errmsg),
        Answer::Status { status, retry_after } => failed(status, retry_after),
        Answer::Body { text, repeat } => plain(text.repeat(repeat)),
        Answer::Redirect { location } => redirected(&location),
        Answer::Cut { text } => cut(text),
        Answer::Drip { text, every_ms } => drip(text, every_ms),
        Answer::Hang => std::future::pending().await,
        Answer::Reset => line.reset().await,
    }
}

fn refused(errcode: i32, errmsg: Option<String>) -> Response {
    let mut body = answer(errcode);
    if let Some(errmsg) = errmsg {
        body["errmsg"] = errmsg.into();
    }
    Json(body).into_response()
}

fn failed(status: u16, retry_after: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, format!("<html><h1>{status}</h1></html>")).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn plain(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], text).into_response()
}

fn redirected(location: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// States one byte more than comes, and breaks the connection once what comes is on its way.
fn cut(text: String) -> Response {
    let stated = text.len() + 1;
    let broken = async {
        tokio::time::sleep(FLUSH).await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
    };
    let body =
        futures::stream::once(std::future::ready(Ok(Bytes::from(text)))).chain(futures::stream::once(broken));
    let mut response = Body::from_stream(body).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, stated.into());
    response
}

fn drip(text: String, every_ms: u64) -> Response {
    let bytes =
        futures::stream::iter(text.into_bytes()).map(|byte| Ok::<_, Infallible>(Bytes::from(vec![byte])));
    let slow = bytes.then(move |byte| async move {
        tokio::time::sleep(Duration::from_millis(every_ms)).await;
        byte
    });
    Body::from_stream(slow).into_response()
}
