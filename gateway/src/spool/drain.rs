//! Moves the spool to Kafka: some hundred records at once, those of one user one after the other.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures::future::join_all;
use runtime::{backoff::Backoff, kafka::ProduceError};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Spool, read,
    writer::{Command, Stored},
};
use crate::parcel::{Outlet, Parcel};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Without news the folder is looked at this often, which also keeps the age of the oldest record true.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// One user's records in hand, in order.
type Chain = Vec<(u64, Parcel)>;

/// Drains until `stop`, then finishes what is in hand. Ends early if the thread of the files has ended.
pub(crate) async fn drain(spool: &Spool, outlet: &Outlet, stop: &CancellationToken) {
    let drainer = Drainer { spool, outlet, stop };
    let mut away: Option<Backoff> = None;
    while let Some(passed) = drainer.pass().await {
        let records = spool.metrics.records.get();
        let wait = async {
            match passed {
                Ok(()) => {
                    if away.take().is_some() && records == 0 {
                        tracing::info!("kafka has taken all that was in the spool");
                    }
                    let _news_or_not = timeout(LOOK_AGAIN, spool.news.notified()).await;
                }
                Err(error) => {
                    if away.is_none() {
                        tracing::error!(records, %error, "kafka does not take events: they wait in the spool");
                    }
                    away.get_or_insert_with(|| Backoff::new(FIRST_PAUSE, LONGEST_PAUSE)).wait().await;
                }
            }
        };
        if stop.run_until_cancelled(wait).await.is_none() {
            return;
        }
    }
}

struct Drainer<'a> {
    spool: &'a Spool,
    outlet: &'a Outlet,
    stop: &'a CancellationToken,
}

/// What Kafka said of a record of this user that it did not take.
type Stuck = (u64, ProduceError);

impl Drainer<'_> {
    /// From the oldest record to the newest, leaving out users one of whose records Kafka did not take; what it last said, if it did
    /// not take all. `None`: the files are closed.
    async fn pass(&self) -> Option<Result<(), ProduceError>> {
        let (mut stuck, mut from, mut passed) = (HashSet::new(), 0, Ok(()));
        while !self.stop.is_cancelled() {
            let window = self.window(from).await?;
            let Some(last) = window.last() else { return Some(passed) };
            from = last.number + 1;
            let chains = self.chains(window, &stuck).await;
            let (before, tried) = (self.spool.taken(), chains.len());
            let failed = join_all(chains.into_iter().map(|(user, chain)| self.send(user, chain))).await;
            for (user, error) in failed.into_iter().flatten() {
                stuck.insert(user);
                passed = Err(error);
            }
            // Nothing of a whole window: it is not about some users, so the rest need not be tried.
            if tried > 0 && passed.is_err() && self.spool.taken() == before {
                self.spool.kafka_took_none_since(before);
                return Some(passed);
            }
        }
        Some(passed)
    }

    async fn window(&self, from: u64) -> Option<Vec<Stored>> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Window(from, answer)).await;
        answered.await.ok()
    }

    async fn tell(&self, command: Command) {
        // A thread that has ended is noticed at the next window.
        let _ended = self.spool.commands.send(command).await;
    }

    async fn chains(&self, window: Vec<Stored>, stuck: &HashSet<u64>) -> HashMap<u64, Chain> {
        let mut chains: HashMap<u64, Chain> = HashMap::new();
        for Stored { number, body } in window {
            let Some(parcel) = body.as_deref().and_then(read) else {
                // Whose it was cannot be told, so that the user's later events go through the spool until the next start.
                self.spool.metrics.damaged.inc();
                tracing::error!(
                    number,
                    "a record of the spool cannot be read any more: its file moves to `aside`"
                );
                self.tell(Command::SetAside(number)).await;
                continue;
            };
            let user = self.spool.user(&parcel);
            if !stuck.contains(&user) {
                chains.entry(user).or_default().push((number, parcel));
            }
        }
        chains
    }

    /// Sends one user's records until one fails.
    async fn send(&self, user: u64, chain: Chain) -> Option<Stuck> {
        for (number, parcel) in chain {
            if self.stop.is_cancelled() {
                return None;
            }
            let reported = async { self.outlet.hand_over(&parcel)?.await };
            match reported.await {
                Ok(_) => {
                    self.spool.kafka_took_one();
                    self.tell(Command::Remove(number)).await;
                }
                Err(error @ ProduceError::TooLarge) => {
                    let event_id = parcel.event.id;
                    tracing::error!(%error, event_id, number, "kafka will never take this event: its file moves to `aside`");
                    self.tell(Command::SetAside(number)).await;
                }
                Err(error) => return Some((user, error)),
            }
            self.spool.gate.left(user);
        }
        None
    }
}
