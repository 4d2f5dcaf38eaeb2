//! A service that runs.

use crate::counter::Counter;
use crate::limits::Limits;
use crate::service::{Manner, RateLimit, Seen};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;

/// A running service; dropping it stops it and resets its connections.
pub struct RateLimitServer {
    address: SocketAddr,
    service: RateLimit,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RateLimitServer {
    /// Starts a service on a port of 127.0.0.1, 0 for a free one.
    ///
    /// # Errors
    /// When the port cannot be bound, or the URL is not Redis's.
    pub fn start(port: u16, redis: &str, limits: Limits) -> io::Result<Self> {
        let counter = Counter::new(redis).map_err(io::Error::other)?;
        let service = RateLimit::new(counter, limits);
        let (end, ended) = oneshot::channel::<()>();
        let served = service.clone();
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let thread = std::thread::Builder::new().name("ratelimit".to_owned()).spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the service");
            runtime.block_on(async {
                let listener = TcpListener::from_std(socket).expect("a socket that listens");
                let incoming = TcpListenerStream::new(listener);
                let serve =
                    tonic::transport::Server::builder().add_service(served).serve_with_incoming(incoming);
                tokio::select! {
                    served = serve => served.expect("a service that is served"),
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { address, service, end: Some(end), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it answers from now on.
    pub fn set_manner(&self, manner: Manner) {
        self.service.set_manner(manner);
    }

    /// What it has been asked so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.service.seen()
    }
}

impl Drop for RateLimitServer {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It ends by itself now. If it has panicked, that was said.
            let _ = thread.join();
        }
    }
}
