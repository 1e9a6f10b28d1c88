//! Moves the spool to Kafka: some hundred records at once, those of one user one after the other.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
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

/// One way through the spool, from the oldest record to the newest: before `from` nothing waits but records of users that are stuck. It
/// goes on where Kafka took nothing, so that a partition without a leader, whatever waits for it, does not hold up the others.
#[derive(Default)]
struct Sweep {
    from: u64,
    /// One of their records was not taken, so that none of their later ones is tried.
    stuck: Arc<HashSet<u64>>,
    /// What Kafka last said.
    failed: Option<ProduceError>,
}

/// Drains until `stop`, then finishes what is in hand. Ends early if the thread of the files has ended.
pub(crate) async fn drain(spool: &Spool, outlet: &Outlet, stop: &CancellationToken) {
    let drainer = Drainer { spool, outlet, stop };
    let (mut sweep, mut away, mut taken) = (Sweep::default(), None::<Backoff>, spool.taken());
    while let Some(passed) = drainer.pass(&mut sweep).await {
        let (records, now) = (spool.metrics.records.get(), spool.taken());
        let goes_on = mem::replace(&mut taken, now) != now;
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
                    let pauses = away.take().filter(|_| !goes_on);
                    away.insert(pauses.unwrap_or(Backoff::new(FIRST_PAUSE, LONGEST_PAUSE))).wait().await;
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
    /// Goes on with the sweep to its end, or until Kafka takes nothing of what is in hand; what Kafka last said, if it did not take all.
    /// `None`: the files are closed.
    async fn pass(&self, sweep: &mut Sweep) -> Option<Result<(), ProduceError>> {
        while !self.stop.is_cancelled() {
            let window = self.window(sweep).await?;
            let Some(last) = window.last() else {
                return Some(mem::take(sweep).failed.map_or(Ok(()), Err));
            };
            sweep.from = last.number + 1;
            let chains = self.chains(window).await;
            let before = self.spool.taken();
            let failed = join_all(chains.into_iter().map(|(user, chain)| self.send(user, chain))).await;
            let mut last_said = None;
            for (user, error) in failed.into_iter().flatten() {
                Arc::make_mut(&mut sweep.stuck).insert(user);
                last_said = Some(error);
            }
            if let Some(error) = last_said {
                sweep.failed = Some(error.clone());
                if self.spool.taken() == before {
                    return Some(Err(error));
                }
            }
        }
        Some(Ok(()))
    }

    /// The next records of users that are not stuck.
    async fn window(&self, sweep: &Sweep) -> Option<Vec<Stored>> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Window { from: sweep.from, stuck: Arc::clone(&sweep.stuck), answer }).await;
        answered.await.ok()
    }

    async fn tell(&self, command: Command) {
        // A thread that has ended is noticed at the next window.
        let _ended = self.spool.commands.send(command).await;
    }

    async fn chains(&self, window: Vec<Stored>) -> HashMap<u64, Chain> {
        let mut chains: HashMap<u64, Chain> = HashMap::new();
        for Stored { number, user, body } in window {
            let Some(parcel) = body.as_deref().and_then(read) else {
                self.spool.metrics.damaged.inc();
                tracing::error!(
                    number,
                    "a record of the spool cannot be read any more: its file moves to `aside`"
                );
                self.tell(Command::SetAside(number)).await;
                self.spool.gate.left(user);
                continue;
            };
            chains.entry(user).or_default().push((number, parcel));
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
                    fail::fail_point!("s3", |_| std::process::abort());
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

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use proto::event::Event;
    use runtime::{clock::Clock, config::Settings, kafka::Kafka};

    use super::*;
    use crate::{config, metrics::Metrics};

    #[tokio::test]
    async fn a_sweep_goes_on_behind_what_kafka_did_not_take_and_pushes_still_try() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::register(&mut Registry::default()));
        let settings = config::Spool::in_folder(folder.path());
        let (spool, _ended) = Spool::open(&settings, Clock::system(), metrics.spool.clone()).unwrap();
        let kafka = Kafka {
            bootstrap: "127.0.0.1:1".to_owned(),
            properties: vec![("message.timeout.ms".to_owned(), "100".to_owned())],
            ..Kafka::read(&mut Settings::defaults("gateway"))
        };
        let (producer, topic) = (kafka.producer("drainer").unwrap(), "events".to_owned());
        let outlet = Outlet { producer, topic, within: Duration::ZERO, spool: None, metrics };
        let parcel = |user: &str| Parcel::new(Event { openid: user.to_owned(), ..Event::default() });
        for user in ["a", "b"] {
            let parcel = parcel(user);
            spool.keep(spool.enter(&parcel).await, &parcel).await.unwrap();
        }
        let (drainer, mut sweep) =
            (Drainer { spool: &spool, outlet: &outlet, stop: &CancellationToken::new() }, Sweep::default());
        assert!(drainer.pass(&mut sweep).await.unwrap().is_err());
        assert!(sweep.from > 0 && sweep.stuck.len() == 2);
        let turn = spool.enter(&parcel("c")).await;
        assert!(!spool.comes_first(&turn), "nobody but pushes tells that kafka is away");
        spool.keep(turn, &parcel("c")).await.unwrap();
        assert!(drainer.pass(&mut sweep).await.unwrap().is_err());
        assert_eq!(sweep.stuck.len(), 3, "the third was tried");
        assert!(drainer.pass(&mut sweep).await.unwrap().is_err(), "the end, with what was said on the way");
        assert_eq!((sweep.from, sweep.stuck.len()), (0, 0), "and from the oldest again");
    }
}
