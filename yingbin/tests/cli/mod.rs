//! Runs the command line as a person does: as a process, with its input, output and exit code.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The last line of standard output.
    pub(crate) fn json(&self) -> serde_json::Value {
        let last = self.out.trim_end_matches('\n').lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The command, away from any running installation and its variables.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yingbin"));
    command.args(arguments).current_dir("/");
    for server in ["KAFKA_BOOTSTRAP", "REDIS_URL", "PROFILE_URL"] {
        command.env_remove(server);
    }
    command
}

/// Runs it without input.
pub(crate) fn yingbin(arguments: &[&str]) -> Ended {
    ended(command(arguments).stdin(Stdio::null()).output().unwrap())
}

/// Runs it in a folder.
pub(crate) fn yingbin_in(folder: &Path, arguments: &[&str]) -> Ended {
    ended(command(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap())
}

/// Runs it with something on standard input.
pub(crate) fn yingbin_with(arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that needs no input may have closed it already.
    let _closed = child.stdin.take().unwrap().write_all(input);
    ended(child.wait_with_output().unwrap())
}

fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A `yingbin up` that runs in a folder, as far as a command can see, while the file lives.
pub(crate) fn running(folder: &Path, up: &str) -> File {
    fs::create_dir(folder.join(".yingbin")).unwrap();
    let mut file = File::create(folder.join(".yingbin/up.json")).unwrap();
    file.write_all(up.as_bytes()).unwrap();
    file.lock().unwrap();
    file
}
