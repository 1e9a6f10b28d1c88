//! One fault being tried: its seed and servers, and what has to hold when it is over.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rand::{SeedableRng as _, rngs::StdRng};
use runtime::clock::Clock;
use tokio::time::Instant;

use crate::{
    bounds::{After, Vitals, unwell},
    checker::{Allowed, Books, Costs, End, beyond, check, duplicates, outcomes},
    cluster::Cluster,
    collect,
    load::Load,
    rows::Seen,
    stand::{Shape, Stand},
    support::{kafka, processes::until},
};

/// How soon the lag has to be gone when the load has ended, which it does after the fault (I6).
pub(crate) const PROGRESS: Duration = Duration::from_secs(15);
/// The same where a member was lost: it is missed after six seconds, and what it had under way is waited for as long as its lease.
pub(crate) const TAKEOVER: Duration = Duration::from_secs(30);
/// Pushes by which one sees that everything is well again.
const TAIL: usize = 20;
/// Who writes more than five times while nothing is sent gets five answers: rights do not add up.
const USED_UP: &str = "send right used up";
/// Sends that a content-service has in flight at most.
pub(crate) const IN_FLIGHT: usize = 64;

/// One fault being tried.
pub(crate) struct Trial<'a> {
    pub(crate) seed: u64,
    pub(crate) random: StdRng,
    pub(crate) cluster: &'a mut Cluster,
    name: &'static str,
    raises: &'static [&'static str],
    /// The sizes of the specification, however long they take.
    pub(crate) long: bool,
    stands: usize,
    folder: PathBuf,
}

/// What has to hold beside the invariants, and what the fault may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) allowed: Allowed,
    /// Events that may end as nobody wants it: none, where a row does not say otherwise.
    pub(crate) costs: Costs,
    /// The lag has to be gone within this time.
    pub(crate) within: Duration,
    /// New pushes have to be answered by a message in time.
    pub(crate) tail: bool,
    /// Why events may be suppressed, beside a right that is used up.
    pub(crate) reasons: &'static [&'static str],
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            allowed: Allowed::default(),
            costs: Costs::default(),
            within: PROGRESS,
            tail: true,
            reasons: &[],
        }
    }
}

/// What was measured.
pub(crate) struct Report {
    pub(crate) books: Books,
    pub(crate) ends: BTreeMap<End, usize>,
    /// Pushes that no delivery of was answered 200.
    pub(crate) given_up: usize,
    /// Distinct events, and records of them beyond the first.
    pub(crate) events: usize,
    pub(crate) repeats: usize,
    pub(crate) duplicates: usize,
    after: After,
}

impl<'a> Trial<'a> {
    /// Under this name, and to be seen by these metrics.
    pub(crate) fn new(
        (name, seen): (&'static str, Seen),
        seed: u64,
        cluster: &'a mut Cluster,
        folder: &Path,
    ) -> Self {
        let (random, raises) = (StdRng::seed_from_u64(seed), seen.metrics());
        Self {
            seed,
            random,
            cluster,
            name,
            raises,
            long: crate::long(),
            stands: 0,
            folder: folder.to_owned(),
        }
    }

    /// Names of topics and groups: no other system has had them on these servers.
    fn namespace(&self) -> String {
        format!("{}-{}.", self.name, self.stands)
    }

    /// A system of its own on the servers.
    pub(crate) async fn stand(&mut self, shape: Shape) -> Stand {
        self.stands += 1;
        let mut stand = Stand::open(self.cluster, &self.namespace(), shape, self.seed, &self.folder).await;
        stand.watch(self.raises).await;
        stand
    }

    /// Its topics are no longer needed.
    pub(crate) async fn clean(&mut self) {
        self.cluster.delete_topics(&self.namespace()).await;
    }
}

impl Stand {
    /// The load ends as the fault has; then everything has to settle, new pushes have to be answered, and the books to agree.
    pub(crate) async fn ends(&mut self, load: Load, terms: Terms) -> Report {
        let since = Instant::now();
        let pushed = load.end().await;
        self.pushed.extend(pushed);
        self.settles(since, terms).await
    }

    /// The same where nothing pushes by itself.
    pub(crate) async fn settles(&mut self, since: Instant, terms: Terms) -> Report {
        let within = terms.within.max(Duration::from_secs(60));
        // What a gateway still holds is in no topic yet, and no lag shows it.
        let drained = async || (self.counted("gateway_spool_records").await == 0.0).then_some(());
        until("the spools are empty", within, drained).await;
        kafka::handled(&self.kafka, "content-service", self.events, within).await;
        let settled = since.elapsed();
        let tail_ms = if terms.tail { Some(self.tail().await) } else { None };
        let vitals: Vec<Vitals> = self.services().map(|service| service.vitals()).collect();
        let (tasks, raised) = (self.tasks().await, self.raised().await);
        let after = After { settled, within: terms.within, tail_ms, vitals, tasks, raised };
        let report = Report::of(collect::books(self).await, after);
        let broken = check(&report.books, terms.allowed);
        assert!(broken.is_empty(), "{report}; {} broken: {:?}", broken.len(), &broken[..broken.len().min(8)]);
        let beyond = beyond(&report.books, terms.costs);
        assert!(beyond.is_empty(), "{report}; more than it may cost: {beyond:?}");
        let known = |reason: &&str| *reason == USED_UP || terms.reasons.contains(reason);
        let odd: Vec<&str> = report.suppressed().filter(|reason| !known(reason)).collect();
        assert!(odd.is_empty(), "{report}; suppressed: {odd:?}");
        let unwell = unwell(&report.after);
        assert!(unwell.is_empty(), "{report}; {unwell:?}");
        report
    }

    /// Pushes by which one sees that everything is well again; the longest time from push to reply, milliseconds.
    async fn tail(&mut self) -> i64 {
        let since_ms = Clock::system().now_ms();
        let texts = self.push_each(0, &format!("tail{since_ms}-"), TAIL).await;
        kafka::handled(&self.kafka, "content-service", self.events, PROGRESS).await;
        let simulator = &self.pusher.simulator;
        let arrived = async || {
            let arrivals = simulator.arrivals(0, None);
            let of = |text: &String| {
                let mut same = arrivals
                    .iter()
                    .filter(|arrival| arrival.message["text"]["content"].as_str() == Some(text));
                same.next().map(|arrival| arrival.received_at - since_ms)
            };
            texts.iter().map(of).collect::<Option<Vec<i64>>>()
        };
        let times = until("what is pushed when all is well is answered", PROGRESS, arrived).await;
        times.into_iter().max().unwrap_or(0)
    }

    /// Waits until content-service has committed every event.
    pub(crate) async fn handled(&self, within: Duration) {
        kafka::handled(&self.kafka, "content-service", self.events, within).await;
    }

    /// Waits until a content-service has sends under way.
    pub(crate) async fn is_busy(&self, n: usize) {
        let (content, nothing_yet) = (self.contents[n].as_ref().expect("it runs"), self.arrived() == 0);
        let busy = async || {
            let under_way = content.counts(&self.http, "content_sends_in_flight").await;
            (under_way >= 3.0).then_some(())
        };
        until("a content-service has sends under way", TAKEOVER, busy).await;
        if nothing_yet {
            self.is_calm().await;
        }
    }

    /// Waits until so many more messages have arrived.
    pub(crate) async fn more_arrive(&self, more: usize, within: Duration) {
        let before = self.arrived();
        let arrived = async || (self.arrived() >= before + more).then_some(());
        until(&format!("{more} more messages have arrived"), within, arrived).await;
        // The first ones fetch tokens, find their places in the group and make connections: no fault did that.
        if before == 0 {
            self.is_calm().await;
        }
    }
}

impl Report {
    fn of(books: Books, after: After) -> Self {
        let mut ends = BTreeMap::new();
        for outcome in outcomes(&books).values() {
            *ends.entry(outcome.end).or_default() += 1;
        }
        let ids: HashSet<&str> = books.events.iter().map(|event| event.id.as_str()).collect();
        let (events, repeats) = (ids.len(), books.events.len() - ids.len());
        Self {
            ends,
            given_up: books.pushes.iter().filter(|push| !push.accepted).count(),
            events,
            repeats,
            duplicates: duplicates(&books).len(),
            after,
            books,
        }
    }

    /// How many events ended so.
    pub(crate) fn count(&self, end: End) -> usize {
        self.ends.get(&end).copied().unwrap_or(0)
    }

    /// Why events were suppressed.
    fn suppressed(&self) -> impl Iterator<Item = &str> {
        let suppressed = self.books.outcomes.iter().filter(|outcome| outcome.end == End::Suppressed);
        suppressed.map(|outcome| outcome.reason.as_str())
    }

    /// The ends of the first outcomes of these texts.
    pub(crate) fn ends_of(&self, texts: &[String]) -> BTreeMap<End, usize> {
        let mut ends = BTreeMap::new();
        for outcome in outcomes(&self.books).values() {
            if outcome.parts.iter().any(|(text, _)| texts.contains(text)) {
                *ends.entry(outcome.end).or_default() += 1;
            }
        }
        ends
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pushes = self.books.pushes.len();
        write!(f, "{pushes} pushes, {} given up, {} events", self.given_up, self.events)?;
        if self.repeats > 0 {
            write!(f, " (+{} repeats)", self.repeats)?;
        }
        for (end, count) in &self.ends {
            write!(f, ", {count} {}", format!("{end:?}").to_lowercase())?;
        }
        let After { settled, tail_ms, raised, .. } = &self.after;
        write!(f, "; sent twice {}; settled after {:.1} s", self.duplicates, settled.as_secs_f64())?;
        if let Some(ms) = tail_ms {
            write!(f, "; then answered within {ms} ms")?;
        }
        for (name, by) in raised {
            let label = if name.contains('{') { "}" } else { "" };
            write!(f, "; `{name}{label}` +{by}")?;
        }
        Ok(())
    }
}

/// A push of the load that nobody waits for.
pub(crate) fn spawn_push(
    stand: &Stand,
    order: (String, simulator::Order),
) -> tokio::task::JoinHandle<crate::load::Pushed> {
    let pusher = Arc::clone(&stand.pusher);
    tokio::spawn(async move { pusher.push(order).await })
}
