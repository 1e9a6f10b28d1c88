//! How a member leaves its group, also in the middle of a rebalance.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    consumer::{Consumer as _, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
};
use tokio::runtime::Handle;

/// A coordinator that is there answers within this time, and so long a member without partitions is asked whether it gets some.
const COORDINATOR: Duration = Duration::from_secs(1);

/// So long a leaving member serves what the group asks of it, between two looks.
const SERVE: Duration = Duration::from_millis(50);

/// A rebalance is waited for so long: what a member that was killed holds up ends with its session, 6 s unless it is set otherwise.
const REBALANCE: Duration = Duration::from_secs(7);

/// For [`leave`]: a rebalance, the last commit, the farewell.
pub const LEAVE: Duration = Duration::from_secs(8);

/// A classic group in these states lets its members wait: for the others to join, for the leader's plan.
const REBALANCING: [&str; 2] = ["PreparingRebalance", "CompletingRebalance"];

/// The context of a member that can leave in the middle of a rebalance.
pub trait HearsRebalances: ConsumerContext + 'static {
    /// What it has heard of its group.
    fn rounds(&self) -> &Rounds;
}

/// The joins of a member that have come to their end. Its context lets it hear each rebalance.
#[derive(Debug, Default)]
pub struct Rounds {
    joined: AtomicUsize,
    /// Whoever has given partitions up joins once more.
    again: AtomicBool,
}

impl Rounds {
    /// To be called at the beginning of `pre_rebalance`.
    pub fn hear(&self, rebalance: &Rebalance<'_>) {
        let given_up = matches!(rebalance, Rebalance::Revoke(_));
        let again = self.again.swap(given_up, Ordering::Relaxed);
        if matches!(rebalance, Rebalance::Assign(_)) && !again {
            self.joined.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn joined(&self) -> usize {
        self.joined.load(Ordering::Relaxed)
    }
}

/// Makes the last commit and leaves the group, if its coordinator answers; `group` and `topic` by their full names; whether that was
/// done. A join that is under way is waited for. Blocks the thread: see [`last`](super::last).
///
/// With the coordinator away a commit would wait for it, and librdkafka before 2.14.2 can crash when it leaves: the member stays as it
/// is until the process ends, and the group misses it after its session.
pub fn leave<C: HearsRebalances>(
    consumer: StreamConsumer<C>,
    group: &str,
    topic: &str,
    commit: impl FnOnce(&StreamConsumer<C>),
) -> bool {
    if let Err(why) = Handle::current().block_on(settled(&consumer, group, topic)) {
        tracing::warn!(%why, group, "nothing is committed and the group not left: it misses this member after its session");
        std::mem::forget(consumer);
        return false;
    }
    commit(&consumer);
    drop(consumer);
    true
}

/// Why a group cannot be left.
#[derive(Debug, thiserror::Error)]
enum CannotLeave {
    #[error("its coordinator is away: {0}")]
    Away(#[from] KafkaError),
    #[error("it has been rebalancing for {REBALANCE:?}")]
    Rebalances,
}

/// Waits until the member neither joins nor is about to. A broker reads nothing more from a connection on which a join waits: a commit
/// and the farewell would wait behind it, and whatever waits there for `socket.timeout.ms` ends the connection. And librdkafka 2.12.1
/// aborts the process when it is given its partitions while it ends. What is received meanwhile was not committed, and is read again
/// by its next owner.
async fn settled<C: HearsRebalances>(
    consumer: &StreamConsumer<C>,
    group: &str,
    topic: &str,
) -> Result<(), CannotLeave> {
    let (start, joined) = (Instant::now(), consumer.context().rounds().joined());
    let mut resting: Option<Instant> = None;
    // A join that has just been answered leaves time until the next heartbeat.
    while consumer.context().rounds().joined() == joined {
        let rests = rests(consumer, group, topic, start.elapsed() >= REBALANCE)?;
        // A group may have more members than partitions.
        let has_its_part = |since: Instant| has_partitions(consumer) || since.elapsed() >= COORDINATOR;
        if rests && resting.is_some_and(has_its_part) {
            break;
        }
        resting = rests.then(|| resting.unwrap_or_else(Instant::now));
        serve(consumer).await;
    }
    Ok(())
}

/// Whether the group lets nobody wait, and its coordinator answers. `late`: neither is waited for any longer.
fn rests<C: HearsRebalances>(
    consumer: &StreamConsumer<C>,
    group: &str,
    topic: &str,
    late: bool,
) -> Result<bool, CannotLeave> {
    let seen = look(consumer, group);
    if seen == Seen::Rebalances {
        return if late { Err(CannotLeave::Rebalances) } else { Ok(false) };
    }
    match answers(consumer, topic) {
        Err(error) if late || seen == Seen::Silent => Err(error.into()),
        answered => Ok(answered.is_ok()),
    }
}

/// What the brokers tell of a group on connections on which nobody joins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Its coordinator is there, and lets members wait.
    Rebalances,
    /// Its coordinator is there, or another broker at least.
    Answers,
    /// No broker told anything that can be used.
    Silent,
}

fn look<C: HearsRebalances>(consumer: &StreamConsumer<C>, group: &str) -> Seen {
    match consumer.fetch_group_list(Some(group), COORDINATOR) {
        Ok(list) if list.groups().iter().any(|group| REBALANCING.contains(&group.state())) => {
            Seen::Rebalances
        }
        Ok(_) | Err(KafkaError::GroupListFetch(RDKafkaErrorCode::Partial)) => Seen::Answers,
        Err(_) => Seen::Silent,
    }
}

/// Whether the coordinator answers this member.
fn answers<C: HearsRebalances>(consumer: &StreamConsumer<C>, topic: &str) -> KafkaResult<()> {
    let mut any = TopicPartitionList::new();
    any.add_partition(topic, 0);
    consumer.committed_offsets(any, COORDINATOR).map(drop)
}

fn has_partitions<C: HearsRebalances>(consumer: &StreamConsumer<C>) -> bool {
    !consumer.assignment().is_ok_and(|assigned| assigned.count() == 0)
}

/// Rebalances are served by whoever receives.
async fn serve<C: HearsRebalances>(consumer: &StreamConsumer<C>) {
    let until = Instant::now() + SERVE;
    while Instant::now() < until && tokio::time::timeout_at(until.into(), consumer.recv()).await.is_ok() {}
}
