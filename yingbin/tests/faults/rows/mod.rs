//! The faults, one row each, named by their id in the specification.

mod death;
mod defects;
mod edge;
pub(crate) mod elsewhere;
mod groups;
mod hot;
mod kafka;
mod network;
mod platform;
mod redis;
mod rotation;
mod slow;
mod spool;
mod strain;
mod tokens;

use futures::future::LocalBoxFuture;

use crate::trial::Trial;

/// One fault.
pub(crate) struct Row {
    /// `f17_a_broker_is_killed_and_started_again`.
    pub(crate) name: &'static str,
    /// Kafka nodes that it needs.
    pub(crate) nodes: usize,
    /// It carries a promise and is tried by every run of the tests.
    pub(crate) short: bool,
    /// What is done.
    pub(crate) done: &'static str,
    /// What has to hold beside the invariants.
    pub(crate) bound: &'static str,
    /// How an operator sees the fault (I8).
    pub(crate) seen: Seen,
    /// Tries it: what was measured, or a panic.
    pub(crate) run: for<'a, 'b> fn(&'a mut Trial<'b>) -> LocalBoxFuture<'a, String>,
}

/// How an operator sees a fault.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    /// By metrics: each has to have risen on some process when it is over.
    Raises(&'static [&'static str]),
    /// By no metric, for this reason.
    Quiet(&'static str),
}

impl Seen {
    pub(crate) fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::Raises(metrics) => metrics,
            Self::Quiet(_) => &[],
        }
    }
}

impl Row {
    /// `F17 a broker is killed and started again`.
    pub(crate) fn title(&self) -> String {
        let (id, name) = self.name.split_once('_').unwrap_or((self.name, ""));
        format!("{} {}", id.to_uppercase(), name.replace('_', " "))
    }
}

/// Rows from functions: name, nodes, short or full, what is done, what has to hold, and which metrics have to rise, or why none does.
macro_rules! rows {
    ($($run:ident, $nodes:literal, $short:ident, $done:literal, $bound:literal, $how:ident $seen:expr;)*) => {
        pub(super) fn rows() -> Vec<$crate::rows::Row> {
            vec![$($crate::rows::Row {
                name: stringify!($run),
                nodes: $nodes,
                short: stringify!($short) == "short",
                done: $done,
                bound: $bound,
                seen: $crate::rows::rows!(@seen $how $seen),
                run: |trial| Box::pin($run(trial)),
            }),*]
        }
    };
    (@seen raises $metrics:expr) => { $crate::rows::Seen::Raises(&$metrics) };
    (@seen quiet $why:expr) => { $crate::rows::Seen::Quiet($why) };
}
use rows;

/// All of them.
pub(crate) fn all() -> Vec<Row> {
    let all = [
        death::rows(),
        defects::rows(),
        kafka::rows(),
        groups::rows(),
        redis::rows(),
        rotation::rows(),
        platform::rows(),
        slow::rows(),
        tokens::rows(),
        edge::rows(),
        network::rows(),
        spool::rows(),
        strain::rows(),
        hot::rows(),
    ];
    all.into_iter().flatten().collect()
}
