//! What the platform must never have to answer, but in a test that forces it.

use std::collections::BTreeSet;

use serde_json::Value;

/// Windows and quotas: 45009 day, 45011 minute, 45015 closed, 45047 used up.
const CODES: [i64; 4] = [45_009, 45_011, 45_015, 45_047];

/// The codes of windows and quotas that the platform had to answer to these sends; what a script answered in its place is not its own.
pub(crate) fn refusals(sends: &[Value]) -> BTreeSet<i64> {
    let own = sends.iter().filter(|send| send["fault"].is_null());
    own.filter_map(|send| send["errcode"].as_i64()).filter(|code| CODES.contains(code)).collect()
}
