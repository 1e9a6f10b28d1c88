//! One call that asks several questions, each of which has its own answer.

use std::{convert::Infallible, vec};

use futures::stream::{self, Iter};
use proto::profile::{
    EnrichAllResponse, Enrichment, RecordAllResponse, Refusal, enrich_all_response, record_all_response,
};
use runtime::trace::{self, TraceParent};
use tokio::{sync::oneshot, time::Instant};
use tonic::{Code, Request, Response, Status, Streaming};

use super::Unanswered;

/// A question, and whoever waits for its answer.
#[derive(Debug)]
pub(super) struct Asked<Q, A> {
    pub question: Q,
    pub trace: TraceParent,
    /// Nobody waits any longer.
    pub ends: Instant,
    pub answer: Answer<A>,
}

type Answer<A> = oneshot::Sender<Result<A, Unanswered>>;

/// An answer, and which question of its call it belongs to.
pub(super) struct Numbered<A> {
    number: u32,
    answer: Result<A, Unanswered>,
}

/// Asks in one call, which carries the trace of its first question, what somebody still waits for. The call ends with the last of
/// those who wait.
pub(super) async fn ask<Q, R, A, Calling>(
    mut asked: Vec<Asked<Q, A>>,
    call: impl FnOnce(Request<Iter<vec::IntoIter<Q>>>) -> Calling,
) where
    Calling: Future<Output = Result<Response<Streaming<R>>, Status>>,
    R: Into<Numbered<A>>,
{
    asked.retain(|asked| !asked.answer.is_closed());
    let Some(trace) = asked.first().map(|first| first.trace) else { return };
    let ends = asked.iter().map(|asked| asked.ends).max().unwrap_or_else(Instant::now);
    let (questions, mut waiting): (Vec<_>, Vec<_>) =
        asked.into_iter().map(|Asked { question, answer, .. }| (question, Some(answer))).unzip();
    let mut request = Request::new(stream::iter(questions));
    request.set_timeout(ends.saturating_duration_since(Instant::now()));
    if let Ok(value) = trace.child().to_string().parse() {
        request.metadata_mut().insert(trace::HEADER, value);
    }

    let answered = tokio::time::timeout_at(ends, hand_out(call(request), &mut waiting)).await;
    let Err(status) = answered.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
    for answer in waiting.into_iter().flatten() {
        tell(answer, Err(Unanswered::Lost(status.clone())));
    }
}

/// Hands the answers out as they come, to the end of the call.
///
/// # Errors
/// Why those have none who still wait for one.
async fn hand_out<R: Into<Numbered<A>>, A>(
    call: impl Future<Output = Result<Response<Streaming<R>>, Status>>,
    waiting: &mut [Option<Answer<A>>],
) -> Result<Infallible, Status> {
    let mut answers = call.await?.into_inner();
    while let Some(answer) = answers.message().await? {
        let Numbered { number, answer } = answer.into();
        let asked = usize::try_from(number).ok().and_then(|number| waiting.get_mut(number));
        if let Some(waiting) = asked.and_then(Option::take) {
            tell(waiting, answer);
        }
    }
    Err(Status::internal("the call has ended without this answer"))
}

/// Whoever has stopped waiting does not want to know.
fn tell<A>(waiting: Answer<A>, answer: Result<A, Unanswered>) {
    drop(waiting.send(answer));
}

fn refused(refusal: Refusal) -> Unanswered {
    Unanswered::Refused(Status::new(Code::from_i32(refusal.code), refusal.message))
}

fn nothing() -> Unanswered {
    Unanswered::Lost(Status::internal("an answer that says nothing"))
}

impl From<EnrichAllResponse> for Numbered<Enrichment> {
    fn from(EnrichAllResponse { number, result }: EnrichAllResponse) -> Self {
        let answer = match result {
            Some(enrich_all_response::Result::Response(response)) => response.enrichment.ok_or_else(nothing),
            Some(enrich_all_response::Result::Refusal(refusal)) => Err(refused(refusal)),
            None => Err(nothing()),
        };
        Self { number, answer }
    }
}

impl From<RecordAllResponse> for Numbered<()> {
    fn from(RecordAllResponse { number, result }: RecordAllResponse) -> Self {
        let answer = match result {
            Some(record_all_response::Result::Response(_)) => Ok(()),
            Some(record_all_response::Result::Refusal(refusal)) => Err(refused(refusal)),
            None => Err(nothing()),
        };
        Self { number, answer }
    }
}
