//! Several requests in one call: each is answered for itself, as soon as it is done.

use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use tonic::{Status, Streaming};

/// Requests of one call under way at once.
const IN_FLIGHT: usize = 64;

/// The answers that `one` gives to each request and its number in the call, in the order in which they come about. A request that
/// cannot be read ends the call.
pub(super) fn answered<Q, A, Answering>(
    requests: Streaming<Q>,
    one: impl Fn(u32, Q) -> Answering + Send + 'static,
) -> BoxStream<'static, Result<A, Status>>
where
    Q: Send + 'static,
    A: Send + 'static,
    Answering: Future<Output = A> + Send + 'static,
{
    let numbered = requests.zip(stream::iter(0..));
    let answering = numbered.map(move |(request, number)| Ok(one(number, request?).map(Ok)));
    answering.try_buffer_unordered(IN_FLIGHT).boxed()
}
