//! What a stop of an account is: how long, when it is tried, and what a person can do about it.

use wechat::errcode::{self, Class};

use super::TRIED_EVERY_MS;

/// A platform that could not be reached is tried again so often, by one event of the whole fleet.
const UNREACHED_MS: i64 = 10_000;
/// How a reason begins that is a code of the platform.
const ERRCODE: &str = "errcode ";

/// An account that gets nothing for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Until when at least, Unix milliseconds.
    pub until_ms: i64,
    /// Not before then may one event try whether it is over, Unix milliseconds.
    pub probe_ms: i64,
    /// And then so often.
    pub every_ms: i64,
    /// Why: `errcode …` where the platform gave a code.
    pub why: String,
}

impl Stop {
    /// A stop by the platform that is over, or tried, at one time.
    #[must_use]
    pub fn until(until_ms: i64, why: impl Into<String>) -> Self {
        Self { until_ms, probe_ms: until_ms, every_ms: TRIED_EVERY_MS, why: why.into() }
    }

    /// A stop until then for a code of the platform.
    #[must_use]
    pub fn for_code(until_ms: i64, errcode: i32) -> Self {
        Self::until(until_ms, format!("{ERRCODE}{errcode}"))
    }

    /// Nothing gets through to the platform; it has not stopped anybody.
    pub(super) fn unreached(now_ms: i64, why: &str) -> Self {
        Self { every_ms: UNREACHED_MS, ..Self::until(now_ms + UNREACHED_MS, why) }
    }

    /// Nothing gets through to the platform.
    pub(super) fn is_unreached(&self) -> bool {
        self.every_ms == UNREACHED_MS
    }

    /// Reads what the scripts write: `until|probe|every|why`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut fields = text.splitn(4, '|');
        let mut number = || fields.next()?.parse().ok();
        let (until_ms, probe_ms, every_ms) = (number()?, number()?, number()?);
        Some(Self { until_ms, probe_ms, every_ms, why: fields.next()?.to_owned() })
    }

    /// Both at once: the longer holds.
    pub(super) fn and(self, held: Option<&Self>) -> Self {
        let Some(held) = held else { return self };
        let longer = if held.until_ms > self.until_ms { held } else { &self };
        let probe_ms = held.probe_ms.max(self.probe_ms);
        Self { probe_ms, ..longer.clone() }
    }

    /// The platform's code behind it, where it gave one.
    #[must_use]
    pub fn errcode(&self) -> Option<i32> {
        self.why.strip_prefix(ERRCODE)?.split(' ').next()?.parse().ok()
    }

    /// Nobody has to do anything: a quota of some time, or a platform out of reach.
    #[must_use]
    pub fn passes(&self) -> bool {
        let class = self.errcode().map(errcode::class);
        self.is_unreached() || matches!(class, Some(Class::PauseMinute | Class::StopUntilMidnight))
    }

    /// Whether anybody has to know of it. What passes is over when its time is, also if no event has tried since.
    #[must_use]
    pub fn lasts(&self, now_ms: i64) -> bool {
        !self.passes() || now_ms < self.until_ms
    }
}

/// What a person can do about a stop for this code, or for none.
#[must_use]
pub fn what_to_do(errcode: Option<i32>) -> &'static str {
    errcode.map_or("nothing answers: look at the way to the platform's API", errcode::remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_800_000_000_000;

    #[test]
    fn a_stop_that_another_replica_wrote_names_the_page_where_the_right_is_granted() {
        let told = |text| what_to_do(Stop::read(text).unwrap().errcode());
        assert!(
            told("1|1|60000|errcode 48001").contains("mp.weixin.qq.com, 设置与开发 > 接口权限 > 客服消息")
        );
        assert_eq!(told("1|1|60000|errcode 50002 for every user"), errcode::remedy(50_002));
        assert_eq!(told("1|1|60000|errcode 40001"), errcode::remedy(40_125), "the token endpoint's");
        assert!(told("1|1|10000|connecting failed").starts_with("nothing answers"));
    }

    #[test]
    fn what_passes_by_itself_lasts_to_its_end_and_what_a_person_must_mend_until_it_is_lifted() {
        let lasts = |stop: Stop| [stop.lasts(T0), stop.lasts(T0 + 60_000)];
        for errcode in [45_009, 45_011] {
            assert_eq!(lasts(Stop::for_code(T0 + 60_000, errcode)), [true, false], "{errcode}");
        }
        assert_eq!(lasts(Stop::unreached(T0, "errcode -1")), [true, false]);
        for errcode in [48_001, 40_001, 40_125, 50_002] {
            assert_eq!(lasts(Stop::for_code(T0 + 60_000, errcode)), [true, true], "{errcode}");
        }
    }
}
