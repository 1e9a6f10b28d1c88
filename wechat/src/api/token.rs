//! The access token: one fetch at a time in the whole fleet, kept until shortly before its end, never printed (`facts.md` §5).

mod record;
mod store;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

pub use store::{InMemory, Stored, TokenStore};

use super::brief;
use super::wire::{Begin, Wire};
use crate::secret::Secret;
use record::{REPLACED, Record, Refused, Turn};
use store::Seal;

const PATH: &str = "/cgi-bin/stable_token";
/// A fetch begins within this time; others take it for dead much later.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
/// How often the store is looked at while another replica fetches.
const LOOK: Duration = Duration::from_millis(50);
/// After a failure the store is left alone for so long.
const REST: Duration = Duration::from_millis(500);

/// Why there is no access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
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
    /// What the replicas share can not be read.
    #[error("the store of the access token does not answer: {0}")]
    Store(String),
}

/// A token. `Debug` is not implemented, so that it can not be printed.
pub(super) struct Access {
    token: String,
    renew_at_ms: i64,
    until_ms: i64,
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

    fn of(record: &Record) -> Self {
        let Record { token, renew_at_ms, until_ms, .. } = record;
        Self { token: token.clone(), renew_at_ms: *renew_at_ms, until_ms: *until_ms }
    }
}

/// The cached token and the way to a new one.
pub(super) struct Tokens {
    app_id: String,
    secret: Secret,
    seal: Seal,
    store: Arc<dyn TokenStore>,
    /// This process among those that share the store.
    me: u64,
    cached: RwLock<Cached>,
    /// Held while the store is asked and a token fetched, which makes it one connection; remembers how the last time failed.
    renewing: Mutex<Option<(TokenError, Instant)>>,
    calls: AtomicU64,
}

#[derive(Default)]
struct Cached {
    access: Option<Arc<Access>>,
    refused: Option<Refused>,
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
    pub(super) fn new(app_id: String, secret: Secret, store: Arc<dyn TokenStore>) -> Self {
        Self {
            seal: Seal::new(&app_id, &secret),
            app_id,
            secret,
            store,
            me: std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0),
            cached: RwLock::default(),
            renewing: Mutex::new(None),
            calls: AtomicU64::new(0),
        }
    }

    /// The cached token, or a new one; callers that come while one is fetched share its result, or use the old one while it lasts.
    pub(super) async fn get(&self, wire: &Wire) -> Result<Arc<Access>, TokenError> {
        if let Some(access) = self.cached(|access| access.renew_at_ms) {
            return Ok(access);
        }
        let mut failed = match (self.renewing.try_lock(), self.valid()) {
            (Ok(mine), _) => mine,
            (Err(_), Some(old)) => return Ok(old),
            (Err(_), None) => self.renewing.lock().await,
        };
        if let Some(access) = self.cached(|access| access.renew_at_ms) {
            return Ok(access);
        }
        if let Some((error, until)) = &*failed
            && Instant::now() < *until
        {
            return self.valid().ok_or_else(|| error.clone());
        }
        match self.renew(wire).await {
            Ok(access) => {
                *failed = None;
                Ok(access)
            }
            Err(error) => {
                *failed = Some((error.clone(), Instant::now() + REST));
                self.valid().ok_or(error)
            }
        }
    }

    /// The cached token until its very end.
    pub(super) fn valid(&self) -> Option<Arc<Access>> {
        self.cached(|access| access.until_ms)
    }

    /// Forgets `used`, which was refused with this code, unless another one has taken its place meanwhile.
    pub(super) fn expire(&self, used: &Arc<Access>, errcode: i32) {
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        if cached.access.as_ref().is_some_and(|current| Arc::ptr_eq(current, used)) {
            let refused = Some(Refused { token: used.token.clone(), errcode });
            *cached = Cached { access: None, refused };
        }
    }

    /// Calls of the token endpoint so far.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn cached(&self, end_ms: impl Fn(&Access) -> i64) -> Option<Arc<Access>> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
        cached.access.clone().filter(|access| self.store.now_ms() < end_ms(access))
    }

    fn adopt(&self, record: &Record) -> Arc<Access> {
        let access = Arc::new(Access::of(record));
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        *cached = Cached { access: Some(Arc::clone(&access)), refused: None };
        access
    }

    /// Whatever the store says: uses what others have fetched, or fetches for all of them.
    async fn renew(&self, wire: &Wire) -> Result<Arc<Access>, TokenError> {
        let refused = self.cached.read().unwrap_or_else(PoisonError::into_inner).refused.clone();
        loop {
            let seen = self.store.load().await.map_err(TokenError::Store)?;
            let record = self.seal.open(&seen);
            match record.turn(self.me, refused.as_ref(), self.store.now_ms()) {
                Turn::Use => return Ok(self.adopt(&record)),
                Turn::Fail(error) => return Err(error),
                Turn::Wait(left) => sleep(LOOK.min(Duration::from_millis(left.unsigned_abs()))).await,
                Turn::Fetch => {
                    if refused.as_ref().is_some_and(|refused| refused.errcode == REPLACED) {
                        tracing::warn!(
                            "somebody else has replaced the access token: let other programs call stable_token without force_refresh"
                        );
                    }
                    let fetching = record.fetching(self.me, self.store.now_ms());
                    let sealed = self.seal.close(&fetching);
                    if self.store.swap(&seen, &sealed).await.map_err(TokenError::Store)? {
                        return self.fetch_for_all(wire, &fetching, &sealed).await;
                    }
                }
            }
        }
    }

    async fn fetch_for_all(
        &self,
        wire: &Wire,
        fetching: &Record,
        sealed: &[u8],
    ) -> Result<Arc<Access>, TokenError> {
        let fetched = self.fetch(wire).await;
        let record = match &fetched {
            Ok((token, expires_in)) => fetching.given(token.clone(), *expires_in, self.store.now_ms()),
            Err(error) => fetching.failed(error.clone(), self.store.now_ms()),
        };
        if let Err(why) = self.store.swap(sealed, &self.seal.close(&record)).await {
            tracing::warn!(why, "the access token is not shared: other replicas fetch it once more");
        }
        fetched.map(|_| self.adopt(&record))
    }

    async fn fetch(&self, wire: &Wire) -> Result<(String, u64), TokenError> {
        let request = serde_json::json!({
            "grant_type": "client_credential",
            "appid": self.app_id,
            "secret": self.secret.expose(),
            "force_refresh": false,
        });
        self.calls.fetch_add(1, Ordering::Relaxed);
        let body = wire.post(PATH, &request.to_string(), Begin::within(BEGIN_WITHIN)).await;
        let answer = body.map_err(|failure| TokenError::Unreachable(failure.into_reason()));
        let answer = answer.and_then(|body| self.read(&body));
        match &answer {
            Ok((_, expires_in)) => tracing::info!(expires_in, "access token fetched"),
            Err(error) => tracing::warn!(%error, "no access token"),
        }
        answer
    }

    fn read(&self, body: &[u8]) -> Result<(String, u64), TokenError> {
        match serde_json::from_slice(body) {
            Ok(Answer::Given { access_token, expires_in }) if !access_token.is_empty() => {
                Ok((access_token, expires_in))
            }
            Ok(Answer::Refused { errcode, errmsg }) => {
                let errmsg = brief(&errmsg.replace(self.secret.expose(), "***"));
                Err(TokenError::Refused { errcode, errmsg })
            }
            _ => Err(TokenError::Unreachable("an answer that holds no token".to_owned())),
        }
    }
}
