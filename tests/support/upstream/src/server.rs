//! Accepting connections, and hanging up on them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use crate::service::Service;

/// Streams per HTTP/2 connection: so many that no test meets the limit unknowingly.
const MOST_STREAMS: u32 = 100_000;

/// Ends one connection with a reset.
#[derive(Debug, Default)]
pub(crate) struct Hangup {
    asked: AtomicBool,
    wake: Notify,
}

impl Hangup {
    pub(crate) fn now(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }
}

/// Serves what the listener accepts until `closing` says so; connections end with a reset then.
pub(crate) async fn serve(listener: TcpListener, service: Arc<Service>, mut closing: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            accepted = listener.accept() => accepted,
        };
        // What fails here is one connection (aborted before it was accepted), never the listener.
        if let Ok((stream, _)) = accepted {
            tokio::spawn(connection(stream, Arc::clone(&service), closing.clone()));
        }
    }
}

async fn connection(stream: TcpStream, service: Arc<Service>, mut closing: watch::Receiver<bool>) {
    let _open = service.counts.open();
    let hangup = Arc::new(Hangup::default());
    // Small answers must not wait for the acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Resettable { stream, hangup: Arc::clone(&hangup) });
    let answering = Arc::clone(&hangup);
    let answer = service_fn(move |request| Arc::clone(&service).answer(request, Arc::clone(&answering)));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(MOST_STREAMS);
    // Asked for before the connection is dropped, which a branch's handler would be too late for.
    let closed = async {
        let _ = closing.wait_for(|closing| *closing).await;
        hangup.now();
    };
    tokio::select! {
        () = hangup.wake.notified() => {}
        () = closed => {}
        // An error here is what was scripted, or a client that went away.
        _ = builder.serve_connection(io, answer) => {}
    }
}

/// A socket that is reset, not closed, when a hang-up was asked for.
struct Resettable {
    stream: TcpStream,
    hangup: Arc<Hangup>,
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.hangup.asked.load(Ordering::SeqCst) {
            // Fails only when the client has already closed: then there is nothing to reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
