//! Standard error as logs go to it: it may be a pipe that nobody reads, and then a line is dropped and counted, and nobody waits.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    sync::{LazyLock, Mutex, PoisonError},
};

use prometheus_client::metrics::counter::Counter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What a pipe takes at once if it takes anything (`PIPE_BUF`).
const PIECE: usize = 4096;
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

pub(super) static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);
/// Whether the last line was cut off; held by whoever writes.
static TORN: Mutex<bool> = Mutex::new(false);

/// Standard error, one line with each write.
#[derive(Debug)]
pub(super) struct Lossy;

impl Write for Lossy {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut torn = TORN.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken(&mut io::stderr(), &mut torn, line)? {
            DROPPED.inc();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes as much of a line as can be written at once, and says whether that was all of it. A line after a torn one begins anew.
fn taken(to: &mut (impl Write + AsFd), torn: &mut bool, line: &[u8]) -> io::Result<bool> {
    let start: &[u8] = if *torn { b"\n" } else { b"" };
    let mut begun = false;
    for piece in [start].into_iter().chain(line.chunks(PIECE)).filter(|piece| !piece.is_empty()) {
        let ready = poll(&mut [PollFd::new(&*to, PollFlags::OUT)], Some(&AT_ONCE))?;
        if ready == 0 {
            *torn |= begun;
            return Ok(false);
        }
        to.write_all(piece)?;
        begun = true;
    }
    *torn = false;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_takes_what_fits_and_holds_nobody_up() {
        let (mut reads, mut writes) = io::pipe().unwrap();
        let (mut torn, line) = (false, [&[b'x'; 9_999][..], b"\n"].concat());
        let whole = (0..100).filter(|_| taken(&mut writes, &mut torn, &line).unwrap()).count();
        assert!((1..100).contains(&whole), "{whole} lines of ten thousand bytes in a pipe");
        let mut there = vec![0; whole * line.len()];
        reads.read_exact(&mut there).unwrap();
        assert!(there.chunks(line.len()).all(|read| read == line), "what is there is whole");
        assert!(taken(&mut writes, &mut torn, b"end\n").unwrap() && !torn);
        drop(writes);
        let mut rest = String::new();
        reads.read_to_string(&mut rest).unwrap();
        assert!(rest == "end\n" || rest.ends_with("x\nend\n"), "the next line stands for itself: {rest}");
    }
}
