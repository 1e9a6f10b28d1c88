//! A closed loop from push to message: so many events under way, a new one when a message has arrived.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Runtime,
};

use super::{Seen, wire};
use crate::{
    account::{Push, Pushes},
    sink::Sink,
};

/// Longer than this no message is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps `window` events under way until time or pushes are used up, and waits for the last message.
pub(crate) fn in_flight(
    runtime: &Runtime,
    door: SocketAddr,
    sink: &Sink,
    pushes: &Pushes,
    window: usize,
    lasts: Duration,
) -> Result<Seen> {
    let (next, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    sink.board.forget();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..window)
            .map(|_| {
                let (sink, pushes, next) = (sink.clone(), Pushes::clone(pushes), Arc::clone(&next));
                tokio::spawn(one_after_the_other(door, sink, pushes, next, started + lasts))
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        anyhow::Ok(())
    })?;
    let latencies = sink.board.arrived();
    ensure!(!latencies.is_empty(), "no message arrived");
    Ok(Seen { latencies, elapsed: started.elapsed() })
}

async fn one_after_the_other(
    door: SocketAddr,
    sink: Sink,
    pushes: Pushes,
    next: Arc<AtomicUsize>,
    ends: Instant,
) -> Result<()> {
    let mut stream = TcpStream::connect(door).await?;
    stream.set_nodelay(true)?;
    while Instant::now() < ends
        && let Some(push) = pushes.get(next.fetch_add(1, Ordering::Relaxed))
    {
        let message = sink.board.expect(push.user, Instant::now());
        post(&mut stream, push).await?;
        if tokio::time::timeout(PATIENCE, message).await.is_err() {
            bail!("no message within {} s for user {}", PATIENCE.as_secs(), push.user);
        }
    }
    Ok(())
}

async fn post(stream: &mut TcpStream, push: &Push) -> Result<()> {
    stream.write_all(&push.request).await?;
    let (mut answer, mut filled) = ([0; 1024], 0);
    while !wire::taken(&answer[..filled])? {
        let read = stream.read(&mut answer[filled..]).await?;
        ensure!(read > 0, "the server closed the connection");
        filled += read;
    }
    Ok(())
}
