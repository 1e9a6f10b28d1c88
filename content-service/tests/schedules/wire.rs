//! A way to Redis on which the next answer can be lost: the script ran, and nobody hears of it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

pub(super) struct Wire {
    pub(super) address: SocketAddr,
    pub(super) lose: Arc<AtomicBool>,
    pub(super) lost: Arc<AtomicUsize>,
    /// Whoever has lost an answer is not let through again before it is let on.
    stands: Arc<watch::Sender<bool>>,
    serving: JoinHandle<()>,
}

impl Wire {
    /// Whoever has lost an answer may ask again at once.
    pub(super) async fn to(server: &str) -> Self {
        Self::that_stops(server, false).await
    }

    /// Whoever has lost an answer stands still until [`Wire::lets_on`]: others act before it asks again.
    pub(super) async fn stopping(server: &str) -> Self {
        Self::that_stops(server, true).await
    }

    async fn that_stops(server: &str, stops: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (lose, lost) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let stands = Arc::new(watch::Sender::new(false));
        let carried = (server.to_owned(), Arc::clone(&lose), Arc::clone(&lost), Arc::clone(&stands));
        let serving = tokio::spawn(async move {
            let (server, lose, lost, stands) = carried;
            loop {
                let (client, _) = listener.accept().await.unwrap();
                stands.subscribe().wait_for(|stands| !stands).await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                let (lose, lost, stands) = (Arc::clone(&lose), Arc::clone(&lost), Arc::clone(&stands));
                tokio::spawn(async move {
                    if carry(client, server, &lose).await {
                        stands.send_replace(stops);
                        lost.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { address, lose, lost, stands, serving }
    }

    /// Resolves when an answer was lost and whoever waits for it stands still.
    pub(super) async fn stands(&self) {
        self.stands.subscribe().wait_for(|stands| *stands).await.unwrap();
    }

    pub(super) fn lets_on(&self) {
        self.stands.send_replace(false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Ends, and with it the connection, at the answer that is lost (`true`), or when one side has ended.
async fn carry(mut client: TcpStream, mut server: TcpStream, lose: &AtomicBool) -> bool {
    let (mut asked, mut answered) = (vec![0; 16384], vec![0; 16384]);
    loop {
        tokio::select! {
            asks = client.read(&mut asked) => match asks {
                Ok(length @ 1..) if server.write_all(&asked[..length]).await.is_ok() => {}
                _ => return false,
            },
            answers = server.read(&mut answered) => match answers {
                Ok(1..) if lose.swap(false, Ordering::SeqCst) => return true,
                Ok(length @ 1..) if client.write_all(&answered[..length]).await.is_ok() => {}
                _ => return false,
            },
        }
    }
}
