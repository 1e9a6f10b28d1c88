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
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            reserve: Script::new(include_str!("lua/reserve.lua")),
            arm: Script::new(include_str!("lua/arm.lua")),
            settle: Script::new(concat!(include_str!("lua/counted.lua"), include_str!("lua/settle.lua"))),
            give_up: Script::new(include_str!("lua/give_up.lua")),
            overdue: Script::new(concat!(include_str!("lua/counted.lua"), include_str!("lua/overdue.lua"))),
            note: Script::new(include_str!("lua/note.lua")),
        }
    }
}

/// `settled → closed`, run in pipelines by [`super::Closer`].
pub(super) const CLOSE: &str = include_str!("lua/close.lua");
