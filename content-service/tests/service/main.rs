//! content-service as a whole: the real service between a mock Kafka cluster, a real Redis, and small servers that stand for
//! the platform and for profile-service.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aside;
mod crowds;
mod delivery;
mod erasure;
mod fakes;
mod gate;
mod histories;
mod keeping;
mod ledger;
mod life;
mod lost;
mod partitions;
mod path;
mod paused;
mod pauses;
mod playbooks;
mod redis_server;
mod retention;
mod rights;
mod sources;
mod steps;
mod stops;
mod trouble;
mod trying;
mod unknown;
mod world;
