//! `POST /cgi-bin/message/custom/send`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Query, State};
use axum::http::Method;
use axum::response::Response;
use serde::Deserialize;

use crate::accept::Line;
use crate::faults::Path;
use crate::platform::answer::{Refusal, answer, carry_out};
use crate::platform::message::Body;
use crate::platform::quota::Limit;
use crate::record::Send;
use crate::world::{Simulator, lock};

/// Query of the call.
#[derive(Debug, Deserialize)]
pub(crate) struct SendQuery {
    access_token: Option<String>,
}

/// Takes or refuses one message, as far as no scripted fault interferes, and records both.
pub(crate) async fn send(
    State(simulator): State<Simulator>,
    Extension(line): Extension<Line>,
    Query(query): Query<SendQuery>,
    method: Method,
    bytes: Bytes,
) -> Response {
    let call = Call::read(&simulator, &query, &method, &bytes);
    let openid = call.body.as_ref().ok().map(|body| body.openid.as_str());
    let fault = simulator.fault(Path::Send, call.account.ok(), openid);
    if let Some(fault) = fault.as_ref().filter(|fault| !fault.lets_through()) {
        simulator.record().sent(call.to_send(&simulator, fault.answer.errcode(), Some(fault.answer.name())));
    }
    carry_out(fault, &line, || {
        let taken = call.take(&simulator);
        let errcode = taken.map_or_else(|refusal| refusal.errcode, |()| 0);
        simulator.record().sent(call.to_send(&simulator, Some(errcode), None));
        Json(answer(errcode))
    })
    .await
}

/// One call, read once.
struct Call {
    account: Result<usize, Refusal>,
    body: Result<Body, Refusal>,
}

impl Call {
    fn read(simulator: &Simulator, query: &SendQuery, method: &Method, bytes: &[u8]) -> Self {
        let token = query.access_token.as_deref();
        let account = lock(&simulator.world().tokens).check(token, simulator.now_ms());
        let body = if method == Method::POST { Body::read(bytes) } else { Err(Refusal::of(43002)) };
        Self { account, body }
    }

    /// Everything that the platform checks, in its order; the window comes last, so that a refused call costs none of it.
    fn take(&self, simulator: &Simulator) -> Result<(), Refusal> {
        let account = self.account?;
        let now_ms = simulator.now_ms();
        let settings = &simulator.config().accounts[account];
        let limits = &simulator.config().limits;
        let limit = Limit { day: limits.sends_per_day, minute: limits.sends_per_minute };
        lock(&simulator.world().quotas)[account].send.take(now_ms, limit)?;
        if !settings.verified {
            return Err(Refusal::of(48001));
        }
        let body = self.body.as_ref().map_err(|refusal| *refusal)?;
        body.check(settings.kind)?;
        lock(&simulator.world().users)[account].take(&body.openid, settings.kind, now_ms)?;
        simulator.record().arrived(simulator.now_ms(), &settings.name, &body.openid, &body.message);
        Ok(())
    }

    fn to_send(&self, simulator: &Simulator, errcode: Option<i32>, fault: Option<&'static str>) -> Send {
        let name = |account: usize| simulator.config().accounts[account].name.clone();
        let body = self.body.as_ref().ok();
        Send {
            seq: 0,
            at: simulator.now_ms(),
            account: self.account.map(name).unwrap_or_default(),
            openid: body.map(|body| body.openid.clone()).unwrap_or_default(),
            msgtype: body.and_then(|body| body.message["msgtype"].as_str()).unwrap_or_default().to_owned(),
            errcode,
            fault,
        }
    }
}
