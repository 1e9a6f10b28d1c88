//! What is wrong with a playbook, at its own line and column of the file.

use std::fmt;

use serde_saphyr::{Location, Spanned};

/// One thing to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file as it was given.
    pub file: String,
    /// Line, from 1; 0: the whole file.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message } = self;
        if *line == 0 {
            write!(f, "{file}: {message}")
        } else {
            write!(f, "{file}:{line}:{column}: {message}")
        }
    }
}

/// Everything that is wrong with a playbook, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// One problem with a file as a whole.
    pub(super) fn whole(file: &str, message: &str) -> Self {
        Self(vec![Problem { file: file.to_owned(), line: 0, column: 0, message: message.to_owned() }])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where something stands inside a text that itself stands in the file: line and column from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Within {
    pub line: usize,
    pub column: usize,
}

impl Within {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte offset in `text`.
    pub(super) fn at(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count());
        Self { line: before.matches('\n').count() + 1, column: column + 1 }
    }
}

/// Collects the problems of one file.
pub(super) struct Report<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, lines: text.lines().collect(), problems: Vec::new() }
    }

    /// A problem with the node at `location`.
    pub(super) fn at(&mut self, location: Location, message: impl Into<String>) {
        self.push(number(location.line()), number(location.column()), message.into());
    }

    /// A problem inside a scalar, pointing at its own place in the file.
    pub(super) fn within(&mut self, scalar: &Spanned<String>, within: Within, message: impl Into<String>) {
        let (line, column) = self.place(scalar, within);
        self.push(line, column, message.into());
    }

    pub(super) fn finish<T>(mut self, done: Option<T>) -> Result<T, Problems> {
        match done {
            Some(done) if self.problems.is_empty() => Ok(done),
            _ => {
                self.problems.sort_by_key(|problem| (problem.line, problem.column));
                self.problems.dedup();
                Err(Problems(self.problems))
            }
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    fn push(&mut self, line: usize, column: usize, message: String) {
        self.problems.push(Problem { file: self.file.to_owned(), line, column, message });
    }

    /// YAML writes a text in five ways; each shifts lines and columns differently.
    fn place(&self, scalar: &Spanned<String>, within: Within) -> (usize, usize) {
        let (line, column) = (number(scalar.defined.line()), number(scalar.defined.column()));
        match self.char_at(line, column) {
            Some('|') => {
                let indent = self.indent_below(line);
                (line + within.line, indent + within.column)
            }
            Some('>') => self.folded(line + 1, self.indent_below(line), within),
            Some('"' | '\'') => self.folded(line, column, within),
            _ if scalar.value.lines().count() > 1 => (line + within.line - 1, column + within.column - 1),
            _ => self.folded(line, column.saturating_sub(1), within),
        }
    }

    /// The place of the n-th character of a text whose lines were joined by one space each.
    fn folded(&self, mut line: usize, skip: usize, within: Within) -> (usize, usize) {
        let (mut skip, mut rest) = (skip, within.column - 1);
        for text in self.lines.iter().skip(line.saturating_sub(1)) {
            let length = text.trim_end().chars().count().saturating_sub(skip);
            if rest <= length {
                break;
            }
            rest -= length + 1;
            line += 1;
            skip = self.lines.get(line - 1).map_or(0, |text| indent(text));
        }
        (line.min(self.lines.len()), skip + rest + 1)
    }

    fn char_at(&self, line: usize, column: usize) -> Option<char> {
        self.lines.get(line.checked_sub(1)?)?.chars().nth(column.checked_sub(1)?)
    }

    fn indent_below(&self, line: usize) -> usize {
        self.lines.iter().skip(line).find(|text| !text.trim().is_empty()).map_or(0, |text| indent(text))
    }
}

fn indent(text: &str) -> usize {
    text.chars().take_while(|c| *c == ' ').count()
}

fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
