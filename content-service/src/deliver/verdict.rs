//! What an answer of the platform means for the part, the user's window and the account (`facts.md` §4.6).

use std::time::Duration;

use wechat::{
    api::{Sent, TokenError},
    errcode::{self, Class},
};

use super::{Deliverer, Slot};
use crate::{
    accounts::Account,
    breaker::{Stop, TRIED_EVERY_MS, USER_LIMITED, Word},
};

/// Longer is no event put off because a server is busy.
const LONGEST_REST: Duration = Duration::from_secs(60);
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Midnight in Beijing, before that of UTC.
const BEIJING_MS: i64 = 8 * 60 * MINUTE_MS;

/// What follows from one send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The platform took it.
    Taken,
    /// It did not, and a repeat would not change that.
    Refused {
        errcode: i32,
        /// The account gets nothing for a while.
        stop: Option<Stop>,
        /// The user's window is closed.
        closes: bool,
    },
    /// It did not; a later try may succeed.
    NotTaken {
        errcode: Option<i32>,
        reason: String,
        /// The account gets nothing for a while; this event tries again afterwards.
        stop: Option<Stop>,
        /// The server wants this event no earlier.
        rest: Option<Duration>,
    },
    /// Nobody can know.
    Unknown { errcode: Option<i32>, reason: String },
}

impl Deliverer {
    /// What came of a send for this event, and what it says of the account. The right to try is used up by it.
    pub(super) fn heed(&self, account: &Account, user: &str, slot: Option<&mut Slot>, sent: Sent) -> Verdict {
        if let Sent::Refused { errcode, errmsg } = &sent {
            self.alarm(account, *errcode, errmsg);
        }
        let now_ms = self.clock.now_ms();
        let verdict = judge(sent, now_ms);
        account.hear(&verdict.word(), user, slot.and_then(Slot::take_right), now_ms);
        verdict
    }

    /// There was no token, for an event that may have had the right to try until `probe_ms`.
    pub(super) fn heed_token(&self, account: &Account, probe_ms: Option<i64>, error: &TokenError) {
        if let TokenError::Refused { errcode, errmsg } = error {
            self.alarm(account, *errcode, errmsg);
        }
        let now_ms = self.clock.now_ms();
        account.hear(&word_of(error, now_ms), "", probe_ms, now_ms);
    }

    /// Every try of this event came to nothing.
    pub(super) fn out_of_reach(&self, account: &Account, user: &str, errcode: Option<i32>, why: &str) {
        let word = Word::Unreached { errcode, why: why.to_owned() };
        account.hear(&word, user, None, self.clock.now_ms());
    }

    /// A code that nobody knows is told to a person.
    fn alarm(&self, account: &Account, errcode: i32, errmsg: &str) {
        if errcode::lookup(errcode).is_none() {
            self.metrics.accounts().unknown_code(&account.name, errcode, errmsg);
        }
    }
}

/// Judges what came of a send at `now_ms`.
fn judge(sent: Sent, now_ms: i64) -> Verdict {
    match sent {
        Sent::Taken => Verdict::Taken,
        Sent::Unknown { reason } => Verdict::Unknown { errcode: None, reason },
        Sent::NotSent { reason } => {
            Verdict::NotTaken { errcode: None, reason: reason.to_string(), stop: None, rest: None }
        }
        Sent::Busy { after } => Verdict::NotTaken {
            errcode: None,
            reason: "the platform answers with status 503".to_owned(),
            stop: None,
            rest: Some(after.min(LONGEST_REST)),
        },
        Sent::Refused { errcode, .. } => refused(errcode, now_ms),
    }
}

fn refused(errcode: i32, now_ms: i64) -> Verdict {
    let reason = format!("errcode {errcode}");
    let not_taken =
        |stop| Verdict::NotTaken { errcode: Some(errcode), reason: reason.clone(), stop, rest: None };
    let final_ = |stop, closes| Verdict::Refused { errcode, stop, closes };
    match errcode::class(errcode) {
        Class::Ok => Verdict::Taken,
        // The client has refreshed the token and repeated once already.
        Class::Retry | Class::RefreshToken => not_taken(None),
        Class::PauseMinute => not_taken(stop(errcode, now_ms)),
        Class::GiveUp => final_(None, false),
        Class::CloseWindow | Class::BlockUser => final_(None, true),
        Class::StopAccount | Class::StopUntilMidnight => final_(stop(errcode, now_ms), false),
        Class::Ambiguous => Verdict::Unknown { errcode: Some(errcode), reason },
    }
}

impl Verdict {
    /// What it says of the account. Who could not be reached is counted when the last try has failed.
    fn word(&self) -> Word {
        match self {
            Self::Refused { errcode, stop: Some(stop), .. }
            | Self::NotTaken { errcode: Some(errcode), stop: Some(stop), .. } => {
                Word::Stopped { errcode: *errcode, stop: stop.clone() }
            }
            Self::Refused { errcode: USER_LIMITED, .. } => Word::Limited,
            Self::Taken | Self::Refused { .. } => Word::Open,
            Self::Unknown { errcode, reason } => Word::Unreached { errcode: *errcode, why: reason.clone() },
            Self::NotTaken { .. } => Word::Nothing,
        }
    }
}

/// What a refused token says of the account.
fn word_of(error: &TokenError, now_ms: i64) -> Word {
    let TokenError::Refused { errcode, .. } = error else { return Word::Nothing };
    let stopped = |stop| Word::Stopped { errcode: *errcode, stop };
    stop(*errcode, now_ms).map_or(Word::Nothing, stopped)
}

fn stop(errcode: i32, now_ms: i64) -> Option<Stop> {
    let rested_ms = now_ms + TRIED_EVERY_MS;
    let (until_ms, probe_ms) = match errcode::class(errcode) {
        Class::StopAccount => (rested_ms, rested_ms),
        // A person may reset the count earlier: that shows when one tries.
        Class::StopUntilMidnight => {
            ((now_ms + BEIJING_MS) / DAY_MS * DAY_MS + DAY_MS - BEIJING_MS, rested_ms)
        }
        Class::PauseMinute => {
            let next = now_ms / MINUTE_MS * MINUTE_MS + MINUTE_MS;
            (next, next)
        }
        _ => return None,
    };
    Some(Stop { probe_ms, ..Stop::until(until_ms, format!("errcode {errcode}")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_IN_BEIJING: i64 = 1_753_934_400_000;

    fn of(errcode: i32) -> Verdict {
        judge(Sent::Refused { errcode, errmsg: String::new() }, NOON_IN_BEIJING + 1_500)
    }

    fn until(verdict: &Verdict) -> Option<i64> {
        match verdict {
            Verdict::Refused { stop, .. } | Verdict::NotTaken { stop, .. } => Some(stop.as_ref()?.until_ms),
            _ => None,
        }
    }

    #[test]
    fn every_class_has_its_consequence() {
        assert!(matches!(of(-1), Verdict::Unknown { errcode: Some(-1), .. }));
        assert!(matches!(of(45_015), Verdict::Refused { closes: true, stop: None, .. }));
        assert!(matches!(of(45_002), Verdict::Refused { closes: false, stop: None, .. }));
        assert!(matches!(of(99_999), Verdict::Refused { .. }), "an unknown code gives up the message");
        assert!(matches!(of(61_450), Verdict::NotTaken { stop: None, .. }));
        assert!(matches!(of(45_011), Verdict::NotTaken { .. }));
    }

    #[test]
    fn every_code_says_something_of_the_account_and_only_a_stop_stops_it() {
        for row in errcode::TABLE.iter().filter(|row| row.code != 50_002) {
            let word = of(row.code).word();
            let expected = match row.class {
                Class::StopAccount | Class::StopUntilMidnight | Class::PauseMinute => {
                    matches!(word, Word::Stopped { errcode, .. } if errcode == row.code)
                }
                Class::Ambiguous => {
                    matches!(word, Word::Unreached { errcode: Some(code), .. } if code == row.code)
                }
                Class::Retry | Class::RefreshToken => word == Word::Nothing,
                _ => word == Word::Open,
            };
            assert!(expected, "{}: {word:?}", row.code);
        }
        assert_eq!(of(50_002).word(), Word::Limited);
        assert_eq!(of(99_999).word(), Word::Open);
    }

    #[test]
    fn a_busy_server_is_left_alone_as_long_as_it_says_and_a_minute_at_most() {
        let rest = |after| match judge(Sent::Busy { after: Duration::from_secs(after) }, 0) {
            Verdict::NotTaken { rest, .. } => rest.unwrap().as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([rest(7), rest(3_600)], [7, 60]);
    }

    #[test]
    fn stops_last_as_long_as_the_platform_says() {
        assert_eq!(until(&of(48_001)), Some(NOON_IN_BEIJING + 61_500));
        assert_eq!(until(&of(45_009)), Some(NOON_IN_BEIJING + 12 * 3_600_000), "midnight in Beijing");
        assert_eq!(until(&of(45_011)), Some(NOON_IN_BEIJING + 60_000), "the next minute");
    }
}
