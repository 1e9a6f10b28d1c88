//! The topics and what the broker has to promise for each (design §3.1).

/// What the broker keeps of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Every record, for so many days.
    Days(u32),
    /// The last record of every key for ever, and all history for so many days.
    Compacted {
        /// `min.compaction.lag.ms` in days.
        history_days: u32,
    },
}

/// A topic by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, before any namespace.
    pub name: &'static str,
    /// Number of partitions when it is created; never changed on a live topic, since keys would move.
    pub partitions: i32,
    /// What is kept.
    pub cleanup: Cleanup,
}

/// What WeChat pushed: [`crate::event::Event`].
pub const EVENTS: Topic = Topic { name: "wechat.events.v1", partitions: 12, cleanup: Cleanup::Days(7) };
/// What was decided and how it ended: [`crate::reply::Reply`].
pub const REPLIES: Topic = Topic { name: "wechat.replies.v1", partitions: 12, cleanup: Cleanup::Days(30) };
/// Records that nobody could read, untouched, with `dlq_*` headers.
pub const DLQ: Topic = Topic { name: "wechat.events.dlq.v1", partitions: 12, cleanup: Cleanup::Days(30) };
/// What customers did elsewhere: [`crate::activity::Activity`].
pub const ACTIVITY: Topic = Topic { name: "customer.activity.v1", partitions: 12, cleanup: Cleanup::Days(7) };
/// The catalogue: [`crate::content::Item`], one partition so that an offset is a version.
pub const ITEMS: Topic =
    Topic { name: "content.items.v1", partitions: 1, cleanup: Cleanup::Compacted { history_days: 30 } };

/// Every topic, for whoever creates or checks them.
pub const ALL_TOPICS: [Topic; 5] = [EVENTS, REPLIES, DLQ, ACTIVITY, ITEMS];
