//! Moves the spool to Kafka: some hundred records at once, those of one user one after the other.

use std::{
    collections::{HashMap, HashSet},
    mem,
    ops::Range,
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use runtime::{backoff::Backoff, kafka::ProduceError};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Spool, read,
    writer::{Command, Stored, Window},
};
use crate::parcel::{Outlet, Parcel};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Without news the folder is looked at this often, which also keeps the age of the oldest record true.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// One user's records in hand, in order.
type Chain = Vec<(u64, Parcel)>;

/// One way through the spool, from the oldest record to the newest that there was when it began; before `numbers` nothing waits but
/// records of users that are stuck. It goes on where Kafka took nothing: a partition without a leader costs the others the producer's
/// timeout once for each window that holds a user of that partition who is not known to be stuck, and no more.
struct Sweep {
    numbers: Range<u64>,
    /// One of their records was not taken, or cannot be read now, so that none of their later ones is tried.
    stuck: Arc<HashSet<u64>>,
    /// What Kafka last said.
    failed: Option<ProduceError>,
    /// Some records cannot be read now.
    unread: bool,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { numbers: 0..u64::MAX, stuck: Arc::default(), failed: None, unread: false }
    }
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
                    if records == 0 && away.take().is_some() {
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
                let Sweep { failed, unread, .. } = mem::take(sweep);
                if unread {
                    // They are not tried again with every push that comes.
                    self.stop.run_until_cancelled(sleep(LONGEST_PAUSE)).await;
                }
                return Some(failed.map_or(Ok(()), Err));
            };
            sweep.numbers.start = last.number + 1;
            let chains = self.chains(window, sweep).await;
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
    async fn window(&self, sweep: &mut Sweep) -> Option<Vec<Stored>> {
        let (answer, answered) = oneshot::channel();
        let (numbers, stuck) = (sweep.numbers.clone(), Arc::clone(&sweep.stuck));
        self.tell(Command::Window { numbers, stuck, answer }).await;
        let Window { records, next } = answered.await.ok()?;
        sweep.numbers.end = sweep.numbers.end.min(next);
        Some(records)
    }

    async fn tell(&self, command: Command) {
        // A thread that has ended is noticed at the next window.
        let _ended = self.spool.commands.send(command).await;
    }

    /// Who has a record that cannot be read now is stuck behind it.
    async fn chains(&self, window: Vec<Stored>, sweep: &mut Sweep) -> HashMap<u64, Chain> {
        let mut chains: HashMap<u64, Chain> = HashMap::new();
        for Stored { number, user, body } in window {
            if sweep.stuck.contains(&user) {
                continue;
            }
            let body = match body {
                Ok(body) => body,
                Err(error) => {
                    Arc::make_mut(&mut sweep.stuck).insert(user);
                    if !mem::replace(&mut sweep.unread, true) {
                        tracing::error!(%error, number, "cannot read records of the spool now; they are tried again");
                    }
                    continue;
                }
            };
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
    use std::{fs, path::Path};

    use prometheus_client::registry::Registry;
    use proto::event::Event;
    use runtime::{clock::Clock, config::Settings, kafka::Kafka};
    use tokio::time::Instant;

    use super::{
        super::{Ended, frame::HEAD},
        *,
    };
    use crate::{config, metrics::Metrics};

    /// A spool in `folder` whose files have one record each, and an outlet to nowhere.
    fn away(folder: &Path) -> (Arc<Spool>, Ended, Outlet) {
        let metrics = Arc::new(Metrics::register(&mut Registry::default()));
        let settings = config::Spool { max_bytes: 16 * HEAD as u64, ..config::Spool::in_folder(folder) };
        let (spool, ended) = Spool::open(&settings, Clock::system(), metrics.spool.clone()).unwrap();
        let kafka = Kafka {
            bootstrap: "127.0.0.1:1".to_owned(),
            properties: vec![("message.timeout.ms".to_owned(), "100".to_owned())],
            ..Kafka::read(&mut Settings::defaults("gateway"))
        };
        let (producer, topic) = (kafka.producer("drainer").unwrap(), "events".to_owned());
        (spool, ended, Outlet { producer, topic, within: Duration::ZERO, spool: None, metrics })
    }

    fn parcel(user: &str) -> Parcel {
        Parcel { trace: String::new(), ..Parcel::new(Event { openid: user.to_owned(), ..Event::default() }) }
    }

    async fn keep(spool: &Spool, user: &str) {
        let parcel = parcel(user);
        spool.keep(spool.enter(&parcel).await, &parcel).await.unwrap();
    }

    #[tokio::test]
    async fn a_sweep_goes_on_behind_what_kafka_did_not_take_and_ends_at_what_came_after_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, _ended, outlet) = away(folder.path());
        keep(&spool, "a").await;
        keep(&spool, "b").await;
        let (drainer, mut sweep) =
            (Drainer { spool: &spool, outlet: &outlet, stop: &CancellationToken::new() }, Sweep::default());
        assert!(drainer.pass(&mut sweep).await.unwrap().is_err());
        assert!(sweep.numbers.start > 0 && sweep.stuck.len() == 2);
        let turn = spool.enter(&parcel("c")).await;
        assert!(!spool.comes_first(&turn), "nobody but pushes tells that kafka is away");
        spool.keep(turn, &parcel("c")).await.unwrap();
        assert!(drainer.pass(&mut sweep).await.unwrap().is_err(), "the end, with what was said on the way");
        assert_eq!((sweep.numbers.start, sweep.stuck.len()), (0, 0), "and from the oldest again");
        assert!(drainer.pass(&mut sweep).await.unwrap().is_err());
        assert_eq!(sweep.stuck.len(), 3, "with what came meanwhile");
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_now_keeps_its_user_waiting_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, _ended, outlet) = away(folder.path());
        for user in ["a", "b", "a"] {
            keep(&spool, user).await;
        }
        let files = || fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        let first = files().filter(|file| file.extension().is_some_and(|is| is == "log")).min().unwrap();
        fs::rename(&first, folder.path().join("away")).unwrap();
        let (drainer, mut sweep) =
            (Drainer { spool: &spool, outlet: &outlet, stop: &CancellationToken::new() }, Sweep::default());
        let window = drainer.window(&mut sweep).await.unwrap();
        assert_eq!(window.len(), 3);
        let chains = drainer.chains(window, &mut sweep).await;
        let [a, b] = ["a", "b"].map(|user| spool.user(&parcel(user)));
        assert!(chains.len() == 1 && chains[&b].len() == 1 && sweep.stuck.contains(&a));
        sweep.numbers.start = u64::MAX;
        let at_its_end = Instant::now();
        assert!(drainer.pass(&mut sweep).await.unwrap().is_ok());
        assert!(at_its_end.elapsed() >= LONGEST_PAUSE, "no push makes it look again at once");
        fs::rename(folder.path().join("away"), &first).unwrap();
        let (again, mut sweep) = (drainer.window(&mut Sweep::default()).await.unwrap(), Sweep::default());
        assert_eq!(drainer.chains(again, &mut sweep).await[&a].len(), 2, "nothing is lost");
        assert_eq!(spool.metrics.damaged.get(), 0);
    }
}
