//! What is known by name: traits, stated preferences and questions already put.
//!
//! A later statement replaces an earlier one, but what a person stated or answered is replaced only by what the
//! person says, never by the CRM or by a conclusion.

use proto::profile::{Asked, Preference, Stance, Trait, TraitSource};

use super::bounds::{self, is_name};

/// What traits and preferences have in common.
trait Statement: Clone + PartialEq {
    fn name(&self) -> &str;
    fn source(&self) -> i32;
    fn at_ms(&self) -> i64;
    /// It takes back what was said.
    fn takes_back(&self) -> bool;
}

impl Statement for Trait {
    fn name(&self) -> &str {
        &self.name
    }
    fn source(&self) -> i32 {
        self.source
    }
    fn at_ms(&self) -> i64 {
        self.at_ms
    }
    fn takes_back(&self) -> bool {
        self.value.is_empty()
    }
}

impl Statement for Preference {
    fn name(&self) -> &str {
        &self.topic
    }
    fn source(&self) -> i32 {
        self.source
    }
    fn at_ms(&self) -> i64 {
        self.at_ms
    }
    fn takes_back(&self) -> bool {
        self.stance == i32::from(Stance::Unspecified)
    }
}

/// Sets a trait, or removes it if the value is empty. Names and values that are too long are left out.
pub(crate) fn set_trait(traits: &mut Vec<Trait>, said: Trait) {
    if said.value.len() <= bounds::VALUE_BYTES {
        set(traits, said, bounds::TRAITS);
    }
}

/// Sets a preference, or takes it back.
pub(crate) fn set_preference(preferences: &mut Vec<Preference>, said: Preference) {
    set(preferences, said, bounds::PREFERENCES);
}

fn set<S: Statement>(known: &mut Vec<S>, said: S, most: usize) {
    if !is_name(said.name()) {
        return;
    }
    match known.binary_search_by(|entry| entry.name().cmp(said.name())) {
        Ok(found) if replaces(&known[found], &said) => {
            if said.takes_back() {
                known.remove(found);
            } else {
                known[found] = said;
            }
        }
        Err(place) if !said.takes_back() => known.insert(place, said),
        Ok(_) | Err(_) => {}
    }
    bounds::shorten(known, most, S::at_ms);
}

/// Of two statements of one rank and one millisecond the one that arrives last holds.
fn replaces<S: Statement>(known: &S, said: &S) -> bool {
    (by_the_person(said), said.at_ms()) >= (by_the_person(known), known.at_ms())
}

fn by_the_person<S: Statement>(statement: &S) -> bool {
    [TraitSource::Stated, TraitSource::Asked].map(i32::from).contains(&statement.source())
}

/// Remembers that a trait was asked for.
pub(crate) fn asked(questions: &mut Vec<Asked>, name: &str, at_ms: i64) {
    if !is_name(name) {
        return;
    }
    match questions.binary_search_by(|question| question.r#trait.as_str().cmp(name)) {
        Ok(found) => questions[found].at_ms = questions[found].at_ms.max(at_ms),
        Err(place) => questions.insert(place, Asked { r#trait: name.to_owned(), at_ms }),
    }
    bounds::shorten(questions, bounds::ASKED, |question| question.at_ms);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &str, source: TraitSource, at_ms: i64) -> Trait {
        Trait { name: "city".into(), value: value.into(), source: source.into(), at_ms }
    }

    fn after(statements: &[Trait]) -> Option<String> {
        let mut traits = Vec::new();
        for statement in statements {
            set_trait(&mut traits, statement.clone());
        }
        traits.first().map(|kept| kept.value.clone())
    }

    #[test]
    fn a_later_statement_replaces_an_earlier_one_in_any_order_of_arrival() {
        let (old, new) = (said("杭州", TraitSource::Crm, 1), said("奎屯", TraitSource::Crm, 2));
        assert_eq!(after(&[old.clone(), new.clone()]).as_deref(), Some("奎屯"));
        assert_eq!(after(&[new, old]).as_deref(), Some("奎屯"));
    }

    #[test]
    fn the_crm_and_conclusions_never_replace_what_the_person_said() {
        for own in [TraitSource::Stated, TraitSource::Asked] {
            for other in [TraitSource::Crm, TraitSource::Learned, TraitSource::Unspecified] {
                let (own, other) = (said("波士顿", own, 1), said("杭州", other, 9));
                assert_eq!(after(&[own.clone(), other.clone()]).as_deref(), Some("波士顿"));
                assert_eq!(after(&[other, own]).as_deref(), Some("波士顿"));
            }
        }
    }

    #[test]
    fn an_empty_value_removes_what_it_may_replace() {
        let stated = said("波士顿", TraitSource::Stated, 1);
        assert_eq!(after(&[stated.clone(), said("", TraitSource::Stated, 2)]), None);
        assert_eq!(after(&[stated, said("", TraitSource::Crm, 2)]).as_deref(), Some("波士顿"));
        assert_eq!(after(&[said("", TraitSource::Crm, 2)]), None);
    }

    #[test]
    fn a_preference_is_taken_back() {
        let say = |stance: Stance, at_ms| Preference {
            topic: "sports".into(),
            stance: stance.into(),
            source: TraitSource::Stated.into(),
            at_ms,
        };
        let mut preferences = Vec::new();
        set_preference(&mut preferences, say(Stance::Drop, 1));
        assert_eq!(preferences[0].stance(), Stance::Drop);
        set_preference(&mut preferences, say(Stance::Unspecified, 2));
        assert!(preferences.is_empty());
    }

    #[test]
    fn a_question_is_remembered_with_its_newest_time() {
        let mut questions = Vec::new();
        asked(&mut questions, "seat", 5);
        asked(&mut questions, "seat", 3);
        asked(&mut questions, "", 9);
        assert_eq!(questions, [Asked { r#trait: "seat".into(), at_ms: 5 }]);
    }
}
