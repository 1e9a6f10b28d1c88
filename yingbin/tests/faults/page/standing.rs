//! The line of an earlier soak. Pure, so that it can be tested itself.

/// What stands before the minutes in a line.
pub(crate) const FOR: &str = "under load, for";

/// Whether a line tells of a soak of more minutes than these.
pub(crate) fn is_longer(line: &str, minutes: u64) -> bool {
    let told = line.split_once(FOR).and_then(|(_, rest)| rest.split_whitespace().next());
    told.and_then(|told| told.parse::<u64>().ok()).is_some_and(|told| told > minutes)
}
