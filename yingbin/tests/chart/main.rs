//! `deploy/chart`: what it lets a pod do, who may speak with whom, and that its settings are good for the services themselves.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "../../../runtime/src/tls/authority.rs"]
mod authority;
mod extras;
mod network;
mod pods;
mod read;
mod render;
mod settings;
#[path = "../support/mod.rs"]
mod support;
