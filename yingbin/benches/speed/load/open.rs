//! An open loop: each push leaves at its time, whatever became of those before, and its latency counts from that time.
//!
//! Threads that block, and a sender that spins the last tenth of a millisecond: timers of a runtime are too coarse.

use std::{
    hint,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};

use super::{Seen, wire};
use crate::account::Push;

/// Connections over which the pushes go.
const CONNECTIONS: usize = 32;
/// So long before its time the sender is awake.
const AWAKE: Duration = Duration::from_micros(120);

struct Line {
    stream: TcpStream,
    intended: Mutex<Instant>,
}

/// Sends so many pushes a second and waits for all answers. `leaves` is told of each, with its intended time, just before.
pub(crate) fn open_loop(
    server: SocketAddr,
    pushes: &[Push],
    rate: u32,
    mut leaves: impl FnMut(&Push, Instant),
) -> Result<Seen> {
    let line = || -> Result<Line> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(Line { stream, intended: Mutex::new(Instant::now()) })
    };
    let lines = (0..CONNECTIONS).map(|_| line()).collect::<Result<Vec<_>>>()?;
    let (free, frees) = mpsc::channel();
    (0..CONNECTIONS).try_for_each(|index| free.send(index))?;
    let started = Instant::now() + Duration::from_millis(50);
    let latencies = thread::scope(|scope| {
        let readers: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| {
                let free = free.clone();
                scope.spawn(move || read(line, index, &free))
            })
            .collect();
        drop(free);
        for (number, push) in (0_u32..).zip(pushes) {
            let intended = started + Duration::from_secs(1) * number / rate;
            wait_until(intended);
            let index = frees.recv().context("every connection has ended")?;
            let line = &lines[index];
            *line.intended.lock().unwrap_or_else(PoisonError::into_inner) = intended;
            leaves(push, intended);
            (&line.stream).write_all(&push.request)?;
        }
        // Each connection is free again once its last answer is there.
        for index in frees.iter().take(CONNECTIONS) {
            lines[index].stream.shutdown(Shutdown::Both)?;
        }
        let mut all = Vec::with_capacity(pushes.len());
        for reader in readers {
            all.extend(reader.join().map_err(|_| anyhow!("a reader panicked"))??);
        }
        anyhow::Ok(all)
    })?;
    Ok(Seen { latencies, elapsed: started.elapsed() })
}

fn read(line: &Line, index: usize, free: &Sender<usize>) -> Result<Vec<Duration>> {
    let (mut latencies, mut answer, mut filled) = (Vec::new(), [0; 1024], 0);
    loop {
        let read = (&line.stream).read(&mut answer[filled..])?;
        let now = Instant::now();
        if read == 0 {
            return Ok(latencies);
        }
        filled += read;
        if wire::taken(&answer[..filled])? {
            filled = 0;
            latencies.push(now - *line.intended.lock().unwrap_or_else(PoisonError::into_inner));
            free.send(index)?;
        }
    }
}

fn wait_until(time: Instant) {
    loop {
        let left = time.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match left.checked_sub(AWAKE) {
            Some(asleep) if !asleep.is_zero() => thread::park_timeout(asleep),
            _ => hint::spin_loop(),
        }
    }
}
