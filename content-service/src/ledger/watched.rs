//! How long somebody else's attempt has been seen under way, by the clock of whoever sees it: that of Redis, by which leases run, may
//! step back, or be behind at the replica that takes over.

use std::time::Duration;

use tokio::time::Instant;

/// What names an attempt and its lease; a lease that is renewed is another.
const NAMES: [&[u8]; 4] = [b"f", b"l", b"p", b"a"];

/// One attempt, and since when it is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watched {
    /// As `overdue` compares it.
    attempt: Vec<u8>,
    since: Instant,
}

impl Watched {
    /// What stands in the fields of an entry, which may have been seen `before`.
    pub(super) fn seen(fields: &[Vec<u8>], before: Option<Self>) -> Self {
        let field = |name: &[u8]| fields.chunks_exact(2).find(|pair| pair[0] == name);
        let attempt = NAMES.map(|name| field(name).map_or(&[][..], |pair| &pair[1])).join(&b'|');
        match before {
            Some(before) if before.attempt == attempt => before,
            _ => Self { attempt, since: Instant::now() },
        }
    }

    /// The attempt, if it is seen for a whole lease: then that is over, whatever Redis takes the time to be. Empty before.
    pub(super) fn over(&self, lease: Duration) -> &[u8] {
        if self.since.elapsed() > lease { &self.attempt } else { &[] }
    }
}
