//! Taste: `a(t) = a(t0) · 2^(−(t−t0)/h)`, then the reward is added (personalisation §2).

use proto::{
    content::{Topic, TopicKind},
    profile::Taste,
};

use super::{
    bounds::{self, is_name},
    decay::{DAY_MS, left, meet},
};

/// What a tap or an activity adds to each of its topics.
pub(crate) const REWARD: f64 = 1.0;

/// Half-life of a kind in milliseconds; a kind that this version does not know counts as news.
fn half_life_ms(kind: i32) -> i64 {
    let days = match TopicKind::try_from(kind) {
        Ok(TopicKind::Region | TopicKind::Hobby) => 60,
        Ok(TopicKind::Service) => 730,
        Ok(TopicKind::News | TopicKind::Unspecified) | Err(_) => 7,
    };
    days * DAY_MS
}

/// The value of a taste at `now_ms`.
#[must_use]
pub fn taste_at(taste: &Taste, now_ms: i64) -> f64 {
    taste.value * left(now_ms.saturating_sub(taste.at_ms), half_life_ms(taste.kind))
}

/// Adds `reward` at `at_ms` to each topic once. Topics without a usable name are left out.
///
/// A topic that is published under two kinds has two tastes, since sums of different half-lives do not add up.
pub(crate) fn learn(tastes: &mut Vec<Taste>, topics: &[Topic], reward: f64, at_ms: i64) {
    for (index, topic) in topics.iter().take(bounds::PER_EVENT).enumerate() {
        if is_name(&topic.name) && !topics[..index].contains(topic) {
            add(tastes, topic, reward, at_ms);
        }
    }
    let newest = tastes.iter().map(|taste| taste.at_ms).max().unwrap_or(at_ms);
    bounds::shorten(tastes, bounds::TASTES, |taste| taste_at(taste, newest));
}

fn add(tastes: &mut Vec<Taste>, topic: &Topic, reward: f64, at_ms: i64) {
    let kind = if topic.kind == 0 { TopicKind::News.into() } else { topic.kind };
    let order = |taste: &Taste| (taste.topic.as_str(), taste.kind).cmp(&(topic.name.as_str(), kind));
    match tastes.binary_search_by(order) {
        Ok(found) => {
            let taste = &mut tastes[found];
            let meeting = meet(taste.at_ms, at_ms, half_life_ms(kind));
            taste.value = taste.value * meeting.old + reward * meeting.new;
            taste.at_ms = meeting.at_ms;
        }
        Err(place) => tastes.insert(place, Taste { topic: topic.name.clone(), kind, value: reward, at_ms }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, kind: TopicKind) -> Topic {
        Topic { name: name.into(), kind: kind.into() }
    }

    #[test]
    fn each_kind_has_its_half_life() {
        for (kind, days) in [
            (TopicKind::Unspecified, 7),
            (TopicKind::News, 7),
            (TopicKind::Region, 60),
            (TopicKind::Hobby, 60),
            (TopicKind::Service, 730),
        ] {
            let mut tastes = Vec::new();
            learn(&mut tastes, &[topic("taiwan", kind)], REWARD, 1_000);
            let after = taste_at(&tastes[0], 1_000 + days * DAY_MS);
            assert!((after - 0.5).abs() < 1e-9, "{kind:?}: {after}");
        }
    }

    #[test]
    fn a_topic_counts_once_an_event_and_an_unknown_kind_is_news() {
        let mut tastes = Vec::new();
        let odd = Topic { name: "x".into(), kind: 99 };
        learn(&mut tastes, &[odd.clone(), odd, topic("", TopicKind::News)], REWARD, 0);
        assert_eq!(tastes.len(), 1);
        assert!((tastes[0].value - 1.0).abs() < 1e-12);
        assert!((taste_at(&tastes[0], 7 * DAY_MS) - 0.5).abs() < 1e-9);
    }
}
