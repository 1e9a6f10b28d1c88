//! What is wrong with the form of a playbook, all of it: reading the file ends at its first mistake.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

use super::problem::Report;

/// What a value has to look like.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Any,
    Text,
    Number,
    Whole,
    Truth,
    List(&'static Shape),
    /// Keys of the writer's choice.
    Table(&'static Shape),
    /// Keys of ours: name, shape, and whether it must be there.
    Fields(&'static [(&'static str, Shape, bool)]),
    /// One of these keys.
    OneOf(&'static [(&'static str, Shape)]),
}

/// A type that is read from YAML.
pub(super) trait Shaped {
    const SHAPE: Shape;
    const REQUIRED: bool = true;
}

impl Shaped for String {
    const SHAPE: Shape = Shape::Text;
}

impl Shaped for f64 {
    const SHAPE: Shape = Shape::Number;
}

impl Shaped for usize {
    const SHAPE: Shape = Shape::Whole;
}

impl Shaped for bool {
    const SHAPE: Shape = Shape::Truth;
}

impl Shaped for serde_json::Value {
    const SHAPE: Shape = Shape::Any;
}

impl<T: Shaped> Shaped for Spanned<T> {
    const SHAPE: Shape = T::SHAPE;
}

impl<T: Shaped> Shaped for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const REQUIRED: bool = false;
}

impl<T: Shaped + 'static> Shaped for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

impl<T: Shaped + 'static> Shaped for BTreeMap<String, T> {
    const SHAPE: Shape = Shape::Table(&T::SHAPE);
}

/// Structs that are read from YAML, each with its shape. A field behind `#[serde(default)]` may be left out.
macro_rules! shaped {
    (@required [default] $type:ty) => { false };
    (@required [$($attribute:tt)*] $type:ty) => { <$type as Shaped>::REQUIRED };
    (@name [rename = $name:literal] $field:ident) => { $name };
    (@name [$($attribute:tt)*] $field:ident) => { stringify!($field) };
    (
        $(#[derive($derive:ident)])?
        $visible:vis struct $struct:ident {
            $($(#[serde($($attribute:tt)*)])? pub $field:ident: $type:ty,)+
        }
    ) => {
        #[derive(Deserialize $(, $derive)?)]
        #[serde(deny_unknown_fields)]
        $visible struct $struct {
            $($(#[serde($($attribute)*)])? pub $field: $type,)+
        }

        impl Shaped for $struct {
            const SHAPE: Shape = Shape::Fields(&[$((
                shaped!(@name [$($($attribute)*)?] $field),
                <$type as Shaped>::SHAPE,
                shaped!(@required [$($($attribute)*)?] $type),
            ),)+]);
        }
    };
}
pub(super) use shaped;

/// Reports every place of `text` that does not look as `shape` wants; nothing if it cannot be read as YAML at all.
pub(super) fn check(text: &str, shape: Shape, report: &mut Report<'_>) {
    if let Ok(node) = serde_saphyr::from_str::<Spanned<Node>>(text) {
        node_of(&node, shape, report);
    }
}

/// YAML as it is written.
enum Node {
    Null,
    Truth,
    Number,
    Whole,
    Text,
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

fn node_of(node: &Spanned<Node>, shape: Shape, report: &mut Report<'_>) {
    let expected = match (shape, &node.value) {
        (Shape::Any, _) | (_, Node::Null) => return,
        (Shape::Text, Node::Text | Node::Number | Node::Whole | Node::Truth) => return,
        (Shape::Number, Node::Number | Node::Whole) => return,
        (Shape::Whole, Node::Whole) | (Shape::Truth, Node::Truth) => return,
        (Shape::List(each), Node::List(list)) => {
            return list.iter().for_each(|one| node_of(one, *each, report));
        }
        (Shape::Table(each), Node::Map(map)) => {
            return map.iter().for_each(|(_, one)| node_of(one, *each, report));
        }
        (Shape::Fields(fields), Node::Map(map)) => return fields_of(node, map, fields, report),
        (Shape::OneOf(words), Node::Map(map)) if map.len() == 1 => {
            return values_of(map, words.iter().copied(), report);
        }
        (Shape::Text, _) => "a text",
        (Shape::Number, _) => "a number",
        (Shape::Whole, _) => "a whole number",
        (Shape::Truth, _) => "true or false",
        (Shape::List(_), _) => "a list",
        (Shape::Table(_) | Shape::Fields(_), _) => "a table of keys and values",
        (Shape::OneOf(_), _) => "one key with its value",
    };
    report.at(node.defined, format!("{expected} is expected here"));
}

fn fields_of(
    node: &Spanned<Node>,
    map: &[(Spanned<String>, Spanned<Node>)],
    fields: &[(&str, Shape, bool)],
    report: &mut Report<'_>,
) {
    values_of(map, fields.iter().map(|(name, shape, _)| (*name, *shape)), report);
    for (name, ..) in fields
        .iter()
        .filter(|(name, _, required)| *required && !map.iter().any(|(key, _)| key.value == *name))
    {
        report.at(node.defined, format!("missing field `{name}`"));
    }
}

/// The keys of a table, each of which must be `known`.
fn values_of<'a>(
    map: &[(Spanned<String>, Spanned<Node>)],
    known: impl Iterator<Item = (&'a str, Shape)> + Clone,
    report: &mut Report<'_>,
) {
    for (key, value) in map {
        match known.clone().find(|(name, _)| *name == key.value) {
            Some((_, shape)) => node_of(value, shape, report),
            None => {
                let names: Vec<&str> = known.clone().map(|(name, _)| name).collect();
                let (key, at) = (&key.value, key.defined);
                report.at(at, format!("unknown field `{key}`: it may be {}", names.join(", ")));
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Truth)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Whole)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(one) = seq.next_element()? {
            list.push(one);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = map.next_entry()? {
            all.push(entry);
        }
        Ok(Node::Map(all))
    }
}
