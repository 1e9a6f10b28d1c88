//! docs/configuration.md says what the services' own readers ask for.

mod cli;

use std::{fs, path::Path};

use cli::yingbin;

#[test]
fn the_reference_page_is_what_the_code_asks_for() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let kept = fs::read_to_string(&page).unwrap();
    let made = yingbin(&["config", "docs"]);
    assert_eq!(made.code, 0, "{made:?}");
    let (kept, made): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), made.out.lines().collect());
    let differing = kept.iter().zip(&made).find(|(kept, made)| kept != made);
    assert_eq!(differing, None, "make it anew: yingbin config docs > docs/configuration.md");
    assert_eq!(kept.len(), made.len());
}

#[test]
fn every_service_has_settings_with_meanings() {
    let answer = yingbin(&["config", "docs", "--json"]).json();
    for service in answer["services"].as_array().unwrap() {
        let settings = service["settings"].as_array().unwrap();
        assert!(settings.len() > 5, "{service}");
        for setting in settings {
            assert!(setting["meaning"].as_str().is_some_and(|meaning| meaning.len() > 5), "{setting}");
        }
    }
    let gateway = answer["services"][0]["settings"].as_array().unwrap();
    assert!(gateway.iter().any(|setting| setting["key"] == "accounts.*.name"));
}
