//! A profile as a page.

use proto::{
    content::TopicKind,
    profile::{Profile, Seen, Stance, Trait, TraitSource},
};

use crate::command::time::point;

/// Choices of tastes and activities that are worth a line.
const SHOWN: usize = 12;

pub(super) fn of(profile: &Profile) -> String {
    let sections = [
        ("known by name", traits(&profile.traits)),
        ("said", stated(profile)),
        ("likes, as learned", tastes(profile)),
        ("habits", habits(profile)),
        (
            "asked already",
            profile
                .asked
                .iter()
                .map(|asked| format!("{} on {}", asked.r#trait, point(asked.at_ms)))
                .collect(),
        ),
        ("did elsewhere", activities(profile)),
        (
            "numbers elsewhere",
            profile.external_ids.iter().map(|id| format!("{}:{}", id.namespace, id.id)).collect(),
        ),
    ];
    let filled = sections.into_iter().filter(|(_, lines)| !lines.is_empty());
    let text = filled.map(|(title, lines)| format!("\n{title}\n  {}\n", lines.join("\n  ")));
    std::iter::once(head(profile)).chain(text).collect()
}

fn head(profile: &Profile) -> String {
    let user = profile.user.clone().unwrap_or_default();
    let mut head = format!(
        "{} of {}, here since {}, version {}\n",
        user.openid,
        user.app_id,
        point(profile.first_seen_at_ms),
        profile.version
    );
    if let Some(visit) = &profile.visit {
        head.push_str(&format!(
            "visit {} from {} to {}; the one before: {}\n",
            visit.number,
            point(visit.started_at_ms),
            point(visit.last_at_ms),
            point(visit.previous_at_ms)
        ));
    }
    head.push_str(&seen(&profile.seen));
    head
}

fn seen(seen: &[Seen]) -> String {
    let opened = seen.iter().filter(|seen| seen.opened_at_ms != 0).count();
    match seen.len() {
        0 => String::new(),
        shown => format!("was shown {shown} items and opened {opened} of them\n"),
    }
}

fn source(source: TraitSource) -> &'static str {
    match source {
        TraitSource::Unspecified => "source not known",
        TraitSource::Crm => "from the customer database",
        TraitSource::Stated => "said unasked",
        TraitSource::Asked => "answered when asked",
        TraitSource::Learned => "concluded",
    }
}

fn traits(traits: &[Trait]) -> Vec<String> {
    let line = |known: &Trait| {
        format!("{} = {} ({}, {})", known.name, known.value, source(known.source()), point(known.at_ms))
    };
    traits.iter().map(line).collect()
}

fn stated(profile: &Profile) -> Vec<String> {
    let said = profile.preferences.iter().map(|said| {
        let verb = match said.stance() {
            Stance::Prefer => "more of",
            Stance::Drop => "none of",
            Stance::Unspecified => "nothing about",
        };
        format!("{verb} {} ({}, {})", said.topic, source(said.source()), point(said.at_ms))
    });
    said.collect()
}

fn kind(kind: TopicKind) -> &'static str {
    match kind {
        TopicKind::Unspecified | TopicKind::News => "news",
        TopicKind::Region => "region",
        TopicKind::Hobby => "hobby",
        TopicKind::Service => "service",
    }
}

fn tastes(profile: &Profile) -> Vec<String> {
    let mut strongest: Vec<_> = profile.tastes.iter().collect();
    strongest.sort_by(|a, b| b.value.total_cmp(&a.value));
    let shown = strongest.iter().take(SHOWN);
    shown
        .map(|t| format!("{} {:.2} ({}, as of {})", t.topic, t.value, kind(t.kind()), point(t.at_ms)))
        .collect()
}

fn habits(profile: &Profile) -> Vec<String> {
    let line = |habit: &proto::profile::Habit| {
        let mut choices: Vec<_> = habit.choices.iter().collect();
        choices.sort_by(|a, b| b.count.total_cmp(&a.count));
        let choices: Vec<String> =
            choices.iter().map(|choice| format!("{} {:.1}", choice.value, choice.count)).collect();
        format!("{}: {} (of {} on offer)", habit.name, choices.join(", "), habit.options.max(2))
    };
    profile.habits.iter().map(line).collect()
}

fn activities(profile: &Profile) -> Vec<String> {
    let newest = profile.activities.iter().rev().take(SHOWN);
    newest.map(|done| format!("{} {} on {}", done.kind, done.subject, point(done.occurred_at_ms))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{
        activity::User,
        profile::{Habit, HabitChoice, Preference, Taste, Visit},
    };

    #[test]
    fn a_page_tells_what_is_known_and_nothing_else() {
        let profile = Profile {
            version: 9,
            user: Some(User { app_id: "wx1".into(), openid: "o1".into() }),
            traits: vec![Trait {
                name: "city".into(),
                value: "杭州".into(),
                source: TraitSource::Crm.into(),
                at_ms: 1,
            }],
            preferences: vec![Preference {
                topic: "leaders".into(),
                stance: Stance::Drop.into(),
                ..Preference::default()
            }],
            tastes: [("a", 0.5), ("b", 3.25)]
                .map(|(topic, value)| Taste { topic: topic.into(), value, ..Taste::default() })
                .to_vec(),
            habits: vec![Habit {
                name: "seat.side".into(),
                choices: vec![HabitChoice { value: "window".into(), count: 4.2 }],
                options: 3,
                at_ms: 1,
            }],
            visit: Some(Visit { number: 5, ..Visit::default() }),
            seen: vec![Seen { opened_at_ms: 1, ..Seen::default() }, Seen::default()],
            ..Profile::default()
        };
        let page = of(&profile);
        for expected in [
            "o1 of wx1, here since never, version 9",
            "visit 5 from",
            "was shown 2 items and opened 1",
            "city = 杭州 (from the customer database",
            "none of leaders",
            "likes, as learned\n  b 3.25 (news",
            "seat.side: window 4.2 (of 3 on offer)",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
        assert!(!page.contains("did elsewhere"), "{page}");
    }
}
