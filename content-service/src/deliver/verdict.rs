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
/// A quota's time is over by the platform's clock, which differs from ours by no more.
const MARGIN_MS: i64 = 2_000;
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
    /// What came of a send that began at `began_ms` for an event of this user, and what it says of the account; no user: for a mere
    /// question, and only events are counted that the platform could not be reached for. A call uses up the right to try.
    pub(super) fn heed(
        &self,
        account: &Account,
        user: Option<&str>,
        slot: Option<&mut Slot>,
        sent: Sent,
        began_ms: i64,
    ) -> Verdict {
        if let Sent::Refused { errcode, errmsg } = &sent {
            self.alarm(account, *errcode, errmsg);
        }
        let called = !matches!(sent, Sent::NotSent { .. });
        let right = slot.filter(|_| called).and_then(Slot::take_right);
        let now_ms = self.clock.now_ms();
        let verdict = judge(sent, began_ms, now_ms);
        let word = match verdict.word() {
            Word::Unreached { .. } if user.is_none() => Word::Nothing,
            word => word,
        };
        account.hear(&word, user.unwrap_or_default(), right, now_ms);
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

    /// A code that nobody knows is told to a person, and one that takes nothing but this message though a person has to act.
    fn alarm(&self, account: &Account, errcode: i32, errmsg: &str) {
        if errcode::alarms(errcode) {
            self.metrics.accounts().alarming_code(&account.name, errcode, errmsg);
        }
    }
}

/// Judges what came, at `now_ms`, of a send that began at `began_ms`.
fn judge(sent: Sent, began_ms: i64, now_ms: i64) -> Verdict {
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
        Sent::Refused { errcode, .. } => refused(errcode, began_ms, now_ms),
    }
}

fn refused(errcode: i32, began_ms: i64, now_ms: i64) -> Verdict {
    let reason = format!("errcode {errcode}");
    let not_taken =
        |stop| Verdict::NotTaken { errcode: Some(errcode), reason: reason.clone(), stop, rest: None };
    let final_ = |stop, closes| Verdict::Refused { errcode, stop, closes };
    let class = errcode::class(errcode);
    let stop = || stop(class, errcode, began_ms, now_ms);
    match class {
        Class::Ok => Verdict::Taken,
        // The client has refreshed the token and repeated once already.
        Class::Retry | Class::RefreshToken => not_taken(None),
        Class::PauseMinute => not_taken(stop()),
        Class::GiveUp => final_(None, false),
        Class::CloseWindow | Class::BlockUser => final_(None, true),
        Class::StopAccount | Class::StopUntilMidnight => final_(stop(), false),
        Class::Ambiguous => Verdict::Unknown { errcode: Some(errcode), reason },
    }
}

impl Verdict {
    /// What it says of the account: that it may send only if the platform took the message, or looked at the user of it. What can be
    /// tried again is counted when the last try has failed.
    fn word(&self) -> Word {
        match self {
            Self::Refused { errcode, stop: Some(stop), .. }
            | Self::NotTaken { errcode: Some(errcode), stop: Some(stop), .. } => {
                Word::Stopped { errcode: *errcode, stop: stop.clone() }
            }
            Self::Refused { errcode: USER_LIMITED, .. } => Word::Limited,
            Self::Taken | Self::Refused { closes: true, .. } => Word::Open,
            Self::Unknown { errcode, reason } => Word::Unreached { errcode: *errcode, why: reason.clone() },
            Self::Refused { .. } => Word::Answered,
            Self::NotTaken { .. } => Word::Nothing,
        }
    }

    /// The platform's code, where it gave one.
    pub(super) fn errcode(&self) -> Option<i32> {
        match self {
            Self::Taken => None,
            Self::Refused { errcode, .. } => Some(*errcode),
            Self::NotTaken { errcode, .. } | Self::Unknown { errcode, .. } => *errcode,
        }
    }

    /// In the words of an outcome.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Taken => String::new(),
            Self::Refused { errcode, .. } => format!("errcode {errcode}"),
            Self::NotTaken { reason, .. } | Self::Unknown { reason, .. } => reason.clone(),
        }
    }
}

/// What a refused token says of the account.
fn word_of(error: &TokenError, now_ms: i64) -> Word {
    let TokenError::Refused { errcode, .. } = error else { return Word::Nothing };
    let class = match errcode::class(*errcode) {
        // No token was shown: what is not valid is the secret.
        Class::RefreshToken => Class::StopAccount,
        class => class,
    };
    let stopped = |stop| Word::Stopped { errcode: *errcode, stop };
    stop(class, *errcode, now_ms, now_ms).map_or(Word::Nothing, stopped)
}

/// The stop that follows from an answer that came at `now_ms` to a call that began at `began_ms`.
///
/// A quota is that of the minute, or day, in which the call began. Whoever tries after it begins later than the margin, so that no
/// clock takes that call for one of the minute before; if it is refused again, the next try is in the next minute.
fn stop(class: Class, errcode: i32, began_ms: i64, now_ms: i64) -> Option<Stop> {
    let rested_ms = now_ms + TRIED_EVERY_MS;
    let (until_ms, probe_ms) = match class {
        Class::StopAccount => (rested_ms, rested_ms),
        // A person may reset the count earlier: that shows when one tries.
        Class::StopUntilMidnight => {
            let midnight = (began_ms + BEIJING_MS) / DAY_MS * DAY_MS + DAY_MS - BEIJING_MS;
            (midnight.max(rested_ms), rested_ms)
        }
        Class::PauseMinute => {
            let next = began_ms / MINUTE_MS * MINUTE_MS + MINUTE_MS + MARGIN_MS;
            (next, next)
        }
        _ => return None,
    };
    Some(Stop { probe_ms, ..Stop::for_code(until_ms, errcode) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_IN_BEIJING: i64 = 1_753_934_400_000;

    fn answered(errcode: i32, began_ms: i64, now_ms: i64) -> Verdict {
        judge(Sent::Refused { errcode, errmsg: String::new() }, began_ms, now_ms)
    }

    fn of(errcode: i32) -> Verdict {
        answered(errcode, NOON_IN_BEIJING, NOON_IN_BEIJING + 1_500)
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
    fn only_a_stop_stops_an_account_and_only_who_is_heard_about_the_user_opens_it() {
        for row in errcode::TABLE.iter().filter(|row| row.code != 50_002) {
            let word = of(row.code).word();
            let expected = match row.class {
                Class::StopAccount | Class::StopUntilMidnight | Class::PauseMinute => {
                    matches!(word, Word::Stopped { errcode, .. } if errcode == row.code)
                }
                Class::Ambiguous => {
                    matches!(word, Word::Unreached { errcode: Some(code), .. } if code == row.code)
                }
                Class::Ok | Class::CloseWindow | Class::BlockUser => word == Word::Open,
                Class::GiveUp => word == Word::Answered,
                Class::Retry | Class::RefreshToken => word == Word::Nothing,
            };
            assert!(expected, "{}: {word:?}", row.code);
        }
        assert_eq!(of(50_002).word(), Word::Limited);
        assert_eq!(of(99_999).word(), Word::Answered);
    }

    #[test]
    fn a_token_that_is_refused_for_its_secret_stops_the_account_and_names_where_that_stands() {
        let word =
            |errcode| word_of(&TokenError::Refused { errcode, errmsg: String::new() }, NOON_IN_BEIJING);
        for errcode in [40_001, 40_125, 40_164] {
            let Word::Stopped { stop, .. } = word(errcode) else { panic!("{errcode} stops nothing") };
            assert_eq!((stop.errcode(), stop.until_ms), (Some(errcode), NOON_IN_BEIJING + 60_000));
        }
        assert_eq!(errcode::remedy(40_001), errcode::remedy(40_125));
        assert_eq!([word(-1), word(61_450)], [Word::Nothing, Word::Nothing]);
    }

    #[test]
    fn a_busy_server_is_left_alone_as_long_as_it_says_and_a_minute_at_most() {
        let rest = |after| match judge(Sent::Busy { after: Duration::from_secs(after) }, 0, 0) {
            Verdict::NotTaken { rest, .. } => rest.unwrap().as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([rest(7), rest(3_600)], [7, 60]);
    }

    #[test]
    fn stops_last_as_long_as_the_platform_says() {
        assert_eq!(until(&of(48_001)), Some(NOON_IN_BEIJING + 61_500));
        assert_eq!(until(&of(45_009)), Some(NOON_IN_BEIJING + 12 * 3_600_000), "midnight in Beijing");
        assert_eq!(until(&of(45_011)), Some(NOON_IN_BEIJING + 62_000), "the next minute");
    }

    #[test]
    fn a_quota_is_that_of_the_time_in_which_the_call_began() {
        let late = |errcode, began_ms| until(&answered(errcode, began_ms, began_ms + 4_000));
        let minute = NOON_IN_BEIJING + 60_000;
        assert_eq!(late(45_011, minute - 1_000), Some(minute + 2_000), "the answer came in the next");
        assert_eq!(late(45_011, minute + 2_000), Some(minute + 62_000));
        let midnight = NOON_IN_BEIJING + 12 * 3_600_000;
        assert_eq!(late(45_009, midnight - 1_000), Some(midnight + 63_000), "not the day that has begun");
    }
}
