//! `yingbin push decode` and `push send` as processes: every public vector, every way to fail, a real socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../cli/mod.rs"]
mod cli;
mod decode;
mod send;
mod vectors;

const TOKEN: &str = "AAAAA";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const APP_ID: &str = "wxb11529c136998cb6";
