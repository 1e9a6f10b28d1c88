//! A TCP gate before one server: it can hold answers back, and be shut.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    /// Questions pass, answers wait.
    Holding,
    /// Connections are ended and new ones refused.
    Shut,
}

pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    held: Arc<AtomicUsize>,
}

impl Gate {
    /// Opens a gate before `server`, which may be an address or a url of one.
    pub(crate) async fn before(server: &str) -> Self {
        let server = server.rsplit('/').next().unwrap().parse().unwrap();
        let socket = reserve("127.0.0.1:0".parse().unwrap());
        let address = socket.local_addr().unwrap();
        let (mode, held) = (Arc::new(watch::Sender::new(Mode::Open)), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(serve(socket, server, Arc::clone(&mode), Arc::clone(&held)));
        Self { address, mode, held }
    }

    pub(crate) fn open(&self) {
        self.mode.send_replace(Mode::Open);
    }

    pub(crate) fn hold(&self) {
        self.mode.send_replace(Mode::Holding);
    }

    pub(crate) fn shut(&self) {
        self.mode.send_replace(Mode::Shut);
    }

    /// Whether an answer has been held back.
    pub(crate) fn held(&self) -> bool {
        self.held.load(Ordering::Acquire) > 0
    }
}

/// Nobody else gets this port, and nobody is let in before it listens.
fn reserve(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn serve(
    mut socket: TcpSocket,
    server: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    held: Arc<AtomicUsize>,
) {
    let address = socket.local_addr().unwrap();
    let mut now = mode.subscribe();
    loop {
        now.wait_for(|mode| *mode != Mode::Shut).await.unwrap();
        let listener = socket.listen(64).unwrap();
        let letting_in = let_in(&listener, server, &mode, &held);
        tokio::select! {
            () = letting_in => {}
            _ = now.wait_for(|mode| *mode == Mode::Shut) => {}
        }
        drop(listener);
        socket = reserve(address);
    }
}

async fn let_in(
    listener: &TcpListener,
    server: SocketAddr,
    mode: &watch::Sender<Mode>,
    held: &Arc<AtomicUsize>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (mut now, held) = (mode.subscribe(), Arc::clone(held));
        let passing = pass(client, server, mode.subscribe(), held);
        tokio::spawn(async move {
            tokio::select! {
                () = passing => {}
                _ = now.wait_for(|mode| *mode == Mode::Shut) => {}
            }
        });
    }
}

async fn pass(
    client: TcpStream,
    server: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    held: Arc<AtomicUsize>,
) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((mut asks, mut hears), (mut answers, mut told)) = (client.into_split(), server.into_split());
    let back = async {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = answers.read(&mut bytes).await {
            if *mode.borrow() == Mode::Holding {
                held.fetch_add(1, Ordering::Release);
            }
            mode.wait_for(|mode| *mode == Mode::Open).await.unwrap();
            if hears.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = back => {}
        _ = tokio::io::copy(&mut asks, &mut told) => {}
    }
}
