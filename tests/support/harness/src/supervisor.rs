//! One thread that outlives every test and owns what must be cleaned up.
//!
//! A child asks the kernel to be killed with its parent, and "parent" means the thread that started it: test threads
//! end, this one does not. Containers are removed over a connection that belongs to a runtime: a test's runtime is
//! gone when its fixture is dropped late, this one is not.

use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{OnceLock, mpsc};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::runtime::{Builder, Handle, Runtime};

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
    run(async move { command.spawn() }).await
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
