//! Rows of a JSONL file.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read},
};

use serde::Deserialize;
use serde_json::Value;

use super::row::{Numbered, Told};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    openid: String,
    #[serde(default)]
    traits: BTreeMap<String, Value>,
    #[serde(default)]
    prefer: Vec<String>,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default, alias = "externalIds")]
    external_ids: BTreeMap<String, Value>,
}

/// The rows with their line numbers; blank lines are left out.
pub(super) fn rows(input: impl Read) -> impl Iterator<Item = Numbered> {
    let lines = (1..).zip(BufReader::new(input).split(b'\n'));
    lines.filter_map(|(number, line)| {
        let line = match line {
            Ok(line) => line,
            Err(error) => return Some((number, Err(format!("cannot be read: {error}")))),
        };
        (!line.trim_ascii().is_empty()).then(|| (number, told(&line)))
    })
}

fn told(line: &[u8]) -> Result<Told, String> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let Line { openid, traits, prefer, drop, external_ids } =
        serde_json::from_slice(line).map_err(|error| error.to_string())?;
    Ok(Told { openid, traits: texts(traits)?, prefer, drop, external_ids: texts(external_ids)? })
}

/// Texts, numbers and truths as text; `null` says nothing.
fn texts(values: BTreeMap<String, Value>) -> Result<Vec<(String, String)>, String> {
    let said = values.into_iter().filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(_) | Value::Bool(_) => Ok((name, value.to_string())),
        _ => Err(format!("{name} is neither text nor number")),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Numbered> {
        rows(std::io::Cursor::new(text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_line_is_a_person() {
        let text = "{\"openid\":\"o1\",\"traits\":{\"age\":72,\"city\":\"\",\"name\":null},\"drop\":[\"weather\"],\
                    \"externalIds\":{\"skypearl\":42}}\n";
        let expected = Told {
            openid: "o1".into(),
            traits: vec![("age".into(), "72".into()), ("city".into(), String::new())],
            drop: vec!["weather".into()],
            external_ids: vec![("skypearl".into(), "42".into())],
            ..Told::default()
        };
        assert_eq!(read(text), [(1, Ok(expected))]);
    }

    #[test]
    fn bad_lines_keep_their_numbers() {
        let read = read(
            "\n{\"openid\":1}\n\n{\"openid\":\"o\",\"trait\":{}}\n{\"openid\":\"o\",\"traits\":{\"a\":[]}}\n{}",
        );
        let numbers: Vec<u64> = read.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [2, 4, 5, 6]);
        let expected = ["invalid type", "unknown field `trait`", "a is neither", "missing field `openid`"];
        for ((_, row), expected) in read.iter().zip(expected) {
            let what = row.as_ref().unwrap_err();
            assert!(what.starts_with(expected), "{what}");
        }
    }
}
