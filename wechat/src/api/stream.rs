//! A connection's byte stream, which knows how much was written to it and whether that has been flushed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// TCP, or TLS over it.
pub(super) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// How far writing has come, in bytes since the connection was made. The bytes are those before TLS: what TLS
/// has buffered counts as written, because it may leave at any time.
#[derive(Default)]
pub(super) struct Progress {
    written: AtomicU64,
    flushed: AtomicU64,
}

impl Progress {
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn flushed(&self) -> u64 {
        self.flushed.load(Ordering::Relaxed)
    }
}

/// A stream with its progress.
pub(super) struct Counted {
    stream: Stream,
    progress: Arc<Progress>,
}

impl Counted {
    pub(super) fn new(stream: Stream, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }
}

macro_rules! each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Clear($inner) => {
                let $inner = Pin::new($inner);
                $call
            }
            Stream::Tls($inner) => {
                let $inner = Pin::new(&mut **$inner);
                $call
            }
        }
    };
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(&mut self.stream, inner => inner.poll_read(cx, buf))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(each!(&mut self.stream, inner => inner.poll_write(cx, buf)))?;
        self.progress.written.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(each!(&mut self.stream, inner => inner.poll_flush(cx)))?;
        let written = self.progress.written();
        self.progress.flushed.store(written, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.stream, inner => inner.poll_shutdown(cx))
    }
}
