//! Panics: each is counted and told by its place. Its words are left out, for they may be those of a user.

use std::{panic, sync::LazyLock};

use prometheus_client::metrics::counter::Counter;

pub(super) static COUNT: LazyLock<Counter> = LazyLock::new(Counter::default);

/// From now on no panic is told in another way.
pub fn tell_panics() {
    panic::set_hook(Box::new(|panic| {
        COUNT.inc();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic: a defect");
    }));
}
