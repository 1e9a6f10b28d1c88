//! Send rights: which action of a user lets an account send how much for how long (`facts.md` §2.8, §4.4).

use crate::account::{AccountKind, RuleSet};

/// What a user did, as far as send rights go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Sent a message of any kind.
    Message,
    /// Tapped an option of a `msgmenu`; it arrives as a text with `bizmsgmenuid`.
    MenuOption,
    /// Tapped a menu button of the kinds click, `scancode_push` or `scancode_waitmsg`.
    MenuClick,
    /// Followed the account.
    Subscribe,
    /// Scanned a parametric QR code.
    Scan,
    /// Entered the conversation.
    Enter,
    /// Anything else: VIEW, LOCATION, unsubscribe, results of jobs. It grants nothing.
    Other,
}

/// What an action grants: so many messages until so many seconds after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Name in ledgers and metrics: `message`, `menu`, `subscribe`, `scan` or `enter`.
    pub name: &'static str,
    /// Messages that may be sent.
    pub messages: u32,
    /// Seconds from the action's `CreateTime` on.
    pub window_seconds: u32,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// Kind of account.
    pub kind: AccountKind,
    /// Rule set.
    pub rules: RuleSet,
    /// The user's action.
    pub action: Action,
    /// What it grants.
    pub grant: Grant,
    /// Where the platform, or who else, says so.
    pub source: &'static str,
}

const MINUTE: u32 = 60;
const DAY: u32 = 24 * 60 * MINUTE;

const fn right(
    kind: AccountKind,
    rules: RuleSet,
    action: Action,
    grant: (&'static str, u32, u32),
    source: &'static str,
) -> Right {
    let (name, messages, window_seconds) = grant;
    Right { kind, rules, action, grant: Grant { name, messages, window_seconds }, source }
}

use AccountKind::{MiniProgram, Official};
use Action::{Enter, MenuClick, MenuOption, Message, Scan, Subscribe};
use RuleSet::{Today, WeChat45};

const OA_KF: &str = "OA-KF: Customer_Service_Messages, rule of 2023-06-12; facts.md §4.4";
const OA_MENU_TEXT: &str = "OA-KF, WXJ-XML: a msgmenu option counts as a menu click; facts.md §2.8";
const MP_KFGUIDE: &str = "MP-KFGUIDE: guide of the mini-program customer service; facts.md §4.4";
const OA_45: &str = "IDX-ENTER, BLOG-24H: 24 hours after an interaction, ENTER among them; the platform \
                     named no count then, today's five are kept; facts.md §2.7, §4.4";

/// All rights, one row each. What is not listed grants nothing.
pub const RIGHTS: &[Right] = &[
    right(Official, Today, Message, ("message", 5, 2 * DAY), OA_KF),
    right(Official, Today, MenuClick, ("menu", 3, MINUTE), OA_KF),
    right(Official, Today, MenuOption, ("menu", 3, MINUTE), OA_MENU_TEXT),
    right(Official, Today, Subscribe, ("subscribe", 3, MINUTE), OA_KF),
    right(Official, Today, Scan, ("scan", 3, MINUTE), OA_KF),
    right(MiniProgram, Today, Message, ("message", 5, 2 * DAY), MP_KFGUIDE),
    right(MiniProgram, Today, Enter, ("enter", 2, MINUTE), MP_KFGUIDE),
    right(Official, WeChat45, Message, ("message", 5, DAY), OA_45),
    right(Official, WeChat45, MenuClick, ("menu", 5, DAY), OA_45),
    right(Official, WeChat45, MenuOption, ("menu", 5, DAY), OA_45),
    right(Official, WeChat45, Subscribe, ("subscribe", 5, DAY), OA_45),
    right(Official, WeChat45, Scan, ("scan", 5, DAY), OA_45),
    right(Official, WeChat45, Enter, ("enter", 5, DAY), OA_45),
];

/// What `action` grants to an account, if anything.
///
/// Mini-programs are younger than WeChat 4.5: for them its rule set is today's.
#[must_use]
pub fn grant(kind: AccountKind, rules: RuleSet, action: Action) -> Option<Grant> {
    let rules = if kind == MiniProgram { Today } else { rules };
    let row = RIGHTS.iter().find(|row| (row.kind, row.rules, row.action) == (kind, rules, action));
    row.map(|row| row.grant)
}

/// What an account may still send to one user. Times are Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Messages left.
    pub left: u32,
    /// When the last of them lapses.
    pub until_ms: i64,
}

impl Window {
    /// The window after an action of `create_time_ms`, seen at `now_ms`.
    ///
    /// Allowances do not add up: count and end are raised to the maximum of what was and what is
    /// granted (MP-KFGUIDE, `facts.md` §4.4); what has lapsed counts as nothing.
    #[must_use]
    pub fn raise(self, now_ms: i64, create_time_ms: i64, grant: &Grant) -> Self {
        let current = if self.until_ms > now_ms { self } else { Self::default() };
        let until_ms = create_time_ms.saturating_add(i64::from(grant.window_seconds) * 1000);
        if until_ms <= now_ms {
            return current;
        }
        Self { left: current.left.max(grant.messages), until_ms: current.until_ms.max(until_ms) }
    }

    /// Takes one message out; `false` when the window is closed or nothing is left.
    pub fn take(&mut self, now_ms: i64) -> bool {
        let open = self.until_ms > now_ms && self.left > 0;
        self.left -= u32::from(open);
        open
    }
}

#[cfg(test)]
mod tests;
