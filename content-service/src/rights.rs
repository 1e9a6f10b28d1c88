//! What an event's action grants (`facts.md` §2.8, §4.4).

use std::time::Duration;

use proto::event::{Event, event::Kind};
use wechat::{
    account::{AccountKind, RuleSet},
    rights::{self, Action},
};

use crate::{config::millis, ledger::Granted};

/// The right that an event grants, its window counted from `CreateTime` less `margin`; `None`: it grants nothing.
#[must_use]
pub fn granted(kind: AccountKind, rules: RuleSet, event: &Event, margin: Duration) -> Option<Granted> {
    let grant = rights::grant(kind, rules, action(event))?;
    let window = i64::from(grant.window_seconds) * 1000 - millis(margin);
    Some(Granted {
        name: grant.name,
        messages: grant.messages,
        since_ms: event.occurred_at_ms,
        until_ms: event.occurred_at_ms.saturating_add(window),
    })
}

fn action(event: &Event) -> Action {
    match &event.kind {
        Some(Kind::Entered(_)) => Action::Enter,
        Some(Kind::Subscribed(_)) => Action::Subscribe,
        Some(Kind::Scanned(_)) => Action::Scan,
        Some(Kind::MenuClicked(_)) => Action::MenuClick,
        Some(Kind::TextReceived(text)) if !text.menu_option_id.is_empty() => Action::MenuOption,
        Some(
            Kind::TextReceived(_)
            | Kind::ImageReceived(_)
            | Kind::VoiceReceived(_)
            | Kind::LocationReceived(_)
            | Kind::LinkReceived(_),
        ) => Action::Message,
        Some(Kind::Unrecognised(push)) => match (push.msg_type.as_str(), push.event.as_str()) {
            ("event", "scancode_push" | "scancode_waitmsg") => Action::MenuClick,
            ("event" | "", _) => Action::Other,
            _ => Action::Message,
        },
        Some(
            Kind::Unsubscribed(_) | Kind::MenuViewed(_) | Kind::LocationReported(_) | Kind::LinkClicked(_),
        )
        | None => Action::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::event::{MenuViewed, TextReceived, Unrecognised};

    fn right(kind: Kind) -> Option<Granted> {
        let event = Event { occurred_at_ms: 1_000_000, kind: Some(kind), ..Event::default() };
        granted(AccountKind::Official, RuleSet::Today, &event, Duration::from_secs(3))
    }

    #[test]
    fn an_action_grants_what_the_platform_says() {
        let menu = Granted { name: "menu", messages: 3, since_ms: 1_000_000, until_ms: 1_000_000 + 57_000 };
        let option = TextReceived { menu_option_id: "1".into(), ..TextReceived::default() };
        assert_eq!(right(Kind::TextReceived(option)), Some(menu));
        let scan = Unrecognised {
            msg_type: "event".into(),
            event: "scancode_push".into(),
            ..Unrecognised::default()
        };
        assert_eq!(right(Kind::Unrecognised(scan)), Some(menu));
        let video = Unrecognised { msg_type: "video".into(), ..Unrecognised::default() };
        let message =
            Granted { until_ms: 1_000_000 + 48 * 3_600_000 - 3_000, name: "message", messages: 5, ..menu };
        assert_eq!(right(Kind::Unrecognised(video)), Some(message));
        assert_eq!(right(Kind::MenuViewed(MenuViewed::default())), None);
        assert_eq!(right(Kind::Unrecognised(Unrecognised::default())), None);
    }
}
