//! WeChat's own protocol: signatures, envelopes, pushes, messages, send rights, error codes and the API client.
//!
//! Every rule of the platform carries the section of `facts.md` it comes from.

// Every crate whose failpoints can be switched on switches these on too.
#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints belong into test builds only");

pub mod account;
pub mod api;
pub mod document;
pub mod envelope;
pub mod errcode;
pub mod message;
pub mod push;
pub mod rights;
mod secret;
pub mod signature;

pub use account::{AccountKind, Mode, RuleSet};
pub use secret::Secret;
