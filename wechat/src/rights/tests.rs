//! The table of send rights, and the window that it opens.

use super::*;

const SECOND: i64 = 1000;

#[test]
fn the_table_says_what_the_facts_say() {
    let table: Vec<String> = RIGHTS
        .iter()
        .map(|row| {
            let Grant { name, messages, window_seconds } = row.grant;
            let (kind, rules, action) = (row.kind, row.rules, row.action);
            format!("{kind} {rules} {action:?}: {name} {messages} in {window_seconds} s")
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn every_row_is_found_and_has_a_source() {
    for row in RIGHTS {
        assert_eq!(grant(row.kind, row.rules, row.action), Some(row.grant));
        assert!(row.source.contains("facts.md"));
    }
}

#[test]
fn what_is_not_listed_grants_nothing() {
    assert_eq!(grant(Official, Today, Action::Other), None);
    assert_eq!(grant(Official, Today, Enter), None);
    assert_eq!(grant(MiniProgram, Today, MenuClick), None);
    assert_eq!(grant(MiniProgram, WeChat45, Enter).unwrap().messages, 2);
}

#[test]
fn a_new_action_raises_and_does_not_add() {
    let message = grant(Official, Today, Message).unwrap();
    let click = grant(Official, Today, MenuClick).unwrap();
    let mut window = Window::default().raise(0, 0, &message);
    assert!((0..4).all(|_| window.take(SECOND)));
    let window = window.raise(2 * SECOND, 2 * SECOND, &click);
    assert_eq!(window, Window { left: 3, until_ms: 2 * 86_400 * SECOND });
}

#[test]
fn a_lapsed_window_counts_as_nothing() {
    let click = grant(Official, Today, MenuClick).unwrap();
    let mut window = Window { left: 5, until_ms: 10 };
    assert!(!window.take(10));
    assert_eq!(window.raise(10, 5, &click), Window { left: 3, until_ms: 5 + 60 * SECOND });
}

#[test]
fn an_action_that_came_too_late_opens_nothing() {
    let click = grant(Official, Today, MenuClick).unwrap();
    let open = Window { left: 1, until_ms: 90 * SECOND };
    assert_eq!(open.raise(61 * SECOND, SECOND, &click), open);
    assert!(!Window::default().raise(61 * SECOND, SECOND, &click).take(61 * SECOND));
}
