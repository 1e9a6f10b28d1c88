//! `docs/faults.md`: one line per fault with what was done, the bound and what was measured; each run renews its own lines.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{
    rows::{Row, Seen, elsewhere},
    support::processes::repository,
};

const HEAD: &str = "# Faults

<!-- Made by `make faults`: each run renews the lines of the faults that it tried. -->

What is broken on purpose, what has to hold then, and what was measured. Every line ran on real processes: gateways, profile-service, content-services
and the simulator of the platform, a real Apache Kafka (one node, or three with two of three copies for each write), a real Redis with an append-only file,
and a proxy on every edge. After each fault the books are held against each other: what the platform pushed and received, every partition of every topic, the
ledger. *Given up* are pushes that no delivery of was answered 200; *settled* is the time from the end of the load until every event is handled and committed;
*answered* is the longest of twenty replies pushed at once after that. `SEED=… make faults FAULT=f17` repeats one; `FAULTS=long make faults FAULT=f11` gives F11,
F22 and F62 the size of their specification.
A line stands until its fault is tried again, so lines may come from different builds; `make faults` renews all.

The invariants, checked every time: nothing answered 200 is missing; each event has exactly one outcome; no message arrives twice, but for the number that a
line allows; each user's replies keep their order; the platform never refuses for a window or a quota; no reply is unknown, refused or expired and no event set
aside, but for the numbers that a line allows; the lag is gone in time; memory and descriptors stay bounded; and the metrics by which an operator sees the
fault, named in its line, have risen, or the line says why there is none.

| fault | what was done | bound | measured |
|---|---|---|---|
";

const ELSEWHERE: &str = "
## Not tried here

| fault | why, and what covers it |
|---|---|
";

/// Characters of what was measured; a failure can have much to say.
const LONGEST: usize = 400;

/// Renews the line of a fault, where `FAULTS_PAGE` asks for it.
pub(crate) fn write(row: &Row, measured: &str) {
    if std::env::var_os("FAULTS_PAGE").is_none() {
        return;
    }
    let file = repository().join("docs/faults.md");
    let mut lines = lines_of(&file);
    let known: Vec<String> = crate::rows::all().iter().map(Row::title).collect();
    lines.retain(|title, _| known.contains(title));
    let measured: String = measured.replace(['|', '\n'], " ").chars().take(LONGEST).collect();
    let quiet = match row.seen {
        Seen::Quiet(why) => format!("; no metric: {why}"),
        Seen::Raises(_) => String::new(),
    };
    lines.insert(
        row.title(),
        format!("| {} | {} | {}{quiet} | {measured} |", row.title(), row.done, row.bound),
    );
    let of = |row: Row| lines.get(&row.title()).map(|line| format!("{line}\n"));
    let mut rows = crate::rows::all();
    rows.sort_by_key(|row| row.name);
    let tried: String = rows.into_iter().filter_map(of).collect();
    let others: String = elsewhere::ELSEWHERE.iter().map(|(id, why)| format!("| {id} | {why} |\n")).collect();
    fs::write(file, format!("{HEAD}{tried}{ELSEWHERE}{others}")).unwrap();
}

/// The lines that stand there, by their title.
fn lines_of(file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let title = |line: &str| Some((line.split('|').nth(1)?.trim().to_owned(), line.to_owned()));
    text.lines().filter(|line| line.starts_with("| F")).filter_map(title).collect()
}
