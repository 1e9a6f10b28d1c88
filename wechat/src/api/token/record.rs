//! What the replicas of a fleet know of one access token, and whose turn it is to fetch the next (`facts.md` §5).
//!
//! A normal call of `stable_token` ends no token of another replica, so a fetch too many does no harm; the rules keep them few.

use serde::{Deserialize, Serialize};

use super::TokenError;

/// Within its last five minutes a call returns a new token, and both are valid.
const MARGIN_MS: i64 = 240_000;
const LONGEST_LIFE_MS: i64 = 7_200_000;
/// The endpoint is called at most this often while it fails.
const LONGEST_PAUSE_MS: i64 = 5_000;
/// Whoever began to fetch and says nothing for so long has died.
const LONGEST_FETCH_MS: i64 = 10_000;
/// Two fetches are at least so far apart.
const APART_MS: i64 = 100;
/// A program that replaces our token again and again gets two fetches in this time, and so does a platform that refuses the token it
/// gives again and again; until then the refused one is tried again.
const TWICE_IN_MS: i64 = 60_000;
/// “invalid credential, `access_token` is … not latest”: another fetch has replaced it.
pub(super) const REPLACED: i32 = 40_001;

/// Times are Unix milliseconds of whoever wrote them: clocks that differ by less than the margin do no harm.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Empty: there is none.
    pub(super) token: String,
    pub(super) renew_at_ms: i64,
    pub(super) until_ms: i64,
    /// When the last two were given, the newer first.
    given_ms: [i64; 2],
    /// The last one given was the one before once more.
    #[serde(default)]
    same: bool,
    fetching: Option<Fetching>,
    failed: Option<Failed>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Fetching {
    by: u64,
    until_ms: i64,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Failed {
    error: TokenError,
    times: u32,
    again_at_ms: i64,
}

/// A token that the platform has refused.
#[derive(Clone)]
pub(super) struct Refused {
    pub(super) token: String,
    pub(super) errcode: i32,
}

/// What to do for a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The one of the record serves.
    Use,
    /// It is ours to fetch one.
    Fetch,
    /// Look again after so many milliseconds.
    Wait(i64),
    /// There is none now.
    Fail(TokenError),
}

impl Record {
    /// What `me`, whose last token may have been refused, does at `now_ms`.
    pub(super) fn turn(&self, me: u64, refused: Option<&Refused>, now_ms: i64) -> Turn {
        let refused = refused.filter(|refused| refused.token == self.token);
        let serves = |until_ms| refused.is_none() && ahead(until_ms, now_ms, LONGEST_LIFE_MS).is_some();
        if serves(self.renew_at_ms) {
            return Turn::Use;
        }
        let other = |turn| if serves(self.until_ms) { Turn::Use } else { turn };
        if let Some(failed) = &self.failed
            && ahead(failed.again_at_ms, now_ms, LONGEST_PAUSE_MS).is_some()
        {
            return other(Turn::Fail(failed.error.clone()));
        }
        if let Some(fetching) = self.fetching.as_ref().filter(|fetching| fetching.by != me)
            && let Some(left) = ahead(fetching.until_ms, now_ms, LONGEST_FETCH_MS)
        {
            return other(Turn::Wait(left));
        }
        let [last, before] = self.given_ms;
        let contested = refused.is_some_and(|refused| refused.errcode == REPLACED || self.same);
        if contested && ahead(before + TWICE_IN_MS, now_ms, TWICE_IN_MS).is_some() {
            return Turn::Use;
        }
        ahead(last + APART_MS, now_ms, APART_MS).map_or(Turn::Fetch, Turn::Wait)
    }

    /// `me` has begun to fetch.
    pub(super) fn fetching(&self, me: u64, now_ms: i64) -> Self {
        let fetching = Some(Fetching { by: me, until_ms: now_ms + LONGEST_FETCH_MS });
        Self { fetching, ..self.clone() }
    }

    /// The platform gave a token.
    pub(super) fn given(&self, token: String, expires_in_s: u64, now_ms: i64) -> Self {
        let life = i64::try_from(expires_in_s).unwrap_or(i64::MAX).saturating_mul(1000).min(LONGEST_LIFE_MS);
        Self {
            same: token == self.token,
            token,
            renew_at_ms: now_ms + life - MARGIN_MS.min(life / 2),
            until_ms: now_ms + life,
            given_ms: [now_ms, self.given_ms[0]],
            fetching: None,
            failed: None,
        }
    }

    /// The platform gave none.
    pub(super) fn failed(&self, error: TokenError, now_ms: i64) -> Self {
        let times = self.failed.as_ref().map_or(0, |failed| failed.times).saturating_add(1);
        let failed = Failed { error, times, again_at_ms: now_ms + pause_after(times) };
        Self { failed: Some(failed), fetching: None, ..self.clone() }
    }
}

/// Milliseconds until `at_ms`. What lies further ahead than it can was written by a clock that is wrong, and does not count.
fn ahead(at_ms: i64, now_ms: i64, most: i64) -> Option<i64> {
    let left = at_ms.saturating_sub(now_ms);
    (1..=most).contains(&left).then_some(left)
}

/// One second, doubled with every failure in a row.
fn pause_after(times: u32) -> i64 {
    (1_000 << (times.clamp(1, 4) - 1)).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests;
