//! The platform's own API: tokens, quotas, windows and `custom/send`.

mod answer;
mod message;
mod quota;
mod send;
mod tokens;
mod windows;

pub(crate) use answer::{answer, carry_out};
pub(crate) use quota::Quotas;
pub(crate) use send::send;
pub(crate) use tokens::{Tokens, plain_token, stable_token};
pub(crate) use windows::{Users, action_of};
