//! The client of the platform's API: `custom/send` with `stable_token` (`facts.md` §4.1, §5).
//!
//! It always says which of three it was: nothing was sent, the platform answered, or it can not be known.

mod connect;
mod stream;
mod token;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

pub use connect::ConfigError;
pub use token::{InMemory, Stored, TokenError, TokenStore};

use crate::errcode::{self, Class};
use crate::secret::Secret;
use token::{Access, Tokens};
use wire::{Begin, Failure, Wire};

/// Settings of a client.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://api.weixin.qq.com`, or a simulator's address; a path in it is put before the API's own.
    pub base_url: String,
    /// AppId of the account.
    pub app_id: String,
    /// `AppSecret` of the account.
    pub secret: Secret,
    /// Where the token is kept: [`InMemory`], or what the replicas of a fleet share.
    pub tokens: Arc<dyn TokenStore>,
    /// For a free connection, name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// For writing the request.
    pub write_timeout: Duration,
    /// From the written request to the whole answer.
    pub read_timeout: Duration,
    /// Sends under way at a time. The token is fetched beside them, one fetch at a time, so that sends that hang cannot keep a new
    /// one away.
    pub max_connections: usize,
}

/// How a send ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The platform took it (errcode 0), which is no proof that it was shown.
    Taken,
    /// The platform answered with an error code; [`errcode::class`] says what to do. For -1 that is
    /// [`Class::Ambiguous`].
    Refused {
        /// The code.
        errcode: i32,
        /// The platform's text.
        errmsg: String,
    },
    /// No byte of the request was written: it may be tried again.
    NotSent {
        /// What was in the way.
        reason: NotSent,
    },
    /// The server was too busy to take it (status 503 with `Retry-After`): it may be tried again.
    Busy {
        /// After so long, as the server says.
        after: Duration,
    },
    /// Bytes were written and no readable answer came: it may or may not have been taken.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// Why not a byte was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// There is no access token.
    #[error("no access token: {0}")]
    Token(#[from] TokenError),
    /// No connection, or it died before the request.
    #[error("{0}")]
    Connection(String),
}

/// The API of one account. Share it: connections and token are kept inside.
pub struct Client {
    wire: Wire,
    tokens: Tokens,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client; nothing is connected yet.
    ///
    /// # Errors
    /// When `base_url` is no http or https address.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let wire = Wire::new(&config)?;
        Ok(Self { wire, tokens: Tokens::new(config.app_id, config.secret, config.tokens) })
    }

    /// Makes sure that there is an access token, fetching one if need be, so that a send that follows will not
    /// fail for the lack of one.
    ///
    /// Cancel safe: another caller takes a fetch over from its beginning.
    ///
    /// # Errors
    /// [`TokenError`] when none can be had; asked again within seconds, the same error comes from memory.
    pub async fn token_ready(&self) -> Result<(), TokenError> {
        self.tokens.get(&self.wire).await.map(drop)
    }

    /// Calls of the token endpoint so far.
    #[must_use]
    pub fn token_calls(&self) -> u64 {
        self.tokens.calls()
    }

    /// [`Client::send_while`] nothing stands against it.
    pub async fn send(&self, message_json: &str, patience: Duration) -> Sent {
        self.send_while(message_json, patience, &|| true).await
    }

    /// Sends one message: the JSON of [`crate::message::Message::to_json`], its first byte within `patience` and only if it `still` may
    /// leave then.
    ///
    /// On 40001, 40014 and 42001 the token is refreshed and the call repeated, once, if there is still time to begin. What was not
    /// begun is `NotSent`, or the refusal before it; what was begun ends within [`longest_call`].
    /// Not cancel safe: a dropped call may have been taken.
    pub async fn send_while(
        &self,
        message_json: &str,
        patience: Duration,
        still: &(dyn Fn() -> bool + Sync),
    ) -> Sent {
        let begin = Begin { still, ..Begin::within(patience) };
        let access = match self.access(begin.until).await {
            Ok(access) => access,
            Err(error) => return Sent::NotSent { reason: error.into() },
        };
        let sent = self.send_with(&access, message_json, begin).await;
        let Sent::Refused { errcode, .. } = sent else { return sent };
        if errcode::class(errcode) != Class::RefreshToken {
            return sent;
        }
        self.tokens.expire(&access, errcode);
        tracing::info!(errcode, "access token refused, refreshing it once");
        match self.access(begin.until).await {
            Ok(fresh) => self.send_with(&fresh, message_json, begin).await,
            Err(_) => sent,
        }
    }

    async fn access(&self, until: Instant) -> Result<Arc<Access>, TokenError> {
        let late = || TokenError::Unreachable("no token in time".to_owned());
        let got = timeout_at(until, self.tokens.get(&self.wire)).await;
        got.unwrap_or_else(|_| self.tokens.valid().ok_or_else(late))
    }

    async fn send_with(&self, access: &Access, message_json: &str, begin: Begin<'_>) -> Sent {
        let path = format!("/cgi-bin/message/custom/send?access_token={}", access.escaped());
        match self.wire.post_in_turn(&path, message_json, begin).await {
            Ok(body) => answered(&body, access),
            Err(Failure::NotSent(reason)) => Sent::NotSent { reason: NotSent::Connection(reason) },
            Err(Failure::Busy(after)) => Sent::Busy { after },
            Err(Failure::Unknown(reason)) => Sent::Unknown { reason },
        }
    }
}

/// Looks at an address before a client is made.
///
/// # Errors
/// It is no http or https address.
pub fn check_base_url(base_url: &str) -> Result<(), ConfigError> {
    connect::Target::parse(base_url).map(drop)
}

/// Bound on one call from its begin to its end: a free place, a kept connection that turns out dead, a fresh one, the answer.
#[must_use]
pub fn longest_call(connect: Duration, write: Duration, read: Duration) -> Duration {
    2 * (connect + write) + read
}

/// An answer as the platform gives it to every call.
#[derive(serde::Deserialize)]
struct Answer {
    errcode: i32,
    #[serde(default)]
    errmsg: String,
}

fn answered(body: &[u8], access: &Access) -> Sent {
    match serde_json::from_slice(body) {
        Ok(Answer { errcode: 0, .. }) => Sent::Taken,
        Ok(Answer { errcode, errmsg }) => Sent::Refused { errcode, errmsg: brief(&access.redact(&errmsg)) },
        Err(_) => Sent::Unknown { reason: format!("an answer of {} bytes without errcode", body.len()) },
    }
}

/// The first 200 characters: an answer's text goes into logs and outcomes.
fn brief(text: &str) -> String {
    text.chars().take(200).collect()
}
