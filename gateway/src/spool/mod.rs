//! Where events wait while Kafka does not take them: a folder of synced files that a killed process finds again.
//!
//! [`store`] is the folder, [`writer`] the one thread that owns it and syncs once for all who wait, [`gate`] keeps the events of one
//! user in order, [`mod@drain`] moves them to Kafka. What is promised: an event of which [`Spool::keep`] said `Ok` is on the disk, and leaves
//! it only when Kafka has reported it; what the disk does not give back, or Kafka refuses for good, is counted, logged and stays in a
//! file under `aside` for a person; a file that cannot be read at all stays where it is. After a crash an event may go to Kafka twice,
//! under the same id. The events of one user go in order, but for those that a person brings back: from `aside`, or in a file that could not
//! be read when the gateway started. Nobody waits for them.
//!
//! To have files of `aside` read again, stop the gateway, move them back, and start it.

mod drain;
mod frame;
mod gate;
mod life;
#[cfg(test)]
mod model_tests;
mod notes;
mod segment;
mod store;
#[cfg(test)]
mod store_tests;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use prost::Message as _;
use proto::event::Event;
use runtime::clock::Clock;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

use self::{
    gate::Gate,
    segment::WriteError,
    store::{Bounds, Store},
    writer::{Append, Command, Writer},
};
use crate::{config, metrics::SpoolMetrics, parcel::Parcel};

pub(crate) use gate::Turn;
pub(crate) use life::{open, run};
pub(crate) use writer::NotSpooled;

/// Appends that may wait for the disk.
const QUEUE: usize = 8192;
/// How long the disk may take; the platform's patience ends soon after.
const WITHIN: Duration = Duration::from_secs(1);
/// How many records the drainer has in hand at once.
const WINDOW: usize = 256;
/// Whose a record is that is intact and says nothing.
const NOBODY: u64 = 0;

/// One event as it lies in the spool.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    /// W3C `traceparent` under which it was taken.
    #[prost(string, tag = "1")]
    trace: String,
    /// The event, as it goes to Kafka.
    #[prost(bytes = "vec", tag = "2")]
    event: Vec<u8>,
}

/// The spool of a running gateway.
#[derive(Debug)]
pub(crate) struct Spool {
    gate: Arc<Gate>,
    commands: mpsc::Sender<Command>,
    news: Arc<Notify>,
    clock: Clock,
    metrics: SpoolMetrics,
    max_bytes: u64,
    /// Reports of the broker so far; tells a push that timed out whether it was the only one.
    taken: AtomicU64,
    away: AtomicBool,
}

/// Ends when the thread does.
#[derive(Debug)]
pub(crate) struct Ended(oneshot::Receiver<Result<(), WriteError>>);

impl Spool {
    /// Opens the folder and starts the thread. Blocks while the files of an earlier process are read.
    ///
    /// # Errors
    /// The folder cannot be used; the error says what to do.
    pub(crate) fn open(
        settings: &config::Spool,
        clock: Clock,
        metrics: SpoolMetrics,
    ) -> anyhow::Result<(Arc<Self>, Ended)> {
        Self::open_marked(settings, clock, metrics, rand::random())
    }

    fn open_marked(
        settings: &config::Spool,
        clock: Clock,
        metrics: SpoolMetrics,
        mark: u64,
    ) -> anyhow::Result<(Arc<Self>, Ended)> {
        let gate = Arc::new(Gate::new());
        let bounds = Bounds { max_bytes: settings.max_bytes, max_age: settings.max_age };
        let waits = |body: &[u8]| {
            let user = read(body).map_or(NOBODY, |parcel| user(&gate, &parcel));
            gate.spooled(user);
            user
        };
        let opened = Store::open(&settings.dir, bounds, mark, clock.machine_ms(), &mut { waits });
        let (store, recovered) = opened.context("cannot use the spool")?;
        metrics.damaged.inc_by(recovered.damage.records);
        if recovered.records > 0 {
            tracing::info!(records = recovered.records, "an earlier process left events in the spool");
        }
        let (commands, queue) = mpsc::channel(QUEUE);
        let news = Arc::new(Notify::new());
        let writer = Writer {
            store,
            gate: Arc::clone(&gate),
            metrics: metrics.clone(),
            news: Arc::clone(&news),
            window: WINDOW,
            clock: clock.clone(),
        };
        // Before anybody can ask: an empty spool and one that was not looked at yet must not look alike.
        writer.measure();
        let ended = start(writer, queue)?;
        let (taken, away) = (AtomicU64::new(0), AtomicBool::new(false));
        let max_bytes = settings.max_bytes;
        Ok((Arc::new(Self { gate, commands, news, clock, metrics, max_bytes, taken, away }), ended))
    }

    /// Waits for the turn of an event.
    pub(crate) async fn enter(&self, parcel: &Parcel) -> Turn {
        self.gate.enter(self.user(parcel)).await
    }

    fn user(&self, parcel: &Parcel) -> u64 {
        user(&self.gate, parcel)
    }

    /// An event need not try Kafka first: earlier ones of its user are in the spool, or everybody's are.
    pub(crate) fn comes_first(&self, turn: &Turn) -> bool {
        turn.is_behind_spooled() || (self.away.load(Ordering::Relaxed) && self.metrics.records.get() > 0)
    }

    /// Puts an event into the spool and ends its turn; returns when it is on the disk.
    ///
    /// # Errors
    /// It is not, or not known to be.
    pub(crate) async fn keep(&self, turn: Turn, parcel: &Parcel) -> Result<(), NotSpooled> {
        let (answer, answered) = oneshot::channel();
        let user = turn.user();
        let record = Record { trace: parcel.trace.clone(), event: parcel.value.clone() };
        let append = Append { body: record.encode_to_vec(), user, now_ms: self.clock.machine_ms(), answer };
        self.gate.spooled(user);
        if let Err(unsent) = self.commands.try_send(Command::Append(append)) {
            self.gate.left(user);
            return Err(match unsent {
                mpsc::error::TrySendError::Full(_) => NotSpooled::Busy,
                mpsc::error::TrySendError::Closed(_) => NotSpooled::Closed,
            });
        }
        // Whoever is next of this user now comes behind it.
        drop(turn);
        match timeout(WITHIN, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(NotSpooled::Closed),
            Err(_) => Err(NotSpooled::Busy),
        }
    }

    /// Events that are not pushes are kept only while less than half of the spool is in use: the rest is for those.
    pub(crate) fn is_half_full(&self) -> bool {
        self.metrics.bytes.get() > self.max_bytes / 2
    }

    /// How many reports of the broker there were.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Kafka has reported an event.
    pub(crate) fn kafka_took_one(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) {
            self.away.store(false, Ordering::Relaxed);
        }
    }

    /// Kafka has not reported an event in time. If it has reported no other since there were `before`, it is away: until the drainer gets
    /// through, nobody waits for it any more.
    pub(crate) fn kafka_took_none_since(&self, before: u64) {
        if self.taken() == before {
            self.away.store(true, Ordering::Relaxed);
        }
    }

    /// Lets the thread end when it has done everything asked before. Nothing is taken after that.
    pub(crate) async fn close(&self) {
        // A thread that has ended needs no telling.
        let _ended = self.commands.send(Command::End).await;
    }
}

impl Ended {
    /// Waits for the end of the thread. Cancel safe.
    ///
    /// # Errors
    /// It ended because the disk failed.
    pub(crate) async fn wait(&mut self) -> anyhow::Result<()> {
        let ended = (&mut self.0).await.context("the thread of the spool panicked")?;
        ended.context(
            "the disk of the spool failed, so nothing more can be promised; look at the disk of spool.dir and start the gateway again: \
             what is intact is recovered then",
        )
    }
}

/// Whose event it is: what the record key is made of.
fn user(gate: &Gate, parcel: &Parcel) -> u64 {
    gate.user((&parcel.event.app_id, &parcel.event.openid))
}

fn start(writer: Writer, queue: mpsc::Receiver<Command>) -> anyhow::Result<Ended> {
    let (tell, ended) = oneshot::channel();
    let run = move || {
        // Nobody waits any more when the process ends by force.
        let _unheard = tell.send(writer.run(queue));
    };
    thread::Builder::new()
        .name("spool".to_owned())
        .spawn(run)
        .context("cannot start the thread of the spool")?;
    Ok(Ended(ended))
}

fn read(body: &[u8]) -> Option<Parcel> {
    let Record { trace, event: value } = Record::decode(body).ok()?;
    let event = Event::decode(value.as_slice()).ok()?;
    Some(Parcel { event, trace, value })
}
