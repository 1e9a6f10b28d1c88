//! Who an event belongs to and what makes two pushes the same event (design §3.2).

use sha2::{Digest as _, Sha256};

use crate::activity::{Customer, customer::Name};

/// The record key of everything that belongs to one user: `<app_id>:<openid>`. Without an openid it is `<app_id>:`.
#[must_use]
pub fn record_key(app_id: &str, openid: &str) -> String {
    let mut key = String::with_capacity(app_id.len() + 1 + openid.len());
    key.push_str(app_id);
    key.push(':');
    key.push_str(openid);
    key
}

/// The record key of an activity: the user's own, or `<namespace>:<external id>`. `None` if nobody is named.
#[must_use]
pub fn customer_key(customer: &Customer) -> Option<String> {
    match customer.name.as_ref()? {
        Name::User(user) => (!user.app_id.is_empty() && !user.openid.is_empty())
            .then(|| record_key(&user.app_id, &user.openid)),
        Name::External(external) => (!external.namespace.is_empty() && !external.id.is_empty())
            .then(|| format!("{}:{}", external.namespace, external.id)),
    }
}

/// The id of an event: the first 128 bits of a SHA-256 over its parts, 32 lower-case hex digits.
///
/// Parts are length-prefixed, so that moving a byte from one to the next makes another id.
#[must_use]
pub fn event_id<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{ExternalId, User};
    use proptest::prelude::*;

    #[test]
    fn keys_are_the_contract() {
        assert_eq!(record_key("wx1", "o1"), "wx1:o1");
        assert_eq!(record_key("wx1", ""), "wx1:");
        let user = Name::User(User { app_id: "wx1".into(), openid: "o1".into() });
        assert_eq!(customer_key(&Customer { name: Some(user) }).as_deref(), Some("wx1:o1"));
        let card = Name::External(ExternalId { namespace: "skypearl".into(), id: "42".into() });
        assert_eq!(customer_key(&Customer { name: Some(card) }).as_deref(), Some("skypearl:42"));
        assert_eq!(customer_key(&Customer { name: None }), None);
    }

    #[test]
    fn an_id_stays_what_it_was() {
        assert_eq!(event_id([&b"wx1"[..], b"o1", b"text"]), "bc61184489c792ec224c23aabbcdcd1c");
    }

    proptest! {
        #[test]
        fn parts_do_not_run_together(a in ".{0,8}", b in ".{1,8}") {
            let joined = format!("{a}{b}");
            prop_assert_ne!(event_id([a.as_bytes(), b.as_bytes()]), event_id([joined.as_bytes(), b""]));
        }
    }
}
