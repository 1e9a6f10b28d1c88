//! Counts per account and day, account and minute (`facts.md` §4.5).

use crate::platform::answer::Refusal;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// The platform's day begins at midnight in Beijing.
const BEIJING_MS: i64 = 8 * 60 * MINUTE_MS;

/// How many calls an account may make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// In one day.
    pub day: u64,
    /// In one minute.
    pub minute: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    period: i64,
    used: u64,
}

impl Count {
    /// Moves on to `period` and says whether another call fits under `limit`.
    fn fits(&mut self, period: i64, limit: u64) -> bool {
        if self.period != period {
            *self = Self { period, used: 0 };
        }
        self.used < limit
    }
}

/// The counts of one call of one account.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Quota {
    day: Count,
    minute: Count,
}

impl Quota {
    /// Counts one call.
    ///
    /// # Errors
    /// 45011 when the minute is used up, 45009 when the day is; then the call is not counted.
    pub(crate) fn take(&mut self, now_ms: i64, limit: Limit) -> Result<(), Refusal> {
        if !self.minute.fits(now_ms.div_euclid(MINUTE_MS), limit.minute) {
            return Err(Refusal::of(45011));
        }
        if !self.day.fits((now_ms + BEIJING_MS).div_euclid(DAY_MS), limit.day) {
            return Err(Refusal::of(45009));
        }
        self.minute.used += 1;
        self.day.used += 1;
        Ok(())
    }
}

/// The counts of one account.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Quotas {
    /// `custom/send`.
    pub send: Quota,
    /// `cgi-bin/token`.
    pub token: Quota,
    /// `cgi-bin/stable_token`.
    pub stable_token: Quota,
    /// Forced refreshes of `cgi-bin/stable_token`.
    pub forced: Quota,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_and_a_day_of_beijing_are_counted_apart() {
        let limit = Limit { day: 3, minute: 2 };
        let mut quota = Quota::default();
        let midnight = 1_754_064_000_000; // 2025-08-02 00:00 in Beijing
        let code = |result: Result<(), Refusal>| result.map_or_else(|refusal| refusal.errcode, |()| 0);
        assert_eq!(code(quota.take(midnight - 120_000, limit)), 0);
        assert_eq!(code(quota.take(midnight - 120_000, limit)), 0);
        assert_eq!(code(quota.take(midnight - 119_000, limit)), 45011);
        assert_eq!(code(quota.take(midnight - 60_000, limit)), 0);
        assert_eq!(code(quota.take(midnight - 1, limit)), 45009);
        assert_eq!(code(quota.take(midnight, limit)), 0);
    }
}
