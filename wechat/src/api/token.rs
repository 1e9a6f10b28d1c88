//! The access token: one fetch at a time, kept until shortly before its end, never printed (`facts.md` §5).

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::brief;
use super::wire::Wire;
use crate::secret::Secret;

const PATH: &str = "/cgi-bin/stable_token";
/// Within its last five minutes a call returns a new token, and both are valid.
const MARGIN: Duration = Duration::from_secs(240);
/// The token endpoint is called at most this often while it fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why there is no access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The platform gives none; [`crate::errcode::class`] says what to do.
    #[error("the platform refuses a token: {errcode} {errmsg}")]
    Refused {
        /// The code.
        errcode: i32,
        /// The platform's text.
        errmsg: String,
    },
    /// The token endpoint can not be reached, or does not answer readably.
    #[error("the token endpoint does not answer: {0}")]
    Unreachable(String),
}

/// A token. `Debug` is not implemented, so that it can not be printed.
pub(super) struct Access {
    token: String,
    until: Instant,
}

impl Access {
    /// The token as a query writes it.
    pub(super) fn escaped(&self) -> String {
        crate::push::query::percent_encoded(&self.token)
    }

    /// `text` without the token, should the other side repeat it.
    pub(super) fn redact(&self, text: &str) -> String {
        if self.token.is_empty() { text.to_owned() } else { text.replace(&self.token, "***") }
    }
}

/// The cached token and the way to a new one.
pub(super) struct Tokens {
    app_id: String,
    secret: Secret,
    cached: RwLock<Option<Arc<Access>>>,
    /// Held while a token is fetched, which makes it one connection; remembers how the last fetches failed.
    fetch: Mutex<Option<Failed>>,
}

struct Failed {
    error: TokenError,
    times: u32,
    again_at: Instant,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Given {
        access_token: String,
        expires_in: u64,
    },
    Refused {
        errcode: i32,
        #[serde(default)]
        errmsg: String,
    },
}

impl Tokens {
    pub(super) fn new(app_id: String, secret: Secret) -> Self {
        Self { app_id, secret, cached: RwLock::new(None), fetch: Mutex::new(None) }
    }

    /// The cached token, or a new one; callers that come while one is fetched share its result.
    pub(super) async fn get(&self, wire: &Wire) -> Result<Arc<Access>, TokenError> {
        if let Some(access) = self.valid() {
            return Ok(access);
        }
        let mut failed = self.fetch.lock().await;
        if let Some(access) = self.valid() {
            return Ok(access);
        }
        if let Some(Failed { error, again_at, .. }) = &*failed
            && Instant::now() < *again_at
        {
            return Err(error.clone());
        }
        match self.fetch(wire).await {
            Ok(access) => {
                *failed = None;
                let access = Arc::new(access);
                self.store(Some(Arc::clone(&access)));
                Ok(access)
            }
            Err(error) => {
                *failed = Some(Failed::after(failed.as_ref(), error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets `used`, unless another one has taken its place meanwhile.
    pub(super) fn expire(&self, used: &Arc<Access>) {
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        if cached.as_ref().is_some_and(|current| Arc::ptr_eq(current, used)) {
            *cached = None;
        }
    }

    fn valid(&self) -> Option<Arc<Access>> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
        cached.clone().filter(|access| Instant::now() < access.until)
    }

    fn store(&self, access: Option<Arc<Access>>) {
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = access;
    }

    async fn fetch(&self, wire: &Wire) -> Result<Access, TokenError> {
        let request = serde_json::json!({
            "grant_type": "client_credential",
            "appid": self.app_id,
            "secret": self.secret.expose(),
            "force_refresh": false,
        });
        let body = wire.post(PATH, &request.to_string()).await;
        let body = body.map_err(|failure| TokenError::Unreachable(failure.into_reason()))?;
        match serde_json::from_slice(&body) {
            Ok(Answer::Given { access_token, expires_in }) if !access_token.is_empty() => {
                tracing::info!(expires_in, "access token fetched");
                Ok(Access { token: access_token, until: Instant::now() + kept_for(expires_in) })
            }
            Ok(Answer::Refused { errcode, errmsg }) => {
                let errmsg = brief(&errmsg.replace(self.secret.expose(), "***"));
                Err(TokenError::Refused { errcode, errmsg })
            }
            _ => Err(TokenError::Unreachable("an answer that holds no token".to_owned())),
        }
    }
}

fn kept_for(expires_in: u64) -> Duration {
    let life = Duration::from_secs(expires_in.min(7200));
    life - MARGIN.min(life / 2)
}

impl Failed {
    fn after(earlier: Option<&Self>, error: TokenError) -> Self {
        let times = earlier.map_or(0, |failed| failed.times).saturating_add(1);
        tracing::warn!(%error, times, "no access token");
        Self { error, times, again_at: Instant::now() + pause_after(times) }
    }
}

/// One second, doubled with every failure in a row.
fn pause_after(times: u32) -> Duration {
    Duration::from_secs(1 << (times.clamp(1, 4) - 1)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_its_end_and_not_at_once() {
        let kept = [0, 1, 300, 345, 7200, u64::MAX].map(|seconds| kept_for(seconds).as_millis());
        assert_eq!(kept, [0, 500, 150_000, 172_500, 6_960_000, 6_960_000]);
    }

    #[test]
    fn the_endpoint_is_left_alone_longer_with_every_failure() {
        assert_eq!([1, 2, 3, 4, u32::MAX].map(|times| pause_after(times).as_secs()), [1, 2, 4, 5, 5]);
    }
}
