//! What the fault tests share with the promise tests: child processes, a real Redis, reading topics.
#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "../support/kafka.rs"]
pub(crate) mod kafka;
#[path = "../support/processes.rs"]
pub(crate) mod processes;
#[path = "../support/redis.rs"]
pub(crate) mod redis;
