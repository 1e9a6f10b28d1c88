//! What the house promises, each promise a test named after it, on real processes: gateway, profile-service and content-service, a
//! real Apache Kafka, a real Redis. What really arrived is told by the platform itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "promises/mod.rs"]
mod promises;
#[path = "support/real.rs"]
mod support;
