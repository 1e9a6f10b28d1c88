//! What is printed, and kept in `target/bench/report.md`: tables, ratios against the aims.

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{plan::Plan, process, servers::Servers, stats::Rounds};

/// The report so far.
#[derive(Debug)]
pub(crate) struct Report {
    text: String,
    aims: Vec<[String; 4]>,
    /// Folder of what is kept.
    pub(crate) folder: PathBuf,
}

impl Report {
    /// Begins with what the figures depend on.
    pub(crate) fn new(plan: &Plan, servers: &Servers) -> Result<Self> {
        let target = yingbin::folders::upwards(std::path::Path::new("target")).find(|folder| folder.is_dir());
        let folder = target.unwrap_or_else(|| PathBuf::from("target")).join("bench");
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let mut report = Self { text: String::new(), aims: Vec::new(), folder };
        report.say("# Bench");
        report.say(&format!(
            "{} cores, real Kafka and Redis on loopback (Redis: {}){}{}. Medians of {} interleaved rounds, range in \
             brackets. Absolute figures drift from machine to machine: the ratios of one run count.",
            process::cores(),
            servers.aof()?,
            if process::can_pin() { "" } else { "; taskset is missing, so nothing was pinned" },
            if plan.quick { "; the quick run" } else { "" },
            plan.rounds,
        ));
        Ok(report)
    }

    /// A paragraph.
    #[expect(clippy::print_stdout, reason = "the answer of a bench")]
    pub(crate) fn say(&mut self, text: &str) {
        println!("{text}\n");
        self.text.push_str(text);
        self.text.push_str("\n\n");
    }

    /// A table whose columns are as wide as they have to be.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
        let wide = |column: usize| {
            let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..head.len()).map(wide).collect();
        let rule = widths.iter().map(|width| "-".repeat(*width)).collect();
        let mut table = String::new();
        for row in [&head, &rule].into_iter().chain(rows) {
            for (cell, width) in row.iter().zip(&widths) {
                let _infallible = write!(table, "| {cell:width$} ");
            }
            table.push_str("|\n");
        }
        self.say(table.trim_end());
    }

    /// A figure with its aim.
    pub(crate) fn aim(&mut self, what: &str, measured: &Rounds, most: f64) {
        let met = if measured.median() <= most { "met" } else { "**missed**" };
        self.aims.push([what.to_owned(), format!("{measured:.2}"), format!("≤ {most}"), met.to_owned()]);
    }

    /// A figure that must not fall below its aim.
    pub(crate) fn at_least(&mut self, what: &str, measured: &Rounds, least: f64) {
        let met = if measured.median() >= least { "met" } else { "**missed**" };
        self.aims.push([what.to_owned(), format!("{measured:.2}"), format!("≥ {least}"), met.to_owned()]);
    }

    /// Ends with the aims, and keeps everything.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.say("## Against the aims");
        let aims: Vec<Vec<String>> = std::mem::take(&mut self.aims).into_iter().map(Vec::from).collect();
        self.table(&["what", "measured", "aim", ""], &aims);
        let file = self.folder.join("report.md");
        fs::write(&file, &self.text).with_context(|| format!("{} cannot be written", file.display()))?;
        eprintln!("kept in {}", file.display());
        Ok(())
    }
}

/// Tells what is being done.
pub(crate) fn progress(what: &str) {
    eprintln!("… {what}");
}
