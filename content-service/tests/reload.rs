//! Playbooks that are read one after the other, as a changed file is, leave nothing behind. A process of its own: what it holds is looked at.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use content_service::playbook::Playbook;
use wechat::AccountKind;

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Each time a good one and one that is cut.
fn reload(times: usize) {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/csair/playbook.yaml"));
    let good = std::fs::read_to_string(file).unwrap();
    let (cut, _) = good.split_once("messages:").unwrap();
    for number in 0..times {
        let changed = format!("{good}\n# {number}\n");
        Playbook::of("", file, &changed, AccountKind::Official).unwrap();
        Playbook::of("", file, cut, AccountKind::Official).unwrap_err();
    }
}

#[test]
fn a_thousand_reloads_leave_nothing_behind() {
    reload(50);
    let before = resident();
    reload(500);
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more after 1,000 reloads");
}
