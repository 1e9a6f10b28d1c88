//! How large a profile can grow: every list and every string has an end, so that no sender can make a profile heavy.
//!
//! Together they keep the fullest profile below [`MESSAGE_BYTES`], which a test proves.

/// Largest gRPC message taken or sent, and more than the fullest profile needs.
pub const MESSAGE_BYTES: usize = 256 * 1024;

/// Items remembered as seen.
pub const SEEN: usize = 500;
/// Milliseconds for which an item is remembered as seen: 90 days.
pub const SEEN_MS: i64 = 90 * super::decay::DAY_MS;
/// Activities of other systems that are kept.
pub const ACTIVITIES: usize = 20;
/// Ids remembered as applied.
pub const APPLIED: usize = 256;
/// Traits of one user; the oldest statement goes first.
pub const TRAITS: usize = 128;
/// Preferences of one user; the oldest statement goes first.
pub const PREFERENCES: usize = 64;
/// Topics of one user; the weakest goes first.
pub const TASTES: usize = 200;
/// Habits of one user; the one that slept longest goes first.
pub const HABITS: usize = 32;
/// Choices of one habit; the rarest goes first.
pub const CHOICES: usize = 16;
/// Largest number of options that is believed.
pub const OPTIONS: u32 = 100;
/// Questions remembered as put; the oldest goes first.
pub const ASKED: usize = 64;
/// External ids of one user.
pub const EXTERNAL_IDS: usize = 32;
/// Topics, choices or items that one event or activity may speak for.
pub const PER_EVENT: usize = 32;

/// Longest name of a trait, topic, habit, choice, namespace or item, in bytes.
pub const NAME_BYTES: usize = 64;
/// Longest id of an event, an activity or a customer, in bytes.
pub const ID_BYTES: usize = 64;
/// Longest value of a trait, in bytes.
pub const VALUE_BYTES: usize = 400;
/// Largest activity, encoded.
pub const ACTIVITY_BYTES: usize = 2048;

/// A name that can be kept: there is one, and it is not too long.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len())
}

/// Drops the entries with the smallest `worth` until no more than `most` are left; the order of the rest stays.
pub(crate) fn shorten<T, W: PartialOrd>(list: &mut Vec<T>, most: usize, worth: impl Fn(&T) -> W) {
    while list.len() > most {
        let mut weakest = 0;
        for index in 1..list.len() {
            if worth(&list[index]) < worth(&list[weakest]) {
                weakest = index;
            }
        }
        list.remove(weakest);
    }
}
