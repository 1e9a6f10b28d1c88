//! From the written playbook to the checked one, collecting every problem on the way.

mod reply;
mod tryout;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde_saphyr::Spanned;
use sha2::{Digest as _, Sha256};
use wechat::account::AccountKind;

use super::{
    Playbook, Problems, Question, Rule, Source, Weights, duration,
    problem::Report,
    problem::Within,
    question::Answer,
    shape::{self, Shaped as _},
    template::Templates,
    yaml,
};
use crate::config::millis;

/// Largest file that is read, bytes.
const LARGEST: usize = 512 * 1024;

/// Stack for reading a file: the parsers of YAML, CEL and MiniJinja recurse with the nesting of what they read.
const STACK: usize = 64 * 1024 * 1024;
/// Nesting of a fallback value.
const DEEPEST_FALLBACK: usize = 4;

/// Reads the file on a thread of its own, so that neither deep nesting nor a parser's panic can reach the process.
pub(super) fn build(file_name: &str, text: &str, kind: AccountKind) -> Result<Playbook, Problems> {
    let built = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("playbook".to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, || build_here(file_name, text, kind)).map(|thread| thread.join())
    });
    match built {
        Ok(Ok(built)) => built,
        Ok(Err(_)) => {
            Err(Problems::whole(file_name, "a parser gave up on this file: simplify what was changed last"))
        }
        Err(error) => Err(Problems::whole(
            file_name,
            &format!("the file could not be read for lack of a thread: {error}"),
        )),
    }
}

fn build_here(file_name: &str, text: &str, kind: AccountKind) -> Result<Playbook, Problems> {
    let mut report = Report::new(file_name, text);
    let file = match read(text) {
        Ok(file) => file,
        Err((location, message)) => {
            shape::check(text, yaml::File::SHAPE, &mut report);
            if report.is_clean() {
                report.at(location, message);
            }
            return report.finish(None);
        }
    };
    let templates = Templates::new(labels(&file));
    let mut builder =
        Builder { report, kind, templates, written: BTreeMap::new(), variables: BTreeSet::new() };
    let playbook = builder.playbook(&file, text);
    if builder.report.is_clean() {
        builder.try_out(&playbook);
    }
    builder.report.finish(Some(playbook))
}

fn read(text: &str) -> Result<yaml::File, (serde_saphyr::Location, String)> {
    if text.len() > LARGEST {
        let message = format!("the file is larger than {LARGEST} bytes: split it by account");
        return Err((serde_saphyr::Location::UNKNOWN, message));
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let location = error.location().unwrap_or(serde_saphyr::Location::UNKNOWN);
        let message = error.without_snippet().to_string();
        let first = message.lines().next().unwrap_or_default();
        let first = first.split(" at line ").next().unwrap_or(first);
        (location, first.replace("invalid u64", "a whole number is expected here"))
    })
}

struct Builder<'a> {
    report: Report<'a>,
    kind: AccountKind,
    templates: Templates,
    /// Where each template is written.
    written: BTreeMap<String, Spanned<String>>,
    /// What its rules use.
    variables: BTreeSet<&'static str>,
}

impl Builder<'_> {
    fn playbook(&mut self, file: &yaml::File, text: &str) -> Playbook {
        self.filled(&file.account);
        let sources =
            file.sources.iter().map(|(name, source)| (name.clone(), self.source(name, source))).collect();
        let questions = self.questions(&file.questions);
        let replies = self.replies(file);
        Playbook {
            account: file.account.value.clone(),
            hash: hex::encode(Sha256::digest(text)),
            kind: self.kind,
            zone: self.zone(file.timezone.as_ref()),
            topics: file.topics.clone(),
            weights: self.weights(&file.weights),
            freshness: file
                .freshness
                .iter()
                .map(|(name, half)| (name.clone(), self.duration_ms(half) as f64))
                .collect(),
            sources: keep_known(sources),
            questions,
            replies,
            variables: std::mem::take(&mut self.variables),
            templates: std::mem::replace(&mut self.templates, Templates::new(BTreeMap::new())),
        }
    }

    fn zone(&mut self, written: Option<&Spanned<String>>) -> TimeZone {
        let name = written.map_or("Asia/Shanghai", |name| name.value.as_str());
        TimeZone::get(name).unwrap_or_else(|_| {
            if let Some(written) = written {
                self.report.within(
                    written,
                    Within::START,
                    format!("`{name}` is no time zone: write it like Asia/Shanghai"),
                );
            }
            TimeZone::UTC
        })
    }

    fn weights(&mut self, written: &yaml::Weights) -> Weights {
        let usual = Weights::default();
        Weights {
            affinity: self.weight(written.affinity.as_ref(), usual.affinity),
            freshness: self.weight(written.freshness.as_ref(), usual.freshness),
            preference: self.weight(written.preference.as_ref(), usual.preference),
            context: self.weight(written.context.as_ref(), usual.context),
            seen: self.weight(written.seen.as_ref(), usual.seen),
        }
    }

    fn weight(&mut self, written: Option<&Spanned<f64>>, usual: f64) -> f64 {
        let Some(written) = written else { return usual };
        if !(0.0..=1_000.0).contains(&written.value) {
            self.report.at(written.defined, "a weight lies between 0 and 1000");
        }
        written.value
    }

    fn source(&mut self, name: &str, written: &yaml::Source) -> Option<Source> {
        if !is_name(name) || super::template::NAMES.contains(&name) {
            self.report.at(
                written.base.defined,
                format!(
                    "a source can not be named `{name}`: a-z, 0-9 and _, and not the name of something else"
                ),
            );
        }
        self.filled(&written.base);
        let path = &written.path.value;
        let rest = path.replace("{argument}", "");
        if !path.starts_with('/')
            || rest.contains(['{', '}'])
            || !rest.is_ascii()
            || rest.contains([' ', '\n'])
        {
            let message = "a path begins with /, is ASCII and holds no braces but {argument}";
            self.report.within(&written.path, Within::START, message);
        }
        if written.fallback.as_ref().is_some_and(|value| depth(value) > DEEPEST_FALLBACK) {
            self.report.at(
                written.base.defined,
                format!("the fallback of `{name}` is nested deeper than {DEEPEST_FALLBACK} levels"),
            );
        }
        Some(Source {
            name: name.to_owned(),
            base: written.base.value.clone(),
            path: path.clone(),
            argument: self.rule(&written.argument)?,
            deadline: self.duration(&written.deadline),
            cache: self.duration(&written.cache),
            fallback: written.fallback.clone(),
        })
    }

    fn questions(&mut self, written: &BTreeMap<String, yaml::Question>) -> BTreeMap<String, Question> {
        let mut ids = BTreeSet::new();
        for option in written.values().flat_map(|question| &question.options.value) {
            if !ids.insert(option.id.value.as_str()) {
                let message = format!(
                    "the option id `{}` stands twice: an answer could not be told apart",
                    option.id.value
                );
                self.report.within(&option.id, Within::START, message);
            }
        }
        written.iter().map(|(name, question)| (name.clone(), self.question(name, question))).collect()
    }

    fn question(&mut self, name: &str, written: &yaml::Question) -> Question {
        if !(2..=8).contains(&written.options.value.len()) {
            self.report.at(written.options.defined, "a question has two to eight options");
        }
        let answer = |option: &yaml::AnswerOption| Answer {
            id: option.id.value.clone(),
            text: option.text.value.clone(),
            value: option.value.value.clone(),
        };
        for option in &written.options.value {
            [&option.id, &option.text, &option.value].into_iter().for_each(|text| self.filled(text));
        }
        [&written.trait_name, &written.text].into_iter().for_each(|text| self.filled(text));
        Question {
            name: name.to_owned(),
            trait_name: written.trait_name.value.clone(),
            text: written.text.value.trim().to_owned(),
            tail: written.tail.as_ref().map(|tail| tail.value.trim().to_owned()).unwrap_or_default(),
            unless: written.unless.as_ref().and_then(|rule| self.rule(rule)),
            options: written.options.value.iter().map(answer).collect(),
        }
    }

    fn rule(&mut self, written: &Spanned<String>) -> Option<Rule> {
        match Rule::compile(&written.value) {
            Ok(rule) => {
                self.variables.extend(rule.variables());
                Some(rule)
            }
            Err(wrong) => {
                wrong.into_iter().for_each(|(within, message)| self.report.within(written, within, message));
                None
            }
        }
    }

    fn duration(&mut self, written: &Spanned<String>) -> std::time::Duration {
        duration::parse(&written.value).unwrap_or_else(|message| {
            self.report.within(written, Within::START, message);
            std::time::Duration::ZERO
        })
    }

    fn duration_ms(&mut self, written: &Spanned<String>) -> i64 {
        millis(self.duration(written))
    }

    fn filled(&mut self, written: &Spanned<String>) {
        if written.value.trim().is_empty() {
            self.report.at(written.defined, "this is empty: write something or leave the line out");
        }
        if written.value.chars().any(|c| c.is_control() && c != '\n') {
            self.report.at(written.defined, "this holds a control character: remove it");
        }
    }
}

/// What the filter `label` knows: the labels of the file and the names of its topics.
fn labels(file: &yaml::File) -> BTreeMap<String, String> {
    file.topics.iter().chain(&file.labels).map(|(value, label)| (value.clone(), label.clone())).collect()
}

fn keep_known(sources: BTreeMap<String, Option<Source>>) -> BTreeMap<String, Source> {
    sources.into_iter().filter_map(|(name, source)| Some((name, source?))).collect()
}

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(word)
}
