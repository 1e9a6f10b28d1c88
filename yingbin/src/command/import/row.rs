//! What one row says about one person, whichever format it came in.

use proto::{
    activity::{ExternalId, User},
    profile::{Preference, Stance, Trait, TraitSource, UpdateRequest},
};

/// The line on which a row begins, and what it tells or what is wrong with it.
pub(super) type Numbered = (u64, Result<Told, String>);

/// What a row tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) openid: String,
    pub(super) traits: Vec<(String, String)>,
    pub(super) prefer: Vec<String>,
    pub(super) drop: Vec<String>,
    pub(super) external_ids: Vec<(String, String)>,
}

impl Told {
    pub(super) fn into_update(self, app_id: &str, now_ms: i64) -> Result<UpdateRequest, String> {
        self.check()?;
        let source = TraitSource::Crm.into();
        let trait_of = |(name, value)| Trait { name, value, source, at_ms: now_ms };
        let preference =
            |stance: Stance| move |topic| Preference { topic, stance: stance.into(), source, at_ms: now_ms };
        let prefer = self.prefer.into_iter().map(preference(Stance::Prefer));
        let drop = self.drop.into_iter().map(preference(Stance::Drop));
        let external = |(namespace, id)| ExternalId { namespace, id };
        Ok(UpdateRequest {
            user: Some(User { app_id: app_id.to_owned(), openid: self.openid }),
            traits: self.traits.into_iter().map(trait_of).collect(),
            preferences: prefer.chain(drop).collect(),
            external_ids: self.external_ids.into_iter().map(external).collect(),
        })
    }

    fn check(&self) -> Result<(), String> {
        if self.openid.is_empty() {
            return Err("openid is missing".to_owned());
        }
        if let Some(both) = self.prefer.iter().find(|topic| self.drop.contains(topic)) {
            return Err(format!("{both} stands in prefer and in drop"));
        }
        if self.traits.iter().any(|(name, _)| name.is_empty()) {
            return Err("a trait without a name".to_owned());
        }
        Ok(())
    }
}
