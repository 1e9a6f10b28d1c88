//! Least privilege: with the rights of `deploy/redis/users.acl` and `deploy/kafka/acls` alone everything works on real servers, and
//! nobody can do what is not his.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "access/mod.rs"]
mod access;
mod cli;
#[path = "support/real.rs"]
mod support;
