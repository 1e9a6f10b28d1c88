//! Access tokens: `cgi-bin/token` and `cgi-bin/stable_token`, with their different invalidation (`facts.md` §5).

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accept::Line;
use crate::faults::Path;
use crate::platform::answer::{Refusal, carry_out};
use crate::platform::quota::Limit;
use crate::world::{Simulator, lock};

const LIFE_MS: i64 = 7_200_000;
/// How long a token that was replaced in the ordinary way stays usable.
const OVERLAP_MS: i64 = 300_000;
const FORCED_APART_MS: i64 = 30_000;
const SEAL_DIGITS: usize = 16;

/// The tokens that live. One that has ended is known by its seal alone, so that it is called expired for ever and nothing grows.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: HashMap<String, Issued>,
    accounts: HashMap<usize, Current>,
    seal: RandomState,
}

#[derive(Debug)]
struct Issued {
    account: usize,
    expires_at_ms: i64,
    /// From then on it is "not latest".
    replaced_at_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Current {
    plain: Option<String>,
    stable: Option<String>,
    forced_at_ms: Option<i64>,
}

/// A token as it is handed to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The token.
    pub token: String,
    /// Seconds that it lasts.
    pub expires_in: i64,
}

impl Tokens {
    /// A new token; the one before stays usable for five minutes.
    pub(crate) fn plain(&mut self, account: usize, now_ms: i64) -> Given {
        let before = self.accounts.entry(account).or_default().plain.take();
        self.replace(before, now_ms + OVERLAP_MS);
        let given = self.issue(account, now_ms);
        self.accounts.entry(account).or_default().plain = Some(given.token.clone());
        given
    }

    /// The same token until its last five minutes, then a new one beside it.
    pub(crate) fn stable(&mut self, account: usize, now_ms: i64) -> Given {
        let current = self.accounts.entry(account).or_default().stable.clone();
        let left = current
            .as_ref()
            .and_then(|token| self.issued.get(token))
            .map(|issued| issued.expires_at_ms - now_ms);
        match (current, left) {
            (Some(token), Some(left)) if left >= OVERLAP_MS => Given { token, expires_in: left / 1000 },
            _ => self.new_stable(account, now_ms),
        }
    }

    /// A new stable token that ends the one before at once; `None` when thirty seconds have not passed.
    pub(crate) fn forced(&mut self, account: usize, now_ms: i64) -> Option<Given> {
        let current = self.accounts.entry(account).or_default();
        if current.forced_at_ms.is_some_and(|at| now_ms - at < FORCED_APART_MS) {
            return None;
        }
        current.forced_at_ms = Some(now_ms);
        let before = current.stable.take();
        self.replace(before, now_ms);
        Some(self.new_stable(account, now_ms))
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// 41001 without one, 40014 for one that was never given out, 42001 for an expired, 40001 for a replaced one.
    pub(crate) fn check(&self, token: Option<&str>, now_ms: i64) -> Result<usize, Refusal> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::of(41001))?;
        let Some(issued) = self.issued.get(token) else {
            return Err(Refusal::of(if self.has_sealed(token) { 42001 } else { 40014 }));
        };
        if issued.expires_at_ms <= now_ms {
            return Err(Refusal::of(42001));
        }
        if issued.replaced_at_ms.is_some_and(|at| at <= now_ms) {
            return Err(Refusal::of(40001));
        }
        Ok(issued.account)
    }

    fn new_stable(&mut self, account: usize, now_ms: i64) -> Given {
        let given = self.issue(account, now_ms);
        self.accounts.entry(account).or_default().stable = Some(given.token.clone());
        given
    }

    fn issue(&mut self, account: usize, now_ms: i64) -> Given {
        self.issued.retain(|_, issued| issued.expires_at_ms > now_ms);
        let token = self.sealed(&format!("SIM_{:032x}{:032x}{:016x}", word(), word(), rand::random::<u64>()));
        let issued = Issued { account, expires_at_ms: now_ms + LIFE_MS, replaced_at_ms: None };
        self.issued.insert(token.clone(), issued);
        Given { token, expires_in: LIFE_MS / 1000 }
    }

    /// The words with what only this platform can put behind them.
    fn sealed(&self, words: &str) -> String {
        format!("{words}{:016x}", self.seal.hash_one(words))
    }

    /// Whether it was given out here, however long ago.
    fn has_sealed(&self, token: &str) -> bool {
        let words = token.len().checked_sub(SEAL_DIGITS).and_then(|end| token.get(..end));
        words.is_some_and(|words| self.sealed(words) == token)
    }

    fn replace(&mut self, token: Option<String>, at_ms: i64) {
        if let Some(issued) = token.and_then(|token| self.issued.get_mut(&token)) {
            issued.replaced_at_ms = Some(at_ms);
        }
    }
}

fn word() -> u128 {
    rand::random()
}

/// Query of `GET /cgi-bin/token`, body of `POST /cgi-bin/stable_token`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenRequest {
    grant_type: String,
    appid: String,
    #[serde(alias = "appsecret")]
    secret: String,
    force_refresh: bool,
}

/// `GET /cgi-bin/token`.
pub(crate) async fn plain_token(
    State(simulator): State<Simulator>,
    Extension(line): Extension<Line>,
    Query(request): Query<TokenRequest>,
) -> Response {
    let account = account_of(&simulator, &request).ok();
    let fault = simulator.fault(Path::Token, account, None);
    carry_out(fault, &line, || {
        Json(give(&simulator, &request, plain).unwrap_or_else(|refusal| refusal.to_json()))
    })
    .await
}

/// `POST /cgi-bin/stable_token`.
pub(crate) async fn stable_token(
    State(simulator): State<Simulator>,
    Extension(line): Extension<Line>,
    body: Bytes,
) -> Response {
    let request = serde_json::from_slice::<TokenRequest>(&body);
    let account = request.as_ref().ok().and_then(|request| account_of(&simulator, request).ok());
    let fault = simulator.fault(Path::Token, account, None);
    carry_out(fault, &line, || {
        let answer =
            request.map_err(|_| Refusal::of(47001)).and_then(|request| give(&simulator, &request, stable));
        Json(answer.unwrap_or_else(|refusal| refusal.to_json()))
    })
    .await
}

fn give(
    simulator: &Simulator,
    request: &TokenRequest,
    call: fn(&Simulator, &TokenRequest, usize) -> Result<Given, Refusal>,
) -> Result<Value, Refusal> {
    let account = account_of(simulator, request)?;
    let given = call(simulator, request, account)?;
    Ok(json!({ "access_token": given.token, "expires_in": given.expires_in }))
}

fn account_of(simulator: &Simulator, request: &TokenRequest) -> Result<usize, Refusal> {
    if request.grant_type != "client_credential" {
        return Err(Refusal::of(40002));
    }
    if request.appid.is_empty() {
        return Err(Refusal::of(41002));
    }
    if request.secret.is_empty() {
        return Err(Refusal::of(41004));
    }
    let accounts = &simulator.config().accounts;
    let found =
        accounts.iter().position(|account| account.app_id == request.appid).ok_or(Refusal::of(40013))?;
    if accounts[found].app_secret.expose() != request.secret {
        return Err(Refusal::of(40125));
    }
    Ok(found)
}

fn plain(simulator: &Simulator, _: &TokenRequest, account: usize) -> Result<Given, Refusal> {
    let now_ms = simulator.now_ms();
    let limit = Limit { day: simulator.config().limits.tokens_per_day, minute: u64::MAX };
    lock(&simulator.world().quotas)[account].token.take(now_ms, limit)?;
    Ok(lock(&simulator.world().tokens).plain(account, now_ms))
}

fn stable(simulator: &Simulator, request: &TokenRequest, account: usize) -> Result<Given, Refusal> {
    let now_ms = simulator.now_ms();
    let mut quotas = lock(&simulator.world().quotas);
    quotas[account].stable_token.take(now_ms, Limit { day: 500_000, minute: 10_000 })?;
    let mut tokens = lock(&simulator.world().tokens);
    let forced = Limit { day: 20, minute: u64::MAX };
    if request.force_refresh
        && quotas[account].forced.take(now_ms, forced).is_ok()
        && let Some(given) = tokens.forced(account, now_ms)
    {
        return Ok(given);
    }
    Ok(tokens.stable(account, now_ms))
}

#[cfg(test)]
mod tests;
