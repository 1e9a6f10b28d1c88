//! Real processes, servers and what they leave behind, for the promise tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod books;
pub(crate) mod house;
pub(crate) mod kafka;
pub(crate) mod processes;
pub(crate) mod quota;
pub(crate) mod redis;
