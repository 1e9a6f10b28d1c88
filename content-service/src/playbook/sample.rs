//! Facts of nobody and of somebody, with which a playbook is tried out when it is loaded.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use proto::{event::Event, profile::Enrichment};

use super::facts::Facts;

/// Monday, 5 January 2026, 08:00 in Hangzhou.
pub(super) const AT_MS: i64 = 1_767_571_200_000;

static EMPTY: LazyLock<Facts> =
    LazyLock::new(|| Facts::new(&Event::default(), None, AT_MS, &TimeZone::UTC, None));

/// The facts of an event of which nothing is known.
pub(super) fn empty() -> &'static Facts {
    &EMPTY
}

/// The facts of a user's first event.
pub(super) fn newcomer() -> Facts {
    let enrichment = Enrichment { visit_started: true, ..Enrichment::default() };
    Facts::new(&Event::default(), Some(&enrichment), AT_MS, &TimeZone::UTC, None)
}
