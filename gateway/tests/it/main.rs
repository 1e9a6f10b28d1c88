//! The gateway over real sockets, with librdkafka's mock cluster as its broker.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod away;
mod bounds;
mod door;
mod hostile;
mod house;
mod life;
mod links;
mod logs;
mod overload;
mod process;
mod pushes;
mod rotation;
mod slow;
mod smuggling;
mod spool;
mod spool_process;
mod topic;
mod volume;
mod wire;
