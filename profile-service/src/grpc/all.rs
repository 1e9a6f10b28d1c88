//! Several requests in one call: each is answered for itself, as soon as it is done.

use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, Streaming};

/// Requests of one call under way at once.
const IN_FLIGHT: usize = 64;

/// Asks `one` for each request, and tells what came of it under the number of the request in the call, in the order in which that
/// comes about. A request that cannot be read ends the call.
///
/// Each has a task of its own: a caller who does not read his answers must not hold up what others wait for in the store, and a
/// panic takes no other request along.
pub(super) fn answered<Q, R, A, Answering>(
    requests: Streaming<Q>,
    one: impl Fn(Q) -> Answering + Send + 'static,
    told: impl Fn(u32, Result<R, Status>) -> A + Copy + Send + 'static,
) -> BoxStream<'static, Result<A, Status>>
where
    Q: Send + 'static,
    R: Send + 'static,
    A: Send + 'static,
    Answering: Future<Output = Result<R, Status>> + Send + 'static,
{
    let numbered = requests.zip(stream::iter(0..));
    let answering = numbered.map(move |(request, number)| {
        let task = AbortOnDropHandle::new(tokio::spawn(one(request?)));
        let broken = |_| Err(Status::internal("the request broke the service: a defect"));
        Ok(task.map(move |answer| Ok(told(number, answer.unwrap_or_else(broken)))))
    });
    answering.try_buffer_unordered(IN_FLIGHT).boxed()
}
