//! TLS to real servers, with certificates of authorities that live as long as a test.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod grpc;
mod kafka;
mod redis;
#[path = "../faults/support.rs"]
mod support;
