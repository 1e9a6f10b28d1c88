//! What a command answers, on standard output: for a person, or one line of JSON.

use std::{
    fs,
    io::{self, ErrorKind, Read as _, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::Problem;

/// How a command answers.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Output {
    /// Answer with one line of JSON.
    #[arg(long)]
    pub json: bool,
}

impl Output {
    /// Prints the one or the other; only what is printed is made.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn answer(self, json: impl FnOnce() -> Value, human: impl FnOnce() -> String) -> io::Result<()> {
        let text = if self.json { json().to_string() } else { human() };
        line(&text).map(drop)
    }

    /// Tells a program that the command has failed; a person is told on standard error.
    pub fn failure(self, say: &str) {
        self.told(&json!({ "ok": false, "say": say }));
    }

    /// The same, with the step that failed in one word.
    pub fn refusal(self, failed: &str, say: &str) {
        self.told(&json!({ "ok": false, "failed": failed, "say": say }));
    }

    fn told(self, answer: &Value) {
        if self.json
            && let Err(error) = line(&answer.to_string())
        {
            eprintln!("yingbin: standard output cannot be written: {error}");
        }
    }
}

/// Prints a line. `false`: nobody reads any more (`yingbin tail … | head`), so there is no reason to go on.
///
/// # Errors
/// Standard output cannot be written for another reason.
pub(super) fn line(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// 0 if it is good, 1 if not.
pub(super) fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A file's bytes; `-` is standard input.
pub(super) fn read_file(path: &str) -> anyhow::Result<Vec<u8>> {
    if path == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).context("standard input cannot be read")?;
        return Ok(bytes);
    }
    fs::read(path).with_context(|| format!("{path} cannot be read"))
}

/// Tells every bad line of a file, of which nothing was used.
pub(super) fn refuse(output: Output, file: &str, problems: &[Problem]) -> anyhow::Result<ExitCode> {
    for problem in problems {
        eprintln!("{file}: {problem}");
    }
    let told = problems.iter().map(|problem| json!({ "line": problem.line, "what": problem.what }));
    output.answer(
        || json!({ "ok": false, "problems": told.collect::<Vec<_>>() }),
        || format!("{} bad lines, nothing was published: correct them and do it again", problems.len()),
    )?;
    Ok(ExitCode::FAILURE)
}
