//! Threads that outlive every test and own what must be cleaned up.
//!
//! A child asks the kernel to be killed with its parent, and "parent" means the thread that started it: test threads
//! end, and so do those of a runtime (one that blocks hands its work to another, and ends when it has idled). So one thread
//! does nothing but start children. Containers are removed over a connection that belongs to a runtime: a test's runtime is
//! gone when its fixture is dropped late, this one is not.

use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{OnceLock, mpsc};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

/// A child to be started, and who waits for it.
type Order = (Command, oneshot::Sender<io::Result<Child>>);

/// Starts a child that dies with this process.
pub(crate) async fn spawn(mut command: Command) -> io::Result<Child> {
    // Ctrl-C in a terminal reaches whole groups: whether and how the child ends is for its owner to say.
    command.process_group(0);
    let parent = getpid();
    // SAFETY: runs in the child between fork and exec and does nothing but system calls, which are safe there.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before it was asked about.
            if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::other("the parent is gone")) }
        });
    }
    let (started, child) = oneshot::channel();
    starter().send((command, started)).map_err(|_| io::Error::other("nobody starts children any more"))?;
    child.await.map_err(io::Error::other)?
}

/// The thread that starts children.
fn starter() -> &'static mpsc::Sender<Order> {
    static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("starter".to_owned())
            .spawn(move || {
                for (mut command, started) in orders {
                    // Whoever waited may be gone; then the child is dropped, and lives as long as this process.
                    let _ = started.send(command.spawn());
                }
            })
            .expect("a thread that starts children");
        sender
    })
}

/// Runs a future on the supervisor.
pub(crate) async fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    handle().spawn(work).await.expect("the supervisor's work does not panic")
}

/// Runs a future on the supervisor and blocks until it is done: for `Drop`.
pub(crate) fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (done, result) = mpsc::channel();
    handle().spawn(async move {
        let _ = done.send(work.await);
    });
    result.recv().ok()
}

fn handle() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .thread_name("supervisor")
            .enable_all()
            .build()
            .expect("a thread for the supervisor")
    };
    RUNTIME.get_or_init(start).handle()
}
