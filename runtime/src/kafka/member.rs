//! What a member of a group does that blocks its thread.

use std::time::Duration;

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
};

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
