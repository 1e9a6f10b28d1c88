//! Durations as they are written in a playbook: `300ms`, `10s`, `5m`, `12h`, `7d`.

use std::time::Duration;

/// Longest duration that is taken, so that sums with times of day can not overflow.
const LONGEST_DAYS: u64 = 3_650;

pub(super) fn parse(written: &str) -> Result<Duration, String> {
    let wrong = || format!("`{written}` is no duration: write it like 300ms, 10s, 5m, 12h or 7d");
    let digits = written.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = written.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let duration = Duration::from_millis(number.saturating_mul(unit_ms));
    if duration.is_zero() || duration > Duration::from_secs(LONGEST_DAYS * 86_400) {
        return Err(format!("`{written}` has to lie between 1ms and {LONGEST_DAYS}d"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_reads_and_nonsense_is_refused() {
        for (written, ms) in
            [("300ms", 300), ("2s", 2_000), ("5m", 300_000), ("12h", 43_200_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse(written), Ok(Duration::from_millis(ms)));
        }
        for written in ["", "7", "d", "7 d", "-1d", "0s", "9999999d", "99999999999999999999d", "1w"] {
            assert!(parse(written).is_err(), "{written}");
        }
    }
}
