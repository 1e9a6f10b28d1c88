//! Updates by the thousand: a stream of them, a bounded number under way, one answer at the end.

use std::{collections::HashMap, time::Duration};

use futures::{Stream, StreamExt as _};
use proto::{
    profile::{ImportRefusal, ImportRequest, ImportResponse},
    record_key,
};
use runtime::backoff::Backoff;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tonic::Status;

use super::status;
use crate::people::{Error, People};

/// Updates under way at once.
const IN_FLIGHT: usize = 32;
/// Tries of one update while the store is away: about seven seconds.
const TRIES: usize = 8;
/// Refusals that are told one by one.
const TOLD: usize = 100;

/// Takes every update of the stream. Updates of one user follow each other in the order of the stream, however often one of
/// them has to be tried again.
///
/// # Errors
/// The stream broke, or the store was away for too long. What was taken stays; importing again is safe.
pub(super) async fn all(
    people: &People,
    lines: impl Stream<Item = Result<ImportRequest, Status>>,
) -> Result<ImportResponse, Status> {
    let mut turns = Turns::default();
    let taken = lines.enumerate().map(|(index, line)| {
        let turn = line.as_ref().map_or_else(|_| None, key).map(|user| turns.next(user));
        async move {
            let (line, _held) = (line?, Turn::wait(turn).await);
            Ok::<_, Status>((index as u64 + 1, one(people, &line).await))
        }
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

/// The last update under way of each user.
#[derive(Default)]
struct Turns(HashMap<String, oneshot::Receiver<()>>);

/// Waits for the one before, and lets the next one go when it is dropped.
struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _after: oneshot::Sender<()>,
}

impl Turns {
    fn next(&mut self, user: String) -> Turn {
        if self.0.len() > 2 * IN_FLIGHT {
            self.0.retain(|_, last| last.try_recv() == Err(TryRecvError::Empty));
        }
        let (after, last) = oneshot::channel();
        Turn { before: self.0.insert(user, last), _after: after }
    }
}

impl Turn {
    async fn wait(turn: Option<Self>) -> Option<Self> {
        let mut turn = turn?;
        if let Some(before) = turn.before.take() {
            // It is never sent to: the end of the one before closes it.
            let _closed = before.await;
        }
        Some(turn)
    }
}

fn key(line: &ImportRequest) -> Option<String> {
    let user = line.update.as_ref()?.user.as_ref()?;
    Some(record_key(&user.app_id, &user.openid))
}

async fn one(people: &People, line: &ImportRequest) -> Result<(), Error> {
    let update = line.update.as_ref().ok_or_else(|| super::missing("update"))?;
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
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
