//! CPU of everybody who takes part, between two moments.

use std::time::{Duration, Instant};

use super::subject::Subject;
use crate::{
    process::{cpu_of, machine_cpu},
    servers::{Servers, Used},
};

/// A running measurement.
#[derive(Debug)]
pub(super) struct Meter<'a> {
    subject: &'a Subject,
    servers: &'a Servers,
    started: Instant,
    each: Vec<Duration>,
    used: Used,
    bench: Duration,
    machine: Duration,
}

/// What it came to: microseconds an event, and cores kept busy.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    /// Of the subject's processes together.
    pub(super) services: f64,
    /// Of each of them.
    pub(super) each: Vec<f64>,
    /// Of the broker.
    pub(super) kafka: f64,
    /// Of Redis.
    pub(super) redis: f64,
    /// Cores that the subject kept busy.
    pub(super) service_cores: f64,
    /// Cores that broker, Redis and this program kept busy.
    pub(super) other_cores: f64,
    /// Cores that programs took which have nothing to do with the bench; half a core and more spoils a run.
    pub(super) strangers: f64,
}

impl<'a> Meter<'a> {
    pub(super) fn start(subject: &'a Subject, servers: &'a Servers) -> Self {
        let each = subject.processes.iter().map(|process| process.cpu()).collect();
        let (used, bench) = (servers.used(), cpu_of(std::process::id()));
        let (machine, started) = (machine_cpu(), Instant::now());
        Self { subject, servers, started, each, used, bench, machine }
    }

    pub(super) fn stop(self, events: usize) -> Cost {
        let elapsed = self.started.elapsed().as_secs_f64();
        let now = self.subject.processes.iter().map(|process| process.cpu());
        let each: Vec<f64> = now.zip(&self.each).map(|(now, before)| seconds(now, *before)).collect();
        let used = self.servers.used();
        let (kafka, redis) = (seconds(used.kafka, self.used.kafka), seconds(used.redis, self.used.redis));
        let bench = seconds(cpu_of(std::process::id()), self.bench);
        let services: f64 = each.iter().sum();
        let others = kafka + redis + bench;
        let strangers = (seconds(machine_cpu(), self.machine) - services - others).max(0.0);
        let micros = |seconds: f64| seconds * 1e6 / events as f64;
        Cost {
            services: micros(services),
            each: each.into_iter().map(micros).collect(),
            kafka: micros(kafka),
            redis: micros(redis),
            service_cores: services / elapsed,
            other_cores: others / elapsed,
            strangers: strangers / elapsed,
        }
    }
}

fn seconds(now: Duration, before: Duration) -> f64 {
    now.saturating_sub(before).as_secs_f64()
}
