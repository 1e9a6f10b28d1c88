//! A closed loop of some connections, each with one push under way, on the thread of its caller.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
};

use super::{Seen, wire};
use crate::account::Pushes;

struct Loop {
    pushes: Pushes,
    next: Cell<usize>,
    ends: Instant,
    latencies: RefCell<Vec<Duration>>,
}

/// Sends as fast as the server answers, for so long. Pushes begin again at the first when they are used up.
pub(crate) fn saturate(
    server: SocketAddr,
    pushes: &Pushes,
    connections: usize,
    lasts: Duration,
) -> Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let started = Instant::now();
    let all = Rc::new(Loop {
        pushes: Pushes::clone(pushes),
        next: Cell::new(0),
        ends: started + lasts,
        latencies: RefCell::default(),
    });
    LocalSet::new().block_on(&runtime, async {
        let tasks: Vec<_> =
            (0..connections).map(|_| tokio::task::spawn_local(connection(Rc::clone(&all), server))).collect();
        for task in tasks {
            task.await??;
        }
        anyhow::Ok(())
    })?;
    Ok(Seen { latencies: all.latencies.take(), elapsed: started.elapsed() })
}

async fn connection(all: Rc<Loop>, server: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let mut answer = [0; 1024];
    while Instant::now() < all.ends {
        let push = &all.pushes[all.next.replace(all.next.get() + 1) % all.pushes.len()];
        let sent = Instant::now();
        stream.write_all(&push.request).await?;
        let mut filled = 0;
        while !wire::taken(&answer[..filled])? {
            let read = stream.read(&mut answer[filled..]).await?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
        }
        all.latencies.borrow_mut().push(sent.elapsed());
    }
    Ok(())
}
