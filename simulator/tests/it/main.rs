//! The simulator over real sockets: what a client of the platform, a gateway, a test and the phone see of it.

#![allow(clippy::unwrap_used, reason = "what a helper can not do fails the test that called it")]

mod control;
mod faults;
mod harness;
mod push;
mod send;
mod tokens;
