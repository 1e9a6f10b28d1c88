//! What somebody sets by hand or by import: traits, preferences and external ids.

use proto::{
    activity::{ExternalId, User},
    profile::{Preference, Trait, TraitSource, UpdateRequest},
};

use super::{
    bounds::{self, is_name},
    person::Person,
    statement, time,
};

/// Sets what `request` says about `user`. `None` if all of it is known.
///
/// A statement without a source is the CRM's; one without a time is of the time of receipt.
#[must_use]
pub fn update(person: &Person, user: &User, request: &UpdateRequest, received_ms: i64) -> Option<Person> {
    let mut next = person.changing(user, received_ms);
    let profile = &mut next.profile;
    for said in &request.traits {
        let dated =
            Trait { source: source(said.source), at_ms: time(said.at_ms, received_ms), ..said.clone() };
        statement::set_trait(&mut profile.traits, dated);
    }
    for said in &request.preferences {
        let dated =
            Preference { source: source(said.source), at_ms: time(said.at_ms, received_ms), ..said.clone() };
        statement::set_preference(&mut profile.preferences, dated);
    }
    for external in &request.external_ids {
        let room = profile.external_ids.len() < bounds::EXTERNAL_IDS;
        if room && is_external(external) && !profile.external_ids.contains(external) {
            profile.external_ids.push(external.clone());
        }
    }
    let version = std::mem::replace(&mut profile.version, person.profile.version);
    let changed = next.profile != person.profile;
    next.profile.version = version;
    changed.then_some(next)
}

/// Takes `external` from a person to whom it no longer leads. `None` if it did not.
#[must_use]
pub fn unlink(person: &Person, user: &User, external: &ExternalId, received_ms: i64) -> Option<Person> {
    if !person.profile.external_ids.contains(external) {
        return None;
    }
    let mut next = person.changing(user, received_ms);
    next.profile.external_ids.retain(|known| known != external);
    Some(next)
}

/// An external id that can be kept. A namespace has no colon, since that ends it in keys.
#[must_use]
pub fn is_external(external: &ExternalId) -> bool {
    is_name(&external.namespace)
        && !external.namespace.contains(':')
        && (1..=bounds::ID_BYTES).contains(&external.id.len())
}

fn source(source: i32) -> i32 {
    if source == 0 { TraitSource::Crm.into() } else { source }
}
