//! Processes that get a tenth of the time, as beside a neighbour who takes the rest.

use std::{
    io::Write as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

/// They run so long, and then wait so long.
const RUNS: Duration = Duration::from_millis(10);
const WAITS: Duration = Duration::from_millis(90);

/// While this lives, they run for ten milliseconds of every hundred.
pub(crate) struct Starved {
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Starved {
    /// From now on.
    pub(crate) fn start(processes: &[u32]) -> Self {
        let (ends, ended) = mpsc::channel();
        let processes: Vec<String> = processes.iter().map(u32::to_string).collect();
        let processes = processes.join(" ");
        let thread = thread::spawn(move || {
            let mut shell = Shell::start();
            let over = |time| ended.recv_timeout(time) != Err(RecvTimeoutError::Timeout);
            loop {
                shell.says(&format!("kill -STOP {processes}"));
                let last = over(WAITS);
                shell.says(&format!("kill -CONT {processes}"));
                if last || over(RUNS) {
                    return shell.ends();
                }
            }
        });
        Self { ends: Some(ends), thread: Some(thread) }
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        drop(self.ends.take());
        // A thread that failed has told it.
        self.thread.take().map(JoinHandle::join).transpose().unwrap_or_default();
    }
}

/// One shell for all signals: to start a program for each would take the time that is to be measured out.
struct Shell {
    child: Child,
    hears: ChildStdin,
}

impl Shell {
    fn start() -> Self {
        let mut child = Command::new("sh").stdin(Stdio::piped()).spawn().unwrap();
        let hears = child.stdin.take().expect("it was asked for");
        Self { child, hears }
    }

    fn says(&mut self, command: &str) {
        writeln!(self.hears, "{command}").unwrap();
    }

    fn ends(self) {
        let Self { mut child, hears } = self;
        drop(hears);
        assert!(child.wait().unwrap().success(), "a process could not be told to stop and go on");
    }
}
