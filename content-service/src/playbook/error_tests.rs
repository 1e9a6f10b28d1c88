//! What is said about a wrong playbook, and where it points.

use wechat::account::AccountKind;

use super::{Playbook, Problems};

fn problems(text: &str, kind: AccountKind) -> Vec<String> {
    match Playbook::parse("p.yaml", text, kind) {
        Ok(_) => Vec::new(),
        Err(Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// A playbook with `lines` in its only reply, which begins at line 5.
fn reply(lines: &str) -> String {
    format!("account: a\ntopics: {{x: 甲}}\nreplies:\n- name: r\n{lines}\n")
}

#[track_caller]
fn says(text: &str, expected: &str) {
    let said = problems(text, AccountKind::Official);
    assert!(said.iter().any(|line| line.starts_with(expected)), "expected `{expected}…` in {said:#?}");
}

#[test]
fn yaml_and_unknown_keys_point_at_themselves() {
    for (text, expected) in [
        ("account: [\n", "p.yaml:1:10: "),
        ("account: a\n  replies: [\n", "p.yaml:2:"),
        ("account: a\nreplys: []\n", "p.yaml:2:1: unknown field `replys`"),
        ("account: a\n", "p.yaml:1:1: missing field `replies`"),
        (
            "account: a\nreplies:\n- name: r\n  on: [visit]\n  massages: []\n",
            "p.yaml:5:3: unknown field `massages`",
        ),
        (
            "account: a\nreplies:\n- name: r\n  on: [visit]\n  slots:\n  - {name: s, count: many}\n",
            "p.yaml:6:22: a whole number is expected",
        ),
        ("account: a\naccount: b\nreplies: []\n", "p.yaml:2:1: duplicate"),
    ] {
        says(text, expected);
    }
}

#[test]
fn every_mistake_of_form_is_told_at_once() {
    let text = "acount: a\ntimezone: [x]\nweights: {seen: much, sen: 1}\nquestions: {q: {trait: t, options: 3}}\nreplies:\n- name: r\n  on: visit\n  slots: [{name: s, count: many, topic: [x]}]\n  messages:\n  - txt: hello\n  - news: {title: t}\n  - hello\n";
    let said = problems(text, AccountKind::Official);
    let expected = [
        "p.yaml:1:1: unknown field `acount`: it may be account, timezone",
        "p.yaml:1:1: missing field `account`",
        "p.yaml:2:11: a text is expected here",
        "p.yaml:3:17: a number is expected here",
        "p.yaml:3:23: unknown field `sen`",
        "p.yaml:4:16: missing field `text`",
        "p.yaml:4:36: a list is expected here",
        "p.yaml:7:7: a list is expected here",
        "p.yaml:8:28: a whole number is expected here",
        "p.yaml:8:34: unknown field `topic`",
        "p.yaml:10:5: unknown field `txt`: it may be text, news, link, msgmenu, miniprogrampage",
        "p.yaml:11:11: missing field `url`",
        "p.yaml:12:5: one key with its value is expected here",
    ];
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "expected `{expected}…`: {said}");
    }
    assert_eq!(said.len(), expected.len(), "{said:#?}");
}

#[test]
fn rules_point_at_the_place_inside_the_expression() {
    for (line, expected) in [
        ("  when: profile.visit > ", "p.yaml:5:24: not a valid CEL expression"),
        ("  when: profile.visits > 1", "p.yaml:5:16: `profile` has no `visits`: it has "),
        ("  when: '  user == 1'", "p.yaml:5:12: `user` is not known"),
        ("  when: |\n    profile.known &&\n    nobody", "p.yaml:7:5: `nobody` is not known"),
        ("  when: >-\n    profile.known &&\n    nobody", "p.yaml:7:5: `nobody` is not known"),
        ("  when: trait('a') == '' && profile.known\n    && nobody", "p.yaml:6:8: `nobody` is not known"),
        ("  when: traits('a') == ''", "p.yaml:5:15: there is no function `traits`"),
        ("  when: event.text.matches('a+')", "p.yaml:5:27: there is no function `matches`"),
        (
            "  when: profile.activities.map(a, a.kind).size() > 0",
            "p.yaml:5:31: map() and filter() are not available",
        ),
        (
            "  when: profile.activities.exists(a, profile.activities.exists(b, a == b))",
            "p.yaml:5:63: a loop inside a loop is not available",
        ),
    ] {
        says(&reply(&format!("{line}\n  on: [visit]\n  messages: [{{text: x}}]")), expected);
    }
}

#[test]
fn deep_and_long_rules_are_refused_or_evaluated_but_never_overflow() {
    let sum = format!("{}1 > 0", "1+".repeat(490));
    for rule in
        [sum, format!("{}true", "!".repeat(900)), format!("{}true{}", "(".repeat(450), ")".repeat(450))]
    {
        let said = problems(
            &reply(&format!("  on: [visit]\n  when: '{rule}'\n  messages: [{{text: x}}]")),
            AccountKind::Official,
        );
        assert!(said.iter().all(|line| line.starts_with("p.yaml:6:")), "{said:?}");
    }
    for template in [
        format!("{{{{ {}1{} }}}}", "(".repeat(2_000), ")".repeat(2_000)),
        format!("{}x{}", "{% if true %}".repeat(400), "{% endif %}".repeat(400)),
        format!("{{{{ {}1 }}}}", "1+".repeat(4_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(3_000)),
    ] {
        problems(
            &reply(&format!("  on: [visit]\n  messages: [{{text: '{template}'}}]")),
            AccountKind::Official,
        );
    }
    let nested = format!(
        "account: a\nsources: {{w: {{fallback: {}{}}}}}\nreplies: []",
        "[".repeat(3_000),
        "]".repeat(3_000)
    );
    assert!(!problems(&nested, AccountKind::Official).is_empty());
    let long = format!("'{}' == ''", "x".repeat(1_000));
    says(
        &reply(&format!("  on: [visit]\n  when: \"{long}\"")),
        "p.yaml:6:10: the expression is longer than 1000 bytes",
    );
}

#[test]
fn templates_point_at_the_line_and_column_of_the_file() {
    for (lines, expected) in [
        ("  messages: [{text: '你好 {{ 1 +* 2 }}'}]", "p.yaml:5:"),
        (
            "  messages:\n  - text: |\n      你好\n      {{ nobody }}",
            "p.yaml:8:10: `nobody` is not known here",
        ),
        ("  messages:\n  - text: |\n      你好\n      {% if %}x", "p.yaml:8:"),
        (
            "  messages:\n  - text: \"{{ event.texts }}\"",
            "p.yaml:6:15: tried out without profile and items: undefined value",
        ),
        ("  messages:\n  - text: |\n      {{ event.text|shout }}", "p.yaml:7:"),
        ("  messages:\n  - text: |\n      {% for i in slots.lead %}{% endfor %}", "p.yaml:7:"),
        ("  messages:\n  - news: {title: t, url: 'ftp://x'}", "p.yaml:6:19: `url` must begin with http"),
    ] {
        says(&reply(&format!("{lines}\n  on: [visit]")), expected);
    }
}

#[test]
fn names_that_lead_nowhere_are_found() {
    for (lines, expected) in [
        ("  on: [visit, enter]", "p.yaml:5:15: `enter` is no trigger"),
        ("  on: ['answer:nothing']", "p.yaml:5:9: there is no question `nothing`"),
        ("  on: []", "p.yaml:5:7: this reply listens to nothing"),
        ("  on: [visit]\n  question: nothing", "p.yaml:6:13: there is no question `nothing`"),
        (
            "  on: [visit]\n  slots: [{name: s, count: 1, topics: [y]}]",
            "p.yaml:6:40: `y` is not among the topics",
        ),
        ("  on: [visit]\n  slots: [{name: s, count: 0}]", "p.yaml:6:28: a slot holds 1 to 20 items"),
        ("  on: [visit]\n  slots: [{name: s, count: 1, hide_seen: 7}]", "p.yaml:6:42: `7` is no duration"),
        (
            "  on: [visit]\n  slots: [{name: s, count: 1}, {name: s, count: 1}]",
            "p.yaml:6:39: there are two of the slot `s`",
        ),
        ("  on: [visit]\n  messages: []", "p.yaml:4:9: this reply says nothing"),
    ] {
        says(&reply(lines), expected);
    }
}

#[test]
fn sources_questions_and_settings_are_checked() {
    let whole = |lines: &str| {
        format!("account: a\n{lines}\n{}", "replies: [{name: r, on: [visit], messages: [{text: x}]}]\n")
    };
    for (lines, expected) in [
        ("timezone: Mars/Base", "p.yaml:2:11: `Mars/Base` is no time zone"),
        ("freshness: {news: soon}", "p.yaml:2:19: `soon` is no duration"),
        ("weights: {seen: -1}", "p.yaml:2:17: a weight lies between 0 and 1000"),
        (
            "sources: {w: {base: b, path: 'x', argument: \"''\", deadline: 1s, cache: 1m}}",
            "p.yaml:2:31: a path begins with /",
        ),
        (
            "sources: {now: {base: b, path: '/', argument: \"''\", deadline: 1s, cache: 1m}}",
            "p.yaml:2:23: a source can not be named `now`",
        ),
        (
            "questions: {q: {trait: t, text: x, options: [{id: i, text: a, value: a}]}}",
            "p.yaml:2:45: a question has two to eight options",
        ),
        (
            "questions: {q: {trait: t, text: x, options: [{id: i, text: a, value: a}, {id: i, text: b, value: b}]}}",
            "p.yaml:2:79: the option id `i` stands twice",
        ),
    ] {
        says(&whole(lines), expected);
    }
}

#[test]
fn a_message_that_the_account_can_not_show_is_refused_at_load() {
    let news = reply("  on: [visit]\n  messages:\n  - text: x\n  - news: {title: t, url: 'https://x'}");
    assert_eq!(problems(&news, AccountKind::Official), [""; 0]);
    let said = problems(&news, AccountKind::MiniProgram);
    assert!(said[0].starts_with("p.yaml:8:5: ") && said[0].contains("`news`"), "{said:?}");
    let link = reply("  on: [visit]\n  messages:\n  - link: {title: t, url: 'https://x'}");
    assert_eq!(problems(&link, AccountKind::MiniProgram), [""; 0]);
    assert!(problems(&link, AccountKind::Official)[0].contains("`link`"));
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_file() {
    let text = reply("  on: [visit, enter]\n  when: nobody\n  messages: [{text: '{{ ghost }}'}]");
    let said = problems(&text, AccountKind::Official);
    let places: Vec<_> = said.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["p.yaml:5:15", "p.yaml:6:9", "p.yaml:7:25"], "{said:#?}");
    let shown = Playbook::parse("p.yaml", &text, AccountKind::Official).unwrap_err().to_string();
    assert_eq!(shown.lines().count(), 3);
}

#[test]
fn a_policy_for_unknown_ends_is_one_of_three_and_leaves_a_message_for_itself() {
    let with = |policy: &str, messages: usize| {
        let messages = "  - text: hello\n".repeat(messages);
        reply(&format!("  on: [text]\n  unknown: {policy}\n  messages:\n{messages}"))
    };
    for policy in ["at_most_once", "at_least_once", "ask"] {
        assert_eq!(problems(&with(policy, 4), AccountKind::Official), [""; 0]);
    }
    says(&with("resend", 1), "p.yaml:6:12: `resend` is no policy: write at_most_once");
    says(&with("at_least_once", 5), "p.yaml:6:12: 5 messages use up every right");
    assert_eq!(problems(&with("ask", 5), AccountKind::Official), [""; 0], "the user may act again meanwhile");
}
