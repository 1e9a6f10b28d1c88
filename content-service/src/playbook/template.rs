//! Templates: MiniJinja with bounded work, strict about names, and closed to markup in what users and editors wrote.

mod context;
mod filter;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value, syntax::SyntaxConfig};

use super::problem::Within;

pub(crate) use context::{Context, NAMES, value};
pub(crate) use filter::plain;

/// Work that one template may do, in MiniJinja's units: about as many instructions, or 64 bytes of text each.
const FUEL: u64 = 20_000;
/// Longest output in bytes; the longest message of the platform is a quarter of it.
const LONGEST: usize = 8_192;
/// Longest template in bytes.
const LONGEST_TEMPLATE: usize = 16_384;
/// The compiled templates of a playbook, by name.
#[derive(Debug)]
pub(crate) struct Templates(Environment<'static>);

/// Why a template gave nothing.
#[derive(Debug)]
pub(crate) struct TemplateError {
    /// Name of the template.
    pub template: String,
    pub(super) within: Within,
    pub message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}: {}", self.template, self.within.line, self.message)
    }
}

impl Templates {
    /// No templates yet. `labels` are what the filter `label` writes for a value.
    pub(super) fn new(labels: BTreeMap<String, String>) -> Self {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(64);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(filter::write_value);
        environment.set_debug(false);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
        for opens_a_door in ["safe", "escape", "e"] {
            environment.remove_filter(opens_a_door);
        }
        environment.remove_global("debug");
        environment.add_filter("link", filter::link);
        environment.add_function("link", filter::link);
        environment.add_filter("clip", |text: String, bytes: usize| filter::shorten(&text, bytes));
        environment.add_filter("label", move |value: String| labels.get(&value).cloned().unwrap_or(value));
        environment.add_filter("weather", |value: Value| filter::weather(&value));
        Self(environment)
    }

    /// Compiles a template under a name and says which names it uses.
    pub(super) fn add(&mut self, name: &str, text: &str) -> Result<BTreeSet<String>, TemplateError> {
        if text.len() > LONGEST_TEMPLATE {
            let message = format!("the template is longer than {LONGEST_TEMPLATE} bytes: shorten it");
            return Err(TemplateError { template: name.to_owned(), within: Within::START, message });
        }
        let add = self.0.add_template_owned(name.to_owned(), with_line_ends(text));
        add.map_err(|error| explain(name, text, &error))?;
        let template = self.0.get_template(name).map_err(|error| explain(name, text, &error))?;
        Ok(template.undeclared_variables(false).into_iter().collect())
    }

    /// Renders a template; leading, trailing and repeated empty lines are left out.
    pub(crate) fn render(&self, name: &str, names: &Value) -> Result<String, TemplateError> {
        let template = self.0.get_template(name).map_err(|error| explain(name, "", &error))?;
        let text =
            template.render(names.clone()).map_err(|error| explain(name, template.source(), &error))?;
        if text.len() > LONGEST {
            let message = format!("the text has {} bytes, more than {LONGEST}", text.len());
            return Err(TemplateError { template: name.to_owned(), within: Within::START, message });
        }
        Ok(tidy(&text))
    }
}

/// A line that holds tags only vanishes from the output; one that ends with a tag after something else keeps its line
/// end, which `trim_blocks` would take away.
fn with_line_ends(text: &str) -> String {
    let lines = text.split('\n').map(|line| match line.trim_end().strip_suffix("%}") {
        Some(start) if !start.ends_with(['-', '+']) && has_text(line) => format!("{start}+%}}"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn has_text(line: &str) -> bool {
    let mut outside = line.split("{%").enumerate().map(|(index, piece)| match index {
        0 => piece,
        _ => piece.split_once("%}").map_or("", |(_, after)| after),
    });
    outside.any(|text| !text.trim().is_empty())
}

fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.trim().lines().map(str::trim_end) {
        if !(line.is_empty() && lines.last().is_some_and(|last| last.is_empty())) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn explain(name: &str, text: &str, error: &Error) -> TemplateError {
    let within = match error.range() {
        Some(range) if !text.is_empty() => Within::at(text, range.start),
        _ => Within { line: error.line().unwrap_or(1), column: 1 },
    };
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    TemplateError { template: name.to_owned(), within, message: format!("{}{detail}", error.kind()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, names: Vec<(&'static str, Value)>) -> Result<String, TemplateError> {
        let mut templates = Templates::new(BTreeMap::from([("window".to_owned(), "靠窗".to_owned())]));
        templates.add("t", template)?;
        templates.render("t", &Value::from_pairs(names))
    }

    fn item(title: &str) -> Value {
        Value::from_pairs([("url", "http://gw/c/token"), ("title", title)])
    }

    #[test]
    fn no_words_of_a_user_become_a_link() {
        let attack = "<a href=\"http://evil\">领奖</a>\u{8}\u{202e}\n下一行";
        let shown = render("{{ text }}", vec![("text", Value::from(attack))]).unwrap();
        assert_eq!(shown, "＜a href=\"http://evil\"＞领奖＜/a＞ 下一行");
        let shown = render("{{ link(item) }}", vec![("item", item(attack))]).unwrap();
        assert_eq!(shown.matches("<a ").count(), 1);
        assert!(shown.starts_with("<a href=\"http://gw/c/token\">＜a"));
        for way_out in ["{{ text|safe }}", "{{ text|e }}", "{{ text|escape }}"] {
            assert!(render(way_out, vec![("text", Value::from(attack))]).is_err(), "{way_out}");
        }
        let captured =
            render("{% set x %}{{ text }}{% endset %}{{ x }}", vec![("text", Value::from(attack))]).unwrap();
        assert!(!captured.contains('<'));
        let joined =
            render("{{ [link(item), text]|join('') }}", vec![("item", item("题")), ("text", attack.into())]);
        assert_eq!(joined.unwrap().matches("<a ").count(), 1);
    }

    #[test]
    fn the_helpers_write_chinese_and_cut_between_characters() {
        let weather =
            Value::from_pairs([("text", Value::from("小雪")), ("low", Value::from(-3)), ("high", 2.into())]);
        assert_eq!(render("{{ w|weather }}", vec![("w", weather)]).unwrap(), "小雪，-3～2℃");
        assert_eq!(render("{{ t|clip(10) }}", vec![("t", "杭州的天气".into())]).unwrap(), "杭州…");
        assert_eq!(render("{{ 'window'|label }}{{ 'x'|label }}", vec![]).unwrap(), "靠窗x");
        assert_eq!(
            render("{{ item|link('看') }}", vec![("item", item("题"))]).unwrap(),
            "<a href=\"http://gw/c/token\">看</a>"
        );
    }

    #[test]
    fn empty_blocks_leave_no_gap() {
        let text = "\n你好\n\n{% if false %}\n没有\n{% endif %}\n\n\n再见  \n\n";
        assert_eq!(render(text, vec![]).unwrap(), "你好\n\n再见");
    }

    #[test]
    fn a_line_with_text_keeps_its_end_and_a_line_of_tags_vanishes() {
        let text = "甲{% if true %}乙{% endif %}\n{% for n in range(2) %}\n第{{ n }}行\n{% endfor %}\n{% if true %}丙{% endif %}\n丁";
        assert_eq!(render(text, vec![]).unwrap(), "甲乙\n第0行\n第1行\n丙\n丁");
    }

    #[test]
    fn a_template_can_not_run_away_and_does_not_guess() {
        for (template, why) in [
            ("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}", "fuel"),
            ("{{ nothing }}", "undefined"),
            ("{{ 'x' * 100000000 }}", "fuel"),
        ] {
            let since = std::time::Instant::now();
            let error = render(template, vec![]).unwrap_err().to_string();
            // 5 ms, twenty times as much in a build that is not optimised.
            assert!(since.elapsed().as_millis() < 100, "{template}: {:?}", since.elapsed());
            assert!(error.contains(why), "{template}: {error}");
        }
        assert!(render("{{ 'x' * 9000 }}", vec![]).unwrap_err().message.contains("9000"));
        let error = render("你好\n{{ 1 +* 2 }}", vec![]).unwrap_err();
        assert_eq!((error.within.line, error.within.column > 1), (2, true), "{error}");
    }
}
