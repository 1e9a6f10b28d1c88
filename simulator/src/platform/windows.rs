//! Who may be written to, how often and until when (`facts.md` §4.4), from the pushes that were made.

use std::collections::HashMap;

use wechat::account::AccountKind;
use wechat::rights::{Action, Grant, Window};

use crate::platform::answer::Refusal;

/// The users of one account that are known to the platform.
#[derive(Debug, Default)]
pub(crate) struct Users(HashMap<String, User>);

#[derive(Debug, Default, Clone, Copy)]
struct User {
    left: bool,
    window: Window,
}

impl Users {
    /// Makes a person known, without any right.
    pub(crate) fn add(&mut self, openid: &str) {
        self.0.entry(openid.to_owned()).or_default();
    }

    /// A user did something at `create_time_ms` that grants `grant`.
    pub(crate) fn acted(&mut self, openid: &str, now_ms: i64, create_time_ms: i64, grant: Option<Grant>) {
        let user = self.0.entry(openid.to_owned()).or_default();
        user.left = false;
        if let Some(grant) = grant {
            user.window = user.window.raise(now_ms, create_time_ms, &grant);
        }
    }

    /// A user no longer follows: nothing may be sent any more.
    pub(crate) fn left(&mut self, openid: &str) {
        self.0.insert(openid.to_owned(), User { left: true, window: Window::default() });
    }

    /// Takes one message out of the user's right.
    ///
    /// # Errors
    /// 40003 for a stranger, 43004 after an unsubscribe (Official Accounts), 45015 without an open window,
    /// 45047 when its count is used up.
    pub(crate) fn take(&mut self, openid: &str, kind: AccountKind, now_ms: i64) -> Result<(), Refusal> {
        let user = self.0.get_mut(openid).ok_or(Refusal::of(40003))?;
        if user.left && kind == AccountKind::Official {
            return Err(Refusal::of(43004));
        }
        if user.window.until_ms <= now_ms {
            return Err(Refusal::of(45015));
        }
        if !user.window.take(now_ms) {
            return Err(Refusal::of(45047));
        }
        Ok(())
    }
}

/// What a pushed document says the user did (`facts.md` §2.8).
pub(crate) fn action_of(msg_type: &str, event: &str, menu_option: bool) -> Action {
    if msg_type != "event" {
        return if menu_option { Action::MenuOption } else { Action::Message };
    }
    match event.to_ascii_lowercase().as_str() {
        "click" | "scancode_push" | "scancode_waitmsg" => Action::MenuClick,
        "subscribe" => Action::Subscribe,
        "scan" => Action::Scan,
        "enter" | "user_enter_tempsession" => Action::Enter,
        _ => Action::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wechat::account::RuleSet::{self, Today, WeChat45};
    use wechat::rights::grant;

    const T0: i64 = 1_754_000_000_000;

    fn sends(kind: AccountKind, rules: RuleSet, action: Action, at_ms: i64) -> (u32, i32) {
        let mut users = Users::default();
        users.acted("o1", T0, T0, grant(kind, rules, action));
        let mut sent = 0;
        loop {
            match users.take("o1", kind, at_ms) {
                Ok(()) => sent += 1,
                Err(refusal) => return (sent, refusal.errcode),
            }
        }
    }

    #[test]
    fn counts_and_windows_are_those_of_the_table() {
        use AccountKind::{MiniProgram, Official};
        let minute = T0 + 59_999;
        assert_eq!(sends(Official, Today, Action::Message, T0 + 48 * 3_600_000 - 1), (5, 45047));
        assert_eq!(sends(Official, Today, Action::Message, T0 + 48 * 3_600_000), (0, 45015));
        for action in [Action::MenuClick, Action::MenuOption, Action::Subscribe, Action::Scan] {
            assert_eq!(sends(Official, Today, action, minute), (3, 45047), "{action:?}");
            assert_eq!(sends(Official, Today, action, minute + 1), (0, 45015), "{action:?}");
        }
        assert_eq!(sends(Official, Today, Action::Enter, T0), (0, 45015));
        assert_eq!(sends(Official, Today, Action::Other, T0), (0, 45015));
        assert_eq!(sends(MiniProgram, Today, Action::Enter, minute), (2, 45047));
        assert_eq!(sends(MiniProgram, Today, Action::Enter, minute + 1), (0, 45015));
        assert_eq!(sends(Official, WeChat45, Action::Enter, T0 + 3_600_000), (5, 45047));
    }

    #[test]
    fn rights_are_raised_and_never_add_up() {
        let kind = AccountKind::MiniProgram;
        let mut users = Users::default();
        users.acted("o1", T0, T0, grant(kind, Today, Action::Message));
        for _ in 0..4 {
            users.take("o1", kind, T0).unwrap();
        }
        users.acted("o1", T0, T0, grant(kind, Today, Action::Enter));
        users.take("o1", kind, T0 + 60_000).expect("the longer window holds");
        users.take("o1", kind, T0 + 60_000).expect("the greater count holds");
        assert_eq!(users.take("o1", kind, T0 + 60_000).unwrap_err().errcode, 45047);
    }

    #[test]
    fn who_left_gets_nothing_until_he_follows_again() {
        let kind = AccountKind::Official;
        let mut users = Users::default();
        users.acted("o1", T0, T0, grant(kind, Today, Action::Message));
        users.left("o1");
        assert_eq!(users.take("o1", kind, T0).unwrap_err().errcode, 43004);
        users.acted("o1", T0, T0, grant(kind, Today, Action::Subscribe));
        users.take("o1", kind, T0).unwrap();
        assert_eq!(users.take("o2", kind, T0).unwrap_err().errcode, 40003);
    }

    #[test]
    fn a_menu_option_is_a_click_and_not_a_message() {
        assert_eq!(action_of("text", "", true), Action::MenuOption);
        assert_eq!(action_of("text", "", false), Action::Message);
        assert_eq!(action_of("event", "CLICK", false), Action::MenuClick);
        assert_eq!(action_of("event", "VIEW", false), Action::Other);
        assert_eq!(action_of("event", "unsubscribe", false), Action::Other);
    }
}
