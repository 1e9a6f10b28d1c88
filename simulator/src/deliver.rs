//! Pushes: signed, encrypted, delivered and repeated as the platform does (`facts.md` §3).

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wechat::document::Document;
use wechat::push::{Format, Kind, Push as Read, SealError, SealedPush, seal};
use wechat::rights::grant;

use crate::platform::action_of;
use crate::record::Push;
use crate::world::{Simulator, UnknownAccount, lock};

/// The first delivery and two repeats.
const DELIVERIES: usize = 3;
/// More forced deliveries than this are a mistake.
const MOST: usize = 100;
/// Longest answer that is read.
const ANSWER_BYTES: usize = 64 * 1024;

/// What to push.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Name of the account.
    pub account: String,
    /// The inner document, XML or JSON, or anything else that a gateway should survive.
    pub document: String,
    /// Deliver so many times, whatever is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<usize>,
    /// Repeats go to these gateways in turn; the first delivery to the account's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
}

/// How one delivery went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// HTTP status; 0 when no answer came.
    pub status: u16,
    /// The answer's body.
    pub body: String,
    /// Milliseconds until the answer, or until the delivery was given up.
    pub ms: f64,
    /// Why no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Why nothing was pushed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No such account.
    #[error(transparent)]
    Account(#[from] UnknownAccount),
    /// The document can not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Simulator {
    /// Pushes a document: what it says the user did counts for the windows at once, then it is delivered up to three times.
    ///
    /// Returns after the last delivery. Not cancel safe: a dropped call stops repeating.
    ///
    /// # Errors
    /// When there is no such account or its document can not be sealed; nothing was pushed then.
    pub async fn push(&self, order: &Order) -> Result<Vec<Attempt>, OrderError> {
        let account = self.account(&order.account)?;
        let first = self.seal(account, &order.document)?;
        let openid = self.act(account, &order.document);
        let seq = self.record().pushed(Push {
            seq: 0,
            at: self.now_ms(),
            account: order.account.clone(),
            openid,
            document: order.document.clone(),
            attempts: Vec::new(),
        });
        let attempts = self.deliver(account, order, first).await?;
        self.record().delivered(seq, &attempts);
        Ok(attempts)
    }

    /// Lets what a document says count for the windows, and delivers nothing: somebody else does.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn acted(&self, order: &Order) -> Result<(), UnknownAccount> {
        self.act(self.account(&order.account)?, &order.document);
        Ok(())
    }

    /// Lets the user's action count at the platform; returns who it was.
    fn act(&self, account: usize, document: &str) -> String {
        let Ok(document) = Document::parse(document.as_bytes()) else { return String::new() };
        let push = Read::read(&document);
        let openid = push.from_user_name.to_owned();
        if openid.is_empty() {
            return openid;
        }
        let settings = &self.config().accounts[account];
        let option = matches!(push.kind, Kind::Text { menu_option_id: Some(_), .. });
        let granted = grant(settings.kind, settings.rules, action_of(push.msg_type, push.event, option));
        let now_ms = self.now_ms();
        let create_time_ms = push.create_time.map_or(now_ms, |seconds| seconds.saturating_mul(1000));
        let mut users = lock(&self.world().users);
        match push.kind {
            Kind::Unsubscribe => users[account].left(&openid),
            _ => users[account].acted(&openid, now_ms, create_time_ms, granted),
        }
        openid
    }

    /// A new timestamp, nonce and random block for every delivery.
    fn seal(&self, account: usize, document: &str) -> Result<SealedPush, SealError> {
        let nonce = rand::random_range(100_000_000..2_000_000_000_u32).to_string();
        let format = Format::of(document.as_bytes());
        let timestamp = self.now_ms().div_euclid(1000);
        seal(&self.credentials(account), document.as_bytes(), format, timestamp, &nonce, rand::random())
    }

    async fn deliver(
        &self,
        account: usize,
        order: &Order,
        first: SealedPush,
    ) -> Result<Vec<Attempt>, SealError> {
        let wanted = order.repeat.unwrap_or(DELIVERIES).clamp(1, MOST);
        let own = &self.config().accounts[account].gateway;
        let mut attempts: Vec<Attempt> = Vec::with_capacity(1);
        let mut sealed = first;
        loop {
            let gateway = match attempts.len() {
                0 => own,
                n => order.gateways.get((n - 1) % order.gateways.len().max(1)).unwrap_or(own),
            };
            let started = Instant::now();
            let attempt = self.attempt(gateway, sealed).await;
            let ended = accepted(&attempt);
            attempts.push(attempt);
            if attempts.len() == wanted || (ended && order.repeat.is_none()) {
                return Ok(attempts);
            }
            if !ended {
                tokio::time::sleep(self.config().step.saturating_sub(started.elapsed())).await;
            }
            sealed = self.seal(account, &order.document)?;
        }
    }

    async fn attempt(&self, gateway: &str, sealed: SealedPush) -> Attempt {
        let started = Instant::now();
        let answer = tokio::time::timeout(self.config().step, self.post(gateway, sealed)).await;
        let ms = milliseconds(started.elapsed());
        match answer {
            Ok(Ok((status, body))) => Attempt { status, body, ms, error: None },
            Ok(Err(error)) => Attempt { status: 0, body: String::new(), ms, error: Some(cause(&error)) },
            Err(_) => {
                Attempt { status: 0, body: String::new(), ms, error: Some("no answer in time".to_owned()) }
            }
        }
    }

    async fn post(&self, gateway: &str, sealed: SealedPush) -> reqwest::Result<(u16, String)> {
        let separator = if gateway.contains('?') { '&' } else { '?' };
        let request = self
            .http()
            .post(format!("{gateway}{separator}{}", sealed.query))
            .header(http::header::CONTENT_TYPE, sealed.content_type)
            .header(http::header::USER_AGENT, "Mozilla/4.0")
            .body(sealed.body);
        let mut answer = request.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES {
                break;
            }
        }
        Ok((answer.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
    }
}

/// Whether an answer ends the deliveries: 200 with `success`, nothing, or a passive reply.
fn accepted(attempt: &Attempt) -> bool {
    let body = attempt.body.trim();
    attempt.status == 200 && (matches!(body, "success" | "") || body.starts_with(['<', '{']))
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e5).round() / 100.0
}

/// The innermost reason, without the address and its signature.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
