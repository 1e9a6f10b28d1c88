//! What a request has to hold before anything is done with it. Each error says what to change.

use prost::Message as _;
use proto::{
    activity::{Activity, User, customer::Name},
    profile::UpdateRequest,
};

use super::Error;
use crate::learn::{bounds, is_external};

/// Longest AppId or openid, in bytes.
const USER_BYTES: usize = 128;

pub(super) fn id(id: &str) -> Result<(), Error> {
    let most = bounds::ID_BYTES;
    need((1..=most).contains(&id.len()), || format!("an id of 1 to {most} bytes is needed"))
}

pub(super) fn nobody() -> Error {
    Error::Invalid("a user or an external id is needed".to_owned())
}

/// A user that can be part of a key: an AppId has no colon.
pub(super) fn user(user: &User) -> Result<(), Error> {
    let fits = |text: &str| (1..=USER_BYTES).contains(&text.len());
    need(fits(&user.app_id) && !user.app_id.contains(':') && fits(&user.openid), || {
        "app_id and openid are needed".to_owned()
    })
}

pub(super) fn activity(activity: &Activity) -> Result<&Name, Error> {
    id(&activity.id)?;
    let most = bounds::ACTIVITY_BYTES;
    need(activity.encoded_len() <= most, || format!("an activity has at most {most} bytes"))?;
    let name = activity.customer.as_ref().and_then(|customer| customer.name.as_ref()).ok_or_else(nobody)?;
    name_is_usable(name).map(|()| name)
}

pub(super) fn name_is_usable(name: &Name) -> Result<(), Error> {
    match name {
        Name::User(named) => user(named),
        Name::External(external) => need(is_external(external), || {
            let (name, id) = (bounds::NAME_BYTES, bounds::ID_BYTES);
            format!(
                "an external id needs a namespace (1 to {name} bytes, no colon) and an id (1 to {id} bytes)"
            )
        }),
    }
}

pub(super) fn update(request: &UpdateRequest) -> Result<&User, Error> {
    let named = request.user.as_ref().ok_or_else(nobody)?;
    user(named)?;
    let (name, value) = (bounds::NAME_BYTES, bounds::VALUE_BYTES);
    for said in &request.traits {
        need((1..=name).contains(&said.name.len()), || format!("a trait needs a name of 1 to {name} bytes"))?;
        need(said.value.len() <= value, || {
            format!("trait {}: the value is longer than {value} bytes", said.name)
        })?;
    }
    for said in &request.preferences {
        need((1..=name).contains(&said.topic.len()), || {
            format!("a preference needs a topic of 1 to {name} bytes")
        })?;
    }
    for external in &request.external_ids {
        name_is_usable(&Name::External(external.clone()))?;
    }
    need(request.traits.len() <= bounds::TRAITS && request.preferences.len() <= bounds::PREFERENCES, || {
        format!("at most {} traits and {} preferences", bounds::TRAITS, bounds::PREFERENCES)
    })?;
    Ok(named)
}

fn need(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Invalid(otherwise())) }
}
