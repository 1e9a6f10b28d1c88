//! Unknown ends for a person: what waits first, then what was lately.

use content_service::ledger::desk::{Choice, Unknown, Waiting};
use sha2::{Digest as _, Sha256};

use crate::command::time::point;

/// Lately unknown ends that are told.
const TOLD: usize = 20;

pub(super) fn of(waiting: &[Waiting], lately: &[Unknown]) -> String {
    let mut lines = Vec::new();
    if waiting.is_empty() {
        lines.push("Nothing waits for a decision.".to_owned());
    } else {
        lines.push("Waiting for a decision (yingbin unknown resend|drop EVENT):".to_owned());
        lines.extend(waiting.iter().flat_map(|one| [line(&one.unknown), chance(one)]));
    }
    if !lately.is_empty() {
        lines.push("\nUnknown lately:".to_owned());
        lines.extend(lately.iter().take(TOLD).map(line));
        let rest = lately.len().saturating_sub(TOLD);
        lines.extend((rest > 0).then(|| format!("  … and {rest} more (--json has them)")));
    }
    lines.join("\n")
}

fn line(unknown: &Unknown) -> String {
    let Unknown { event_id, account, reply, ended_at_ms, user, .. } = unknown;
    format!("  {event_id}  {account}  {reply:?}  user {}  ended {}", uid(user), point(*ended_at_ms))
}

fn chance(Waiting { until_ms, right: (left, _), decided, .. }: &Waiting) -> String {
    let decided = match decided.map(|decided| decided.choice) {
        None => "",
        Some(Choice::Resend) => "; decided: resend",
        Some(Choice::Drop) => "; decided: drop",
    };
    format!("    can be sent again until {}, {left} messages left{decided}", point(*until_ms))
}

/// A user without the openid: the same hash whoever asks.
pub(super) fn uid(record_key: &str) -> String {
    hex::encode(&Sha256::digest(record_key)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(event_id: &str) -> Unknown {
        Unknown {
            user: "wx1:o-secret".into(),
            event_id: event_id.into(),
            account: "shop".into(),
            app_id: "wx1".into(),
            reply: "paper".into(),
            occurred_at_ms: 1_754_000_000_000,
            ended_at_ms: 1_754_000_001_000,
        }
    }

    #[test]
    fn what_waits_comes_first_and_nobody_is_named() {
        let waits =
            Waiting { unknown: unknown("e1"), until_ms: 1_754_000_060_000, right: (4, 9), decided: None };
        let page = of(&[waits], &[unknown("e2")]);
        assert!(page.find("e1  shop  \"paper\"").unwrap() < page.find("e2").unwrap(), "{page}");
        assert!(page.contains("4 messages left") && !page.contains("o-secret"), "{page}");
        assert!(of(&[], &[]).starts_with("Nothing waits"));
    }
}
