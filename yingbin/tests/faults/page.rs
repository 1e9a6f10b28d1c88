//! `docs/faults.md`: one line per fault with what was done, the bound and what was measured; each run renews its own lines.

mod standing;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Tried,
    rows::{Row, Seen, elsewhere},
    support::processes::repository,
};

const HEAD: &str = "# Faults

<!-- Made by `make faults`: each run renews the lines of the faults that it tried. -->

What is broken on purpose, what has to hold then, and what was measured. Every line ran on real processes: gateways, profile-service, content-services
and the simulator of the platform, a real Apache Kafka (one node, or three with two of three copies for each write), a real Redis with an append-only file,
and a proxy on every edge. After each fault the books are held against each other: what the platform pushed and received, every partition of every topic, the
ledger. *Given up* are pushes that no delivery of was answered 200; *settled* is the time from the end of the load, which goes on after the fault has ended,
until every event is handled and committed; *answered* is the longest of twenty replies pushed at once after that. `SEED=… make faults FAULT=f17` repeats
one; `FAULTS=long make faults FAULT=f11` gives F11, F22 and F62 the size of their specification.
A line stands until its fault is tried again, so lines may come from different builds; `make faults` renews all but that of F87, which `make soak` does. Programs that die at named stages are not optimised;
the lines of F41, which is about speed, are from optimised ones (`FAULTS_BINARIES=$PWD/target/release make faults FAULT=f41`).

The invariants, checked every time:

- I1: nothing answered 200 is missing, and it was handed to Kafka within 10 s of the answer, or of the moment in which nothing kept Kafka from taking it any more.
- I2: each event has exactly one outcome, and what arrived, the ledger and the DLQ topic agree with it. No reply is unknown, refused or expired and no event set
  aside, but for the numbers that a line allows.
- I3: no message arrives twice, but for the number that a line allows.
- I4: each user's replies leave in the order of the events topic; and with one gateway, an event stands there behind whatever of the same user was answered before
  it was pushed. Across gateways order is that of the arrival in Kafka.
- I5: the platform never refuses for a window or a quota by itself.
- I6: the lag is gone within 15 s of the end of the load. 30 s where a member of the group, Redis or Kafka was lost: it is missed after six seconds, and what it had
  under way is waited for as long as its lease; 60 s where all brokers were away, 90 s where an account was stopped for a minute. Twenty pushes after that are
  answered within 5 s, unless an account is stopped.
- I7: each process has less than 400 MiB, 328 descriptors and 200 tasks when all is over. That they do not grow is what F87 shows.
- I8: the metrics by which an operator sees the fault, named in its line, have risen since the first reply arrived, or the line says why there is none.

| fault | what was done | bound | measured |
|---|---|---|---|
";

const ELSEWHERE: &str = "
## Not tried here

| fault | why, and what covers it |
|---|---|
";

/// Characters of what was measured; a failure can have much to say.
const LONGEST: usize = 800;

/// What `make soak` writes.
const SOAK: &str = "F87 everything breaks at random";

/// Renews the line of a fault, where `FAULTS_PAGE` asks for it.
pub(crate) fn write(row: &Row, tried: &Tried) {
    let quiet = match row.seen {
        Seen::Quiet(why) => format!("; no metric: {why}"),
        Seen::Raises(_) => String::new(),
    };
    renew(&row.title(), row.done, &format!("{}{quiet}", row.bound), tried);
}

/// Renews the line of the soak, but not that of a longer one by less that held.
pub(crate) fn write_soak(minutes: u64, tried: &Tried) {
    let standing = lines_of(&file()).remove(SOAK).unwrap_or_default();
    if matches!(tried, Tried::Held(_)) && standing::is_longer(&standing, minutes) {
        return;
    }
    let done =
        format!("a random fault of twelve kinds every two to six seconds {} {minutes} min", standing::FOR);
    let bound = "nothing expired or set aside, settled < 60 s; one of each service, which nobody restarts after a quarter of the time, gains in the second half less than 1 MiB an hour, or 12 MiB where that half is no hour, and 12 descriptors (least squares); no metric: too many faults at once";
    renew(SOAK, &done, bound, tried);
}

fn renew(title: &str, done: &str, bound: &str, tried: &Tried) {
    if std::env::var_os("FAULTS_PAGE").is_none() {
        return;
    }
    let file = file();
    let mut lines = lines_of(&file);
    let known: Vec<String> = crate::rows::all().iter().map(Row::title).collect();
    lines.retain(|title, _| known.contains(title) || title == SOAK);
    let line = |measured: &str| {
        let measured: String = measured.replace(['|', '\n'], " ").chars().take(LONGEST).collect();
        format!("| {title} | {done} | {bound} | {measured} |")
    };
    match tried {
        Tried::Held(measured) => _ = lines.insert(title.to_owned(), line(measured)),
        Tried::Failed(why) => _ = lines.insert(title.to_owned(), line(&format!("**not held**: {why}"))),
        // What another machine has measured stands.
        Tried::Not(why) => _ = lines.entry(title.to_owned()).or_insert_with(|| line(why)),
    }
    let soaked = |id: &str| lines.contains_key(SOAK) && SOAK.starts_with(&format!("{id} "));
    let others = elsewhere::ELSEWHERE.iter().filter(|(id, _)| !soaked(id));
    let others: String = others.map(|(id, why)| format!("| {id} | {why} |\n")).collect();
    let tried: String = lines.values().map(|line| format!("{line}\n")).collect();
    fs::write(file, format!("{HEAD}{tried}{ELSEWHERE}{others}")).unwrap();
}

fn file() -> PathBuf {
    repository().join("docs/faults.md")
}

/// The lines that stand there, by their title.
fn lines_of(file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let title = |line: &str| Some((line.split('|').nth(1)?.trim().to_owned(), line.to_owned()));
    text.lines().filter(|line| line.starts_with("| F")).filter_map(title).collect()
}
