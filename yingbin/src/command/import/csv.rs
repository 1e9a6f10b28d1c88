//! Rows of a CSV file whose header says what each column means.

use std::io::Read;

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use super::row::{Numbered, Told};
use crate::command::Problem;

/// What a column means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Openid,
    Trait(String),
    Prefer,
    Drop,
    External(String),
}

/// The rows with the lines on which they begin. Blank lines are left out; a field may hold line breaks in quotes.
pub(super) fn rows<R: Read>(input: R) -> Result<impl Iterator<Item = Numbered> + use<R>, Problem> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(input);
    let columns = columns(&mut reader).map_err(|what| Problem { line: 1, what })?;
    let mut line = 1;
    Ok(reader.into_records().map(move |record| match record {
        Ok(record) => {
            line = record.position().map_or(line + 1, csv::Position::line);
            (line, Ok(told(&columns, &record)))
        }
        Err(error) => {
            line = error.position().map_or(line + 1, csv::Position::line);
            (line, Err(say(&error)))
        }
    }))
}

fn say(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields, the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8: save the file as UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

fn columns<R: Read>(reader: &mut Reader<R>) -> Result<Vec<Column>, String> {
    let header = reader.headers().map_err(|error| say(&error))?;
    let mut columns = Vec::with_capacity(header.len());
    for name in header {
        let column = column(name)?;
        if columns.contains(&column) {
            return Err(format!("column {name} stands here twice"));
        }
        columns.push(column);
    }
    if columns.contains(&Column::Openid) { Ok(columns) } else { Err("column openid is missing".to_owned()) }
}

fn column(name: &str) -> Result<Column, String> {
    match (name, name.split_once(':')) {
        ("openid", _) => Ok(Column::Openid),
        ("prefer", _) => Ok(Column::Prefer),
        ("drop", _) => Ok(Column::Drop),
        (_, Some(("trait", name))) if !name.is_empty() => Ok(Column::Trait(name.to_owned())),
        (_, Some(("external", namespace))) if !namespace.is_empty() => {
            Ok(Column::External(namespace.to_owned()))
        }
        _ => Err(format!(
            "column {name:?} is not known: there are openid, trait:NAME, prefer, drop, external:NAMESPACE"
        )),
    }
}

fn told(columns: &[Column], record: &StringRecord) -> Told {
    let mut told = Told::default();
    let cells = columns.iter().zip(record).filter(|(_, cell)| !cell.is_empty());
    for (column, cell) in cells {
        match column {
            Column::Openid => cell.clone_into(&mut told.openid),
            Column::Trait(name) => told.traits.push((name.clone(), cell.to_owned())),
            Column::Prefer => told.prefer = topics(cell),
            Column::Drop => told.drop = topics(cell),
            Column::External(namespace) => told.external_ids.push((namespace.clone(), cell.to_owned())),
        }
    }
    told
}

fn topics(cell: &str) -> Vec<String> {
    cell.split(';').map(str::trim).filter(|topic| !topic.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<Numbered>, Problem> {
        rows(std::io::Cursor::new(text.as_bytes().to_vec())).map(Iterator::collect)
    }

    #[test]
    fn columns_mean_what_the_header_says() {
        let text = "\u{feff}openid,trait:family.grandson.city,prefer,drop,external:skypearl\n\
                    o1, 波士顿 ,taiwan; kuytun,leaders,42\no2,,,,\n";
        let expected = Told {
            openid: "o1".into(),
            traits: vec![("family.grandson.city".into(), "波士顿".into())],
            prefer: vec!["taiwan".into(), "kuytun".into()],
            drop: vec!["leaders".into()],
            external_ids: vec![("skypearl".into(), "42".into())],
        };
        let nothing = Told { openid: "o2".into(), ..Told::default() };
        assert_eq!(read(text).unwrap(), [(2, Ok(expected)), (3, Ok(nothing))]);
    }

    #[test]
    fn a_header_that_is_not_understood_stops_at_once() {
        let cases = [
            ("name\n", "column \"name\" is not known"),
            ("trait:a\n", "column openid is missing"),
            ("openid,openid\n", "column openid stands here twice"),
            ("openid,trait:\n", "column \"trait:\" is not known"),
            ("", "column openid is missing"),
        ];
        for (text, expected) in cases {
            let problem = read(text).unwrap_err();
            assert!(problem.what.starts_with(expected), "{problem}");
        }
    }

    #[test]
    fn a_bad_row_is_named_by_its_line_and_the_next_is_read() {
        let read = read("openid,trait:a\no1,\"two\nlines\"\no2\no3,x\n").unwrap();
        let lines: Vec<u64> = read.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 4, 5]);
        assert_eq!(read[1].1, Err("has 1 fields, the header has 2".to_owned()));
        assert_eq!(read[2].1.as_ref().unwrap().openid, "o3");
    }

    proptest! {
        #[test]
        fn any_value_comes_through(openid in "[a-zA-Z0-9_-]{1,28}", value in "[^\\s\0]\\PC{0,12}[^\\s\0]") {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["openid", "trait:a"]).unwrap();
            writer.write_record([&openid, &value]).unwrap();
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let rows = read(&text).unwrap();
            let told = rows[0].1.as_ref().unwrap();
            prop_assert_eq!(&told.openid, &openid);
            prop_assert_eq!(&told.traits[0].1, value.trim());
        }
    }
}
