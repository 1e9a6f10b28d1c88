//! Rules: CEL expressions over the facts, bounded in size and compiled when the playbook is loaded.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, IdedExpr, Program,
    common::ast::{Expr, LiteralValue},
};

use super::{
    facts::{Facts, VARIABLES},
    problem::Within,
};

/// Longest expression in bytes.
const LONGEST: usize = 1_000;
/// Deepest nesting of an expression: each level costs stack when it is evaluated, `a + b + c` has two.
const DEEPEST: usize = 48;
const FUNCTIONS: [&str; 16] = [
    "trait",
    "habit",
    "taste",
    "prefers",
    "drops",
    "last",
    "last_place",
    "days_since",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "int",
    "double",
    "string",
    "has",
];

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// What an expression sees.
pub(crate) type Scope = Context<'static, 'static>;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Rule(Program);

/// What is wrong with an expression, and where in it.
pub(super) type Wrong = (Within, String);

impl Rule {
    pub(super) fn compile(text: &str) -> Result<Self, Vec<Wrong>> {
        if text.len() > LONGEST {
            return Err(vec![(
                Within::START,
                format!("the expression is longer than {LONGEST} bytes: split it"),
            )]);
        }
        let program = STANDARD.compile(text).map_err(|errors| {
            errors.errors.iter().map(|error| (position(error.pos), explain(&error.msg))).collect::<Vec<_>>()
        })?;
        let mut check = Check { program: &program, text, depth: 0, wrong: Vec::new() };
        check.visit(program.expression(), &mut Vec::new());
        let wrong = check.wrong;
        if wrong.is_empty() { Ok(Self(program)) } else { Err(wrong) }
    }

    /// The variables that it uses.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'static str> {
        let used = self.0.references();
        VARIABLES.into_iter().filter(move |name| used.has_variable(name))
    }

    /// Whether the rule holds.
    pub(crate) fn holds(&self, scope: &Scope) -> Result<bool, String> {
        match self.0.execute(scope) {
            Ok(cel::Value::Bool(held)) => Ok(held),
            Ok(other) => Err(format!("the rule gives {}, it has to give true or false", other.type_of())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The text that the expression gives.
    pub(crate) fn text(&self, scope: &Scope) -> Result<String, String> {
        match self.0.execute(scope) {
            Ok(cel::Value::String(text)) => Ok(text.to_string()),
            Ok(other) => Err(format!("the expression gives {}, it has to give a text", other.type_of())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The names that expressions see which use these `variables`.
pub(super) fn scope(facts: &Arc<Facts>, variables: &BTreeSet<&'static str>) -> Scope {
    let mut scope = Context::with_env(Arc::clone(&STANDARD));
    for name in variables {
        if let Some(fields) = facts.variable(name) {
            scope.add_variable_from_value(*name, value(fields));
        }
    }
    macro_rules! function {
        ($name:literal, $method:ident, $convert:expr) => {{
            let facts = Arc::clone(facts);
            let added = scope.add_function($name, move |name: Arc<String>| $convert(facts.$method(&name)));
            added.expect("the standard library has no function of this name");
        }};
    }
    function!("trait", trait_value, str::to_owned);
    function!("habit", habit, str::to_owned);
    function!("last", last, str::to_owned);
    function!("last_place", last_place, str::to_owned);
    function!("taste", taste, f64::from);
    function!("prefers", prefers, bool::from);
    function!("drops", drops, bool::from);
    function!("days_since", days_since, i64::from);
    scope
}

fn value(json: &serde_json::Value) -> cel::Value {
    match json {
        serde_json::Value::Null => cel::Value::Null,
        serde_json::Value::Bool(held) => (*held).into(),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(list) => list.iter().map(value).collect::<Vec<_>>().into(),
        serde_json::Value::Object(map) => {
            map.iter().map(|(key, held)| (key.clone(), value(held))).collect::<HashMap<_, _>>().into()
        }
    }
}

/// Looks for what would only fail, or cost, while an event waits.
struct Check<'a> {
    program: &'a Program,
    text: &'a str,
    depth: usize,
    wrong: Vec<Wrong>,
}

impl Check<'_> {
    fn visit(&mut self, expression: &IdedExpr, locals: &mut Vec<String>) {
        if self.depth == DEEPEST {
            self.complain(
                expression,
                format!("the expression is nested deeper than {DEEPEST} levels: split it"),
            );
            return;
        }
        self.depth += 1;
        self.parts(expression, locals);
        self.depth -= 1;
    }

    fn parts(&mut self, expression: &IdedExpr, locals: &mut Vec<String>) {
        match &expression.expr {
            Expr::Ident(name) => self.variable(expression, name, locals),
            Expr::Select(select) => {
                self.field(expression, &select.operand, &select.field);
                self.visit(&select.operand, locals);
            }
            Expr::Call(call) => {
                self.function(expression, &call.func_name);
                call.target.iter().for_each(|target| self.visit(target, locals));
                call.args.iter().for_each(|argument| self.visit(argument, locals));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.visit(element, locals)),
            Expr::Comprehension(each) => {
                self.comprehension(expression, &each.accu_init, locals);
                self.visit(&each.iter_range, locals);
                let outer = locals.len();
                locals.extend([each.iter_var.clone(), each.accu_var.clone()]);
                for part in [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result] {
                    self.visit(part, locals);
                }
                locals.truncate(outer);
            }
            Expr::Map(_) | Expr::Struct(_) => {
                self.complain(expression, "maps are not available here".to_owned())
            }
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn variable(&mut self, expression: &IdedExpr, name: &str, locals: &[String]) {
        if !VARIABLES.contains(&name) && !locals.iter().any(|local| local == name) {
            let known = VARIABLES.join(", ");
            self.complain(
                expression,
                format!("`{name}` is not known: there are {known} and functions such as trait('name')"),
            );
        }
    }

    fn function(&mut self, expression: &IdedExpr, name: &str) {
        let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !operator && !FUNCTIONS.contains(&name) {
            self.complain(
                expression,
                format!("there is no function `{name}`: write one of {}", FUNCTIONS.join(", ")),
            );
        }
    }

    fn field(&mut self, expression: &IdedExpr, of: &IdedExpr, field: &str) {
        let Expr::Ident(variable) = &of.expr else { return };
        let fields = super::sample::empty().variable(variable).and_then(serde_json::Value::as_object);
        if let Some(known) = fields.filter(|known| !known.contains_key(field)) {
            let known: Vec<_> = known.keys().map(String::as_str).collect();
            self.complain(expression, format!("`{variable}` has no `{field}`: it has {}", known.join(", ")));
        }
    }

    /// Loops inside loops cost the product of their lengths, and lists made from a map have no fixed order.
    fn comprehension(&mut self, expression: &IdedExpr, start: &IdedExpr, locals: &[String]) {
        if !locals.is_empty() {
            self.complain(
                expression,
                "a loop inside a loop is not available: write two conditions".to_owned(),
            );
        }
        if !matches!(&start.expr, Expr::Literal(LiteralValue::Boolean(_) | LiteralValue::Int(_))) {
            self.complain(
                expression,
                "map() and filter() are not available: ask with exists() or all()".to_owned(),
            );
        }
    }

    fn complain(&mut self, expression: &IdedExpr, message: String) {
        let start = self.program.source_info().offset_for(expression.id).map_or(0, |(start, _)| start);
        let offset = self.text.char_indices().nth(start as usize).map_or(0, |(at, _)| at);
        self.wrong.push((Within::at(self.text, offset), message));
    }
}

fn position((line, column): (isize, isize)) -> Within {
    Within { line: line.max(1).unsigned_abs(), column: column.max(1).unsigned_abs() }
}

/// The parser's own words without its list of every token that could have followed.
fn explain(message: &str) -> String {
    let short = message.split(" expecting ").next().unwrap_or(message);
    format!("not a valid CEL expression: {short}")
}
