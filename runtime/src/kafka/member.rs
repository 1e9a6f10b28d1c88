//! What a member of a group does that blocks its thread.

use std::time::Duration;

use rdkafka::{
    TopicPartitionList,
    consumer::{Consumer as _, ConsumerContext, StreamConsumer},
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
};

/// A coordinator that is there answers within this time.
const COORDINATOR: Duration = Duration::from_secs(1);

/// So often a rebalance is looked for.
const SERVE: Duration = Duration::from_millis(20);

/// Runs what blocks, such as a synchronous commit in a rebalance, without keeping the other tasks of this thread from running. On a
/// runtime of one thread they have to wait.
pub fn blocking<T>(wait: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

/// Runs what a member does last on a thread that nobody waits for longer than `within`: leaving can block for ever inside librdkafka
/// (rdkafka 0.39 asks a group that has ended for its protocol), and a runtime would wait for a blocking task of its own.
///
/// `None`: it has not come to its end, and the process ends without it. Cancel safe: the thread goes on.
pub async fn last<T: Send + 'static>(
    within: Duration,
    what: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, ended) = oneshot::channel();
    let runtime = Handle::current();
    let leaving = move || {
        let _entered = runtime.enter();
        // Whoever has given up waiting does not want to know.
        drop(done.send(what()));
    };
    std::thread::Builder::new().name("leave".to_owned()).spawn(leaving).ok()?;
    tokio::time::timeout(within, ended).await.ok()?.ok()
}

/// Makes the last commit and leaves the group of a topic, if its coordinator answers. Blocks the thread: see [`last`].
///
/// With the coordinator away a commit would wait for it, and librdkafka before 2.14.2 can crash when it leaves: the member stays as it
/// is until the process ends, and the group misses it after its session.
pub fn leave<C: ConsumerContext + 'static>(
    consumer: StreamConsumer<C>,
    topic: &str,
    commit: impl FnOnce(&StreamConsumer<C>),
) {
    let mut any = TopicPartitionList::new();
    any.add_partition(topic, 0);
    if let Err(error) = consumer.committed_offsets(any, COORDINATOR) {
        tracing::warn!(%error, topic, "nothing is committed and the group not left, its coordinator is away");
        return std::mem::forget(consumer);
    }
    commit(&consumer);
    Handle::current().block_on(joined(&consumer));
    drop(consumer);
}

/// Waits until a member that is about to join has joined: librdkafka 2.12.1 aborts the process when it is given its partitions while
/// it ends. What is received meanwhile was not committed, and is read again by its next owner.
async fn joined<C: ConsumerContext + 'static>(consumer: &StreamConsumer<C>) {
    let joining = async {
        while consumer.assignment().is_ok_and(|assigned| assigned.count() == 0) {
            // A member that gets no partition is asked no further than until the time is over.
            drop(tokio::time::timeout(SERVE, consumer.recv()).await);
        }
    };
    // A group may have more members than partitions.
    tokio::time::timeout(COORDINATOR, joining).await.unwrap_or_default();
}
