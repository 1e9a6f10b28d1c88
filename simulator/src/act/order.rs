//! The body of `POST /sim/act`: who does what.

use serde::Deserialize;
use serde_json::Value;

use super::Act;

/// Who does what, and how often the platform delivers the push.
#[derive(Debug, Deserialize)]
pub(crate) struct ActOrder {
    pub account: String,
    pub openid: String,
    #[serde(default)]
    pub repeat: Option<usize>,
    #[serde(flatten)]
    pub act: Act,
}

/// Fields of every order; the act decides which others it has.
const FIELDS: [&str; 4] = ["account", "openid", "act", "repeat"];

/// Why something is no order, and what would be one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderShape {
    #[error("this is no act: {0}; every act has account, openid and act, and may have repeat")]
    Shape(#[from] serde_json::Error),
    #[error("this act has no field {field:?}; it has {known}")]
    Field { field: String, known: String },
}

impl ActOrder {
    /// Reads an order. A field that its act does not have is a mistake, never left out silently.
    pub(crate) fn read(order: Value) -> Result<Self, OrderShape> {
        let given: Vec<String> =
            order.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
        let order: Self = serde_json::from_value(order)?;
        let act = serde_json::to_value(&order.act)?;
        let own = act.as_object().into_iter().flat_map(|fields| fields.keys().map(String::as_str));
        let mut known = FIELDS.to_vec();
        known.extend(own.filter(|field| !FIELDS.contains(field)));
        match given.into_iter().find(|field| !known.contains(&field.as_str())) {
            Some(field) => Err(OrderShape::Field { field, known: known.join(", ") }),
            None => Ok(order),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_that_the_act_does_not_have_is_refused() {
        for (act, says) in [
            (
                json!({ "act": "enter", "sessionFrom": "x" }),
                "\"sessionFrom\"; it has account, openid, act, repeat, session_from",
            ),
            (json!({ "act": "unsubscribe", "scene": "x" }), "\"scene\"; it has account, openid, act, repeat"),
            (json!({ "act": "text", "content": "a", "key": "K" }), "\"key\""),
            (json!({ "act": "text" }), "content"),
            (json!({ "act": "dance" }), "dance"),
            (json!({}), "every act has account"),
        ] {
            let mut order = json!({ "account": "a", "openid": "o" });
            order.as_object_mut().unwrap().extend(act.as_object().unwrap().clone());
            let refused = ActOrder::read(order).unwrap_err().to_string();
            assert!(refused.contains(says), "{says}: {refused}");
        }
    }
}
