//! What the templates of a reply see, made when a template asks for it.

use std::sync::{Arc, OnceLock};

use minijinja::{Value, value::Object};

use super::super::facts::{Facts, VARIABLES};

/// What a template may name besides the playbook's sources.
pub(crate) const NAMES: [&str; 14] = [
    "event",
    "profile",
    "now",
    "slots",
    "asked",
    "trait",
    "habit",
    "last",
    "last_place",
    "days_since",
    "prefers",
    "link",
    "range",
    "namespace",
];

/// Everything that the templates of a reply see.
#[derive(Debug)]
pub(crate) struct Context {
    facts: Arc<Facts>,
    /// Of the [`VARIABLES`], those that were asked for.
    variables: [OnceLock<Value>; VARIABLES.len()],
    slots: Value,
    sources: Vec<(String, Value)>,
    asked: bool,
}

impl Context {
    /// The facts, the items of each slot, the values of the sources, and whether a question goes with the reply.
    pub(crate) fn new(
        facts: &Arc<Facts>,
        slots: Value,
        sources: impl Iterator<Item = (String, Value)>,
        asked: bool,
    ) -> Self {
        let (facts, variables) = (Arc::clone(facts), Default::default());
        Self { facts, variables, slots, sources: sources.collect(), asked }
    }

    fn variable(&self, name: &str) -> Option<Value> {
        let at = VARIABLES.iter().position(|known| *known == name)?;
        let made =
            self.variables[at].get_or_init(|| self.facts.variable(name).map(value).unwrap_or_default());
        Some(made.clone())
    }

    fn source(&self, name: &str) -> Option<Value> {
        self.sources.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        self.get_value_by_str(name.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        macro_rules! function {
            ($method:ident, $convert:expr) => {{
                let facts = Arc::clone(&self.facts);
                Some(Value::from_function(move |name: &str| $convert(facts.$method(name))))
            }};
        }
        match name {
            "slots" => Some(self.slots.clone()),
            "asked" => Some(Value::from(self.asked)),
            "trait" => function!(trait_value, str::to_owned),
            "habit" => function!(habit, str::to_owned),
            "last" => function!(last, str::to_owned),
            "last_place" => function!(last_place, str::to_owned),
            "prefers" => function!(prefers, bool::from),
            "days_since" => function!(days_since, i64::from),
            _ => self.variable(name).or_else(|| self.source(name)),
        }
    }
}

/// JSON as a template sees it.
pub(crate) fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(held) => Value::from(*held),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(list) => list.iter().map(value).collect(),
        serde_json::Value::Object(map) => {
            Value::from_pairs(map.iter().map(|(key, held)| (key.clone(), value(held))))
        }
    }
}
