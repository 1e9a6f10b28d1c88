//! What the fault tests share with the promise tests: child processes, a real Redis, certificates, reading topics.
#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "../../../runtime/src/tls/authority.rs"]
pub(crate) mod authority;
#[path = "../support/kafka.rs"]
pub(crate) mod kafka;
#[path = "../support/processes.rs"]
pub(crate) mod processes;
#[path = "../support/redis.rs"]
pub(crate) mod redis;
#[path = "../support/secure.rs"]
pub(crate) mod secure;
