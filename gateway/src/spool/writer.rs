//! The thread that owns the files: takes whatever is waiting, writes it in one go, syncs once, answers all (group commit).

use std::{collections::HashSet, io, ops::Range, sync::Arc};

use runtime::clock::Clock;
use tokio::sync::{Notify, mpsc, oneshot};

use super::{
    gate::Gate,
    segment::WriteError,
    store::{Full, Store},
};
use crate::metrics::SpoolMetrics;

/// Commands taken at once.
const MOST_AT_ONCE: usize = 4096;
/// A batch is written when it has so many bytes, whoever else waits.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Append(Append),
    /// The next records of these numbers, without those of users that are stuck.
    Window {
        numbers: Range<u64>,
        stuck: Arc<HashSet<u64>>,
        answer: oneshot::Sender<Window>,
    },
    /// Kafka has it.
    Remove(u64),
    /// It is left for a person.
    SetAside(u64),
    /// No command follows.
    End,
}

#[derive(Debug)]
pub(super) struct Append {
    pub(super) body: Vec<u8>,
    /// As the gate names the user.
    pub(super) user: u64,
    pub(super) now_ms: i64,
    pub(super) answer: oneshot::Sender<Result<(), NotSpooled>>,
}

#[derive(Debug)]
pub(super) struct Window {
    pub(super) records: Vec<Stored>,
    /// The number of the next append.
    pub(super) next: u64,
}

/// A record that waits.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) number: u64,
    /// As the gate names the user.
    pub(super) user: u64,
    /// As [`Store::read`] has it.
    pub(super) body: io::Result<Option<Vec<u8>>>,
}

/// Why an event is not in the spool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSpooled {
    /// As much waits, or for as long, as may.
    #[error("{0}")]
    Full(#[from] Full),
    /// The disk did not take it; the next event is tried again.
    #[error("the spool cannot be written: {0}")]
    Unwritable(Arc<WriteError>),
    /// More is waiting for the disk than it takes.
    #[error("the disk of the spool is too slow")]
    Busy,
    /// The process is ending.
    #[error("the spool is closed")]
    Closed,
}

/// What the thread shares with the rest.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) gate: Arc<Gate>,
    pub(super) metrics: SpoolMetrics,
    /// Told after every append.
    pub(super) news: Arc<Notify>,
    /// How many records a window has at most.
    pub(super) window: usize,
    pub(super) clock: Clock,
}

impl Writer {
    /// Runs until [`Command::End`] or until nobody can send one.
    ///
    /// # Errors
    /// A sync failed: what the disk holds is not known, nothing more can be promised, and whoever waits gets no answer.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Result<(), WriteError> {
        let (mut batch, mut waiting) = (Vec::new(), Vec::new());
        while commands.blocking_recv_many(&mut batch, MOST_AT_ONCE) > 0 {
            let mut ends = false;
            for command in batch.drain(..) {
                match command {
                    Command::Append(append) => self.stage(append, &mut waiting)?,
                    Command::Window { numbers, stuck, answer } => {
                        // Whoever asked may have gone.
                        let _gone = answer.send(self.window(numbers, &stuck));
                    }
                    Command::Remove(number) => {
                        self.store.remove(number);
                        self.metrics.drained.inc();
                    }
                    Command::SetAside(number) => {
                        self.store.set_aside(number);
                        self.metrics.set_aside.inc();
                    }
                    Command::End => ends = true,
                }
            }
            self.commit(&mut waiting)?;
            if ends {
                break;
            }
        }
        Ok(())
    }

    fn stage(&mut self, append: Append, waiting: &mut Vec<Waiting>) -> Result<(), WriteError> {
        let Append { body, user, now_ms, answer } = append;
        match self.store.stage(&body, user, now_ms) {
            Ok(()) => waiting.push(Waiting { user, answer }),
            Err(full) => self.refuse(Waiting { user, answer }, NotSpooled::Full(full)),
        }
        if self.store.staged() >= BATCH_BYTES { self.commit(waiting) } else { Ok(()) }
    }

    fn commit(&mut self, waiting: &mut Vec<Waiting>) -> Result<(), WriteError> {
        match self.store.commit() {
            Ok(0) => self.measure(),
            Ok(appended) => {
                fail::fail_point!("s2", |_| std::process::abort());
                self.metrics.appended.inc_by(appended as u64);
                self.measure();
                for waiting in waiting.drain(..) {
                    // Whoever has gone is not told.
                    let _gone = waiting.answer.send(Ok(()));
                }
                self.news.notify_one();
            }
            Err(error @ WriteError::Broken { .. }) => return Err(error),
            Err(error) => {
                self.measure();
                let error = Arc::new(error);
                for waiting in waiting.drain(..) {
                    self.refuse(waiting, NotSpooled::Unwritable(Arc::clone(&error)));
                }
            }
        }
        Ok(())
    }

    fn refuse(&self, waiting: Waiting, why: NotSpooled) {
        self.gate.left(waiting.user);
        let _gone = waiting.answer.send(Err(why));
    }

    fn window(&self, numbers: Range<u64>, stuck: &HashSet<u64>) -> Window {
        let waiting = self.store.waiting_from(numbers.start).take_while(|(number, _)| *number < numbers.end);
        let free = waiting.filter(|(_, user)| !stuck.contains(user)).take(self.window);
        let stored = |(number, user)| Stored { number, user, body: self.store.read(number) };
        Window { records: free.map(stored).collect(), next: self.store.next() }
    }

    pub(super) fn measure(&self) {
        self.metrics.records.set(self.store.waiting() as u64);
        self.metrics.bytes.set(self.store.bytes());
        self.metrics.oldest_seconds.set(self.store.age_ms(self.clock.machine_ms()) / 1000);
    }
}

/// Somebody who is told when the batch is on the disk.
#[derive(Debug)]
struct Waiting {
    user: u64,
    answer: oneshot::Sender<Result<(), NotSpooled>>,
}
