//! What happened, as far back as the record goes: messages that arrived, calls of `custom/send`, pushes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{broadcast, watch};

use crate::deliver::Attempt;
use crate::world::lock;

/// A message that really arrived at a phone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arrival {
    /// Counts the arrivals from 1; the `since` of the next question.
    pub seq: u64,
    /// Unix milliseconds.
    pub received_at: i64,
    /// Name of the account.
    pub account: String,
    /// Receiver.
    pub openid: String,
    /// The body as sent.
    pub message: Value,
    /// Always 0: what was refused did not arrive.
    pub errcode: i32,
}

/// A call of `custom/send`, taken or not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Send {
    /// Counts the calls from 1.
    pub seq: u64,
    /// Unix milliseconds.
    pub at: i64,
    /// Name of the account; empty when the token belonged to none.
    pub account: String,
    /// Receiver; empty when the body named none.
    pub openid: String,
    /// Type of the message.
    pub msgtype: String,
    /// What the platform decided; absent when a fault kept the call from being taken and answered none.
    pub errcode: Option<i32>,
    /// The fault that kept it from being taken.
    pub fault: Option<&'static str>,
}

/// A push and how its deliveries went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Push {
    /// Counts the pushes from 1.
    pub seq: u64,
    /// When it began, Unix milliseconds.
    pub at: i64,
    /// Name of the account.
    pub account: String,
    /// Who acted; empty where the document names nobody.
    pub openid: String,
    /// The inner document.
    pub document: String,
    /// Deliveries so far.
    pub attempts: Vec<Attempt>,
}

/// Something for the phone.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A message arrived.
    Message(Arrival),
    /// A push began, or its deliveries ended.
    Push(Push),
}

/// The record.
#[derive(Debug)]
pub(crate) struct Record {
    keep: usize,
    arrivals: Mutex<Ring<Arrival>>,
    sends: Mutex<Ring<Send>>,
    pushes: Mutex<Ring<Push>>,
    /// `seq` of the last arrival.
    last: watch::Sender<u64>,
    happenings: broadcast::Sender<Arc<Happening>>,
}

#[derive(Debug)]
struct Ring<T> {
    next: u64,
    kept: VecDeque<T>,
}

impl<T> Ring<T> {
    fn new() -> Self {
        Self { next: 1, kept: VecDeque::new() }
    }

    fn push(&mut self, keep: usize, make: impl FnOnce(u64) -> T) -> u64 {
        let seq = self.next;
        self.next += 1;
        self.kept.push_back(make(seq));
        if self.kept.len() > keep {
            self.kept.pop_front();
        }
        seq
    }
}

impl Record {
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            keep: keep.max(1),
            arrivals: Mutex::new(Ring::new()),
            sends: Mutex::new(Ring::new()),
            pushes: Mutex::new(Ring::new()),
            last: watch::Sender::new(0),
            happenings: broadcast::Sender::new(1024),
        }
    }

    /// A message arrives.
    pub(crate) fn arrived(&self, now_ms: i64, account: &str, openid: &str, message: &Value) {
        let arrival = |seq| Arrival {
            seq,
            received_at: now_ms,
            account: account.to_owned(),
            openid: openid.to_owned(),
            message: message.clone(),
            errcode: 0,
        };
        let seq = lock(&self.arrivals).push(self.keep, arrival);
        self.last.send_modify(|last| *last = seq.max(*last));
        self.tell(|| Happening::Message(arrival(seq)));
    }

    /// A call of `custom/send` was answered, or kept from it; `seq` is given here.
    pub(crate) fn sent(&self, send: Send) {
        lock(&self.sends).push(self.keep, |seq| Send { seq, ..send });
    }

    /// A push begins; returns its number.
    pub(crate) fn pushed(&self, push: Push) -> u64 {
        let seq = lock(&self.pushes).push(self.keep, |seq| Push { seq, ..push.clone() });
        self.tell(|| Happening::Push(Push { seq, ..push }));
        seq
    }

    /// The deliveries of a push ended.
    pub(crate) fn delivered(&self, seq: u64, attempts: &[Attempt]) {
        let mut pushes = lock(&self.pushes);
        let Some(push) = pushes.kept.iter_mut().rev().find(|push| push.seq == seq) else { return };
        push.attempts = attempts.to_vec();
        let push = push.clone();
        drop(pushes);
        self.tell(|| Happening::Push(push));
    }

    /// Arrivals with a greater number than `since` that `wanted` names, oldest first.
    pub(crate) fn arrivals(&self, since: u64, wanted: impl Fn(&Arrival) -> bool) -> Vec<Arrival> {
        let ring = lock(&self.arrivals);
        let newest_first = ring.kept.iter().rev().take_while(|arrival| arrival.seq > since);
        let mut found: Vec<Arrival> = newest_first.filter(|arrival| wanted(arrival)).cloned().collect();
        found.reverse();
        found
    }

    /// Sends with a greater number than `since`, oldest first.
    pub(crate) fn sends(&self, since: u64, wanted: impl Fn(&Send) -> bool) -> Vec<Send> {
        lock(&self.sends).kept.iter().filter(|send| send.seq > since && wanted(send)).cloned().collect()
    }

    /// Pushes with a greater number than `since`, oldest first.
    pub(crate) fn pushes(&self, since: u64, wanted: impl Fn(&Push) -> bool) -> Vec<Push> {
        lock(&self.pushes).kept.iter().filter(|push| push.seq > since && wanted(push)).cloned().collect()
    }

    /// The number of the last arrival, and every change of it.
    pub(crate) fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Everything from now on.
    pub(crate) fn happenings(&self) -> broadcast::Receiver<Arc<Happening>> {
        self.happenings.subscribe()
    }

    /// Nobody listening is the usual case, and then nothing is copied.
    fn tell(&self, happening: impl FnOnce() -> Happening) {
        if self.happenings.receiver_count() > 0 {
            self.happenings.send(Arc::new(happening())).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_bounded_and_numbers_go_on() {
        let record = Record::new(2);
        for n in 1..=3 {
            record.arrived(n, "a", "o1", &Value::Null);
        }
        let seqs: Vec<u64> = record.arrivals(0, |_| true).iter().map(|arrival| arrival.seq).collect();
        assert_eq!(seqs, [2, 3]);
        assert_eq!(*record.last().borrow(), 3);
        assert!(record.arrivals(3, |_| true).is_empty());
    }
}
