//! What an answer of the platform means for the part, the user's window and the account (`facts.md` §4.6).

use wechat::{
    api::{Sent, TokenError},
    errcode::{self, Class},
};

use crate::accounts::Stop;

/// How long an account rests after an answer that a person has to do something about; then the next events try again.
const REST_MS: i64 = 60_000;
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
    NotTaken { errcode: Option<i32>, reason: String, stop: Option<Stop> },
    /// Nobody can know.
    Unknown { errcode: Option<i32>, reason: String },
}

/// Judges what came of a send at `now_ms`.
pub(super) fn judge(sent: Sent, now_ms: i64) -> Verdict {
    match sent {
        Sent::Taken => Verdict::Taken,
        Sent::Unknown { reason } => Verdict::Unknown { errcode: None, reason },
        Sent::NotSent { reason } => {
            Verdict::NotTaken { errcode: None, reason: reason.to_string(), stop: None }
        }
        Sent::Refused { errcode, .. } => refused(errcode, now_ms),
    }
}

fn refused(errcode: i32, now_ms: i64) -> Verdict {
    let reason = format!("errcode {errcode}");
    let not_taken = |stop| Verdict::NotTaken { errcode: Some(errcode), reason: reason.clone(), stop };
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

/// The stop that a refused token brings.
pub(super) fn stop_of(error: &TokenError, now_ms: i64) -> Option<Stop> {
    match error {
        TokenError::Refused { errcode, .. } => stop(*errcode, now_ms),
        TokenError::Unreachable(_) => None,
    }
}

fn stop(errcode: i32, now_ms: i64) -> Option<Stop> {
    let until_ms = match errcode::class(errcode) {
        Class::StopAccount => now_ms + REST_MS,
        Class::StopUntilMidnight => (now_ms + BEIJING_MS) / DAY_MS * DAY_MS + DAY_MS - BEIJING_MS,
        Class::PauseMinute => now_ms / MINUTE_MS * MINUTE_MS + MINUTE_MS,
        _ => return None,
    };
    Some(Stop { until_ms, why: format!("errcode {errcode}") })
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
    fn stops_last_as_long_as_the_platform_says() {
        assert_eq!(until(&of(48_001)), Some(NOON_IN_BEIJING + 61_500));
        assert_eq!(until(&of(45_009)), Some(NOON_IN_BEIJING + 12 * 3_600_000), "midnight in Beijing");
        assert_eq!(until(&of(45_011)), Some(NOON_IN_BEIJING + 60_000), "the next minute");
    }
}
