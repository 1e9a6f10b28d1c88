//! Every fault of the plan has a row, or a sentence that names tests which are there.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "faults/rows/elsewhere.rs"]
mod elsewhere;

use std::{collections::BTreeSet, fs, path::Path};

use elsewhere::ELSEWHERE;

/// The last fault of the plan.
const FAULTS: u32 = 88;
/// A target of the Makefile, and no test.
const SOAK: &str = "F87";

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Files and functions that a sentence names.
fn named(sentence: &str) -> Vec<(&str, &str)> {
    sentence.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::")).collect()
}

/// The ids of the rows: `f17_…, 1, short,` begins one.
fn tried() -> BTreeSet<u32> {
    let folder = repository().join("yingbin/tests/faults/rows");
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let row = |line: &str| {
        let mut words = line.trim().split(", ");
        let id = words.next()?.strip_prefix('f')?.split_once('_')?.0.parse().ok()?;
        (words.next()?.parse::<usize>().is_ok()
            && matches!(words.next()?.trim_end_matches(','), "short" | "full"))
        .then_some(id)
    };
    files.flat_map(|text| text.lines().filter_map(row).collect::<Vec<u32>>()).collect()
}

#[test]
fn every_fault_has_a_row_or_a_sentence() {
    let told = ELSEWHERE.iter().map(|(id, _)| id.strip_prefix('F').unwrap().parse().unwrap());
    let tried = tried();
    assert!(tried.contains(&1) && !tried.contains(&16), "{tried:?}");
    let covered: BTreeSet<u32> = tried.into_iter().chain(told).collect();
    assert_eq!(covered, (1..=FAULTS).collect());
}

#[test]
fn every_sentence_names_tests_that_are_there() {
    let mut wrong = Vec::new();
    for (id, sentence) in ELSEWHERE {
        let tests = named(sentence);
        if tests.is_empty() && *id != SOAK {
            wrong.push(format!("{id} names no test"));
        }
        for (file, function) in tests {
            let text = fs::read_to_string(repository().join(file)).unwrap_or_default();
            if !text.contains(&format!("fn {function}(")) {
                wrong.push(format!("{id}: there is no {function} in {file}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
