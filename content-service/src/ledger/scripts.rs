//! The ledger's Lua scripts, one per transition.

use redis::Script;

/// Compiled into the binary, loaded into Redis with the first call.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) reserve: Script,
    pub(super) arm: Script,
    pub(super) settle: Script,
    pub(super) give_up: Script,
    pub(super) overdue: Script,
    pub(super) note: Script,
    pub(super) wait: Script,
    pub(super) resume: Script,
    pub(super) drop: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            reserve: Script::new(concat!(include_str!("lua/lease.lua"), include_str!("lua/reserve.lua"))),
            arm: Script::new(concat!(include_str!("lua/lease.lua"), include_str!("lua/arm.lua"))),
            settle: Script::new(concat!(
                include_str!("lua/rights.lua"),
                include_str!("lua/lease.lua"),
                include_str!("lua/settle.lua")
            )),
            give_up: Script::new(concat!(include_str!("lua/rights.lua"), include_str!("lua/give_up.lua"))),
            overdue: Script::new(concat!(
                include_str!("lua/rights.lua"),
                include_str!("lua/lease.lua"),
                include_str!("lua/overdue.lua")
            )),
            note: Script::new(include_str!("lua/note.lua")),
            wait: Script::new(include_str!("lua/wait.lua")),
            resume: Script::new(concat!(include_str!("lua/rights.lua"), include_str!("lua/resume.lua"))),
            drop: Script::new(include_str!("lua/drop.lua")),
        }
    }
}

/// `settled → closed`, run in pipelines by [`super::Closer`].
pub(super) const CLOSE: &str = include_str!("lua/close.lua");
