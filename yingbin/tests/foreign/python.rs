//! Runs the Python scripts of this folder with what `make setup-test` has brought.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::support::repository;

/// Runs a script: what it is asked goes in as JSON, what it answers comes back as JSON.
pub(crate) async fn python(script: &str, asked: &Value) -> Value {
    let python = repository().join(".cache/venv/bin/python");
    assert!(python.exists(), "no Python with wechatpy in .cache/venv: run `make setup-test` first");
    let mut child = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(script))
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).await.unwrap();
    let ended = timeout(Duration::from_secs(20), child.wait_with_output()).await.expect(script).unwrap();
    assert!(ended.status.success(), "{script}: {}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}
