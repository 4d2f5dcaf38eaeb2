//! The handle that a test holds.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot, watch};

use crate::behaviour::Behaviour;
use crate::counts::Received;
use crate::server;
use crate::service::Service;

/// Connections that may wait for being accepted: more than any load test opens at once.
const BACKLOG: u32 = 4096;

/// How an upstream is set up.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamOptions {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Whether unscripted paths ask for their answer: `/status/503`, `/delay/200ms`, `/bytes/1000`.
    pub asking_paths: bool,
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self { port: 0, asking_paths: true }
    }
}

/// A running upstream; dropping it stops it and resets its connections.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    service: Arc<Service>,
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Command {
    Refuse(oneshot::Sender<()>),
    Accept(oneshot::Sender<()>),
}

impl Upstream {
    /// Starts an upstream on a free port.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(UpstreamOptions::default()).expect("a free port on 127.0.0.1")
    }

    /// Starts an upstream.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub fn start_with(options: UpstreamOptions) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (held, listener) = match listen(&runtime, options.port) {
            Ok(sockets) => sockets,
            Err(error) => {
                // Dropping a runtime blocks, which panics when the caller is itself in one.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let address = listener.local_addr()?;
        let service = Arc::new(Service { asking_paths: options.asking_paths, ..Service::default() });
        let (commands, received) = mpsc::unbounded_channel();
        let served = Arc::clone(&service);
        let thread = std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            runtime.block_on(run(listener, address, served, received));
            drop(held);
        })?;
        Ok(Self { address, service, commands, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Paths with this prefix behave like that from now on; the longest prefix wins, and setting it again counts anew.
    pub fn script(&self, prefix: &str, behaviour: impl Into<Behaviour>) {
        self.service.scripts.set(prefix, behaviour.into());
    }

    /// Requests received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.service.counts.all().received
    }

    /// Requests received for exactly this path (without query).
    #[must_use]
    pub fn received_at(&self, path: &str) -> u64 {
        self.service.counts.path(path).received
    }

    /// Requests whose answer is not through.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.service.counts.all().in_flight
    }

    /// Requests for exactly this path whose answer is not through.
    #[must_use]
    pub fn in_flight_at(&self, path: &str) -> u64 {
        self.service.counts.path(path).in_flight
    }

    /// The most requests that were ever in flight together.
    #[must_use]
    pub fn most_in_flight(&self) -> u64 {
        self.service.counts.all().most_in_flight
    }

    /// The most requests for exactly this path that were ever in flight together.
    #[must_use]
    pub fn most_in_flight_at(&self, path: &str) -> u64 {
        self.service.counts.path(path).most_in_flight
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.service.counts.connections().0
    }

    /// Connections open now.
    #[must_use]
    pub fn connections_open(&self) -> u64 {
        self.service.counts.connections().1
    }

    /// The last requests (at most 256), oldest first.
    #[must_use]
    pub fn last_requests(&self) -> Vec<Received> {
        self.service.counts.remembered()
    }

    /// Counts from zero again; what is in flight or open stays counted as such.
    pub fn reset_counts(&self) {
        self.service.counts.reset();
    }

    /// Refuses new connections and resets the open ones, until [`Self::accept_connections`]. The port stays taken.
    pub fn refuse_connections(&self) {
        self.command(Command::Refuse);
    }

    /// Accepts connections again.
    pub fn accept_connections(&self) {
        self.command(Command::Accept);
    }

    /// Has the thread do it and waits for it: the next connection already meets the change.
    fn command(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, wait) = oneshot::channel();
        self.commands.send(command(done)).expect("the upstream's thread lives as long as its handle");
        // Not `blocking_recv`, which panics inside a runtime; the thread answers within microseconds.
        let mut wait = wait;
        while let Err(oneshot::error::TryRecvError::Empty) = wait.try_recv() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let (closed, _) = mpsc::unbounded_channel();
        self.commands = closed;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The port held for good, and the listener that can be closed and opened again.
fn listen(runtime: &runtime::Runtime, port: u16) -> io::Result<(TcpSocket, TcpListener)> {
    let _inside = runtime.enter();
    let held = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let listener = bound(held.local_addr()?)?.listen(BACKLOG)?;
    Ok((held, listener))
}

/// A socket that holds an address. Bound without listening it refuses connections and keeps others from the port.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn run(
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut accepting = Some(accept(listener, &service));
    while let Some(command) = commands.recv().await {
        let done = match command {
            Command::Refuse(done) => {
                close(accepting.take()).await;
                done
            }
            Command::Accept(done) => {
                if accepting.is_none() {
                    let listener = bound(address).and_then(|socket| socket.listen(BACKLOG));
                    accepting = Some(accept(listener.expect("the port was held"), &service));
                }
                done
            }
        };
        let _ = done.send(());
    }
    close(accepting).await;
}

/// What tells the accepting task and its connections to end, and that task.
type Accepting = (watch::Sender<bool>, tokio::task::JoinHandle<()>);

async fn close(accepting: Option<Accepting>) {
    if let Some((closing, task)) = accepting {
        closing.send_replace(true);
        let _ = task.await;
        // Every connection holds a receiver until it is gone.
        closing.closed().await;
    }
}

fn accept(listener: TcpListener, service: &Arc<Service>) -> Accepting {
    let (closing, receiver) = watch::channel(false);
    (closing, tokio::spawn(server::serve(listener, Arc::clone(service), receiver)))
}
