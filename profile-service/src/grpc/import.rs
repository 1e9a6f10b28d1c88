//! Updates by the thousand: a stream of them, a bounded number under way, one answer at the end.

use futures::{Stream, StreamExt as _};
use proto::profile::{ImportRefusal, ImportRequest, ImportResponse};
use tonic::Status;

use super::status;
use crate::{
    backoff::Backoff,
    people::{Error, People},
};

/// Updates under way at once.
const IN_FLIGHT: usize = 32;
/// Tries of one update while the store is away: about seven seconds.
const TRIES: usize = 8;
/// Refusals that are told one by one.
const TOLD: usize = 100;

/// Takes every update of the stream. Updates of one user follow each other in the order of the stream.
///
/// # Errors
/// The stream broke, or the store was away for too long. What was taken stays; importing again is safe.
pub(super) async fn all(
    people: &People,
    lines: impl Stream<Item = Result<ImportRequest, Status>>,
) -> Result<ImportResponse, Status> {
    let numbered = lines.enumerate();
    let taken = numbered.map(|(index, line)| async move {
        let line = line?;
        Ok::<_, Status>((index as u64 + 1, one(people, &line).await))
    });
    let mut taken = std::pin::pin!(taken.buffer_unordered(IN_FLIGHT));
    let mut answer = ImportResponse::default();
    while let Some(line) = taken.next().await {
        match line? {
            (_, Ok(())) => answer.imported += 1,
            (number, Err(Error::Invalid(reason))) => refuse(&mut answer, number, reason),
            (number, Err(error @ (Error::Store(_) | Error::Nobody))) => {
                tracing::warn!(number, "an import stopped");
                return Err(status::of(&error));
            }
        }
    }
    answer.refusals.sort_unstable_by_key(|refusal| refusal.number);
    Ok(answer)
}

async fn one(people: &People, line: &ImportRequest) -> Result<(), Error> {
    let update = line.update.as_ref().ok_or_else(|| super::missing("update"))?;
    let mut backoff = Backoff::new();
    for _ in 1..TRIES {
        match people.update(update).await {
            Err(Error::Store(_)) => backoff.wait().await,
            settled => return settled.map(drop),
        }
    }
    people.update(update).await.map(drop)
}

fn refuse(answer: &mut ImportResponse, number: u64, reason: String) {
    answer.refused += 1;
    if answer.refusals.len() < TOLD {
        answer.refusals.push(ImportRefusal { number, reason });
    }
}
