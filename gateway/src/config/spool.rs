//! The settings of the spool.

use std::{path::PathBuf, time::Duration};

use runtime::config::Settings;

/// A spool below this would be full after a handful of pushes.
const LEAST_SPOOL: u64 = 1024 * 1024;

/// A folder of events that wait for Kafka.
#[derive(Clone, Debug)]
pub struct Spool {
    /// The folder; no other gateway uses it.
    pub dir: PathBuf,
    /// Bytes of all files together.
    pub max_bytes: u64,
    /// While an event has waited for longer, no further one is taken.
    pub max_age: Duration,
}

impl Spool {
    /// A spool of the usual size in this folder.
    #[must_use]
    pub fn in_folder(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), max_bytes: 1024 * 1024 * 1024, max_age: Duration::from_secs(24 * 3600) }
    }

    pub(super) fn read(settings: &mut Settings) -> Option<Self> {
        let default = Self::in_folder("");
        let dir: Option<PathBuf> = settings.optional(
            "spool.dir",
            "Folder in which events wait while Kafka is away, on a disk that outlives the process; without it such pushes are answered 503.",
        );
        let max_bytes = settings.get(
            "spool.max_bytes",
            default.max_bytes,
            "Bytes of the spool; when it is full, pushes are answered 503.",
        );
        if max_bytes < LEAST_SPOOL {
            settings.problem("spool.max_bytes", "must be at least 1048576: one push can have 64 KiB");
        }
        let max_age = settings.get(
            "spool.max_age",
            default.max_age,
            "While an event has waited for longer, pushes that Kafka does not take are answered 503; what waits is kept.",
        );
        Some(Self { dir: dir?, max_bytes, max_age })
    }
}
