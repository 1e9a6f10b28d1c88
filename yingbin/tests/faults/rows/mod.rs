//! The faults, one row each, named by their id in the specification.

mod death;
mod edge;
pub(crate) mod elsewhere;
mod groups;
mod kafka;
mod platform;
mod redis;
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
    /// Metrics by which an operator sees the fault (I8): each has to have risen on some process when it is over.
    pub(crate) raises: &'static [&'static str],
    /// Tries it: what was measured, or a panic.
    pub(crate) run: for<'a, 'b> fn(&'a mut Trial<'b>) -> LocalBoxFuture<'a, String>,
}

impl Row {
    /// `F17 a broker is killed and started again`.
    pub(crate) fn title(&self) -> String {
        let (id, name) = self.name.split_once('_').unwrap_or((self.name, ""));
        format!("{} {}", id.to_uppercase(), name.replace('_', " "))
    }
}

/// Rows from functions: name, nodes, short or full, what is done, what has to hold, and which metrics have to rise.
macro_rules! rows {
    ($($run:ident, $nodes:literal, $short:ident, $done:literal, $bound:literal $(, [$($raises:literal),+])?;)*) => {
        pub(super) fn rows() -> Vec<$crate::rows::Row> {
            vec![$($crate::rows::Row {
                name: stringify!($run),
                nodes: $nodes,
                short: stringify!($short) == "short",
                done: $done,
                bound: $bound,
                raises: &[$($($raises),+)?],
                run: |trial| Box::pin($run(trial)),
            }),*]
        }
    };
}
use rows;

/// All of them.
pub(crate) fn all() -> Vec<Row> {
    let all = [
        death::rows(),
        kafka::rows(),
        groups::rows(),
        redis::rows(),
        platform::rows(),
        tokens::rows(),
        edge::rows(),
    ];
    all.into_iter().flatten().collect()
}
