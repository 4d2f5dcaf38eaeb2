//! Programs that run beside Envoy.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::StartError;
use crate::rundir::RunDir;
use crate::{paths, supervisor, wait};

/// How long a program may take until it listens.
const START_TIME: Duration = Duration::from_secs(20);

/// A program that listens on a port of 127.0.0.1. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    /// Starts a program that will listen on this port, and waits until it does. What it says goes into `log`.
    ///
    /// # Errors
    /// When it cannot be started, or ends before it listens.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub async fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        port: u16,
        log: &Path,
    ) -> Result<Self, StartError> {
        let failed =
            |reason: &dyn std::fmt::Display| StartError::Missing(format!("{}: {reason}", program.display()));
        let output = File::create(log).map_err(|error| failed(&error))?;
        let errors = output.try_clone().map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = supervisor::spawn(command).await.map_err(|error| failed(&error))?;
        let mut started = Self { child, address: (Ipv4Addr::LOCALHOST, port).into() };
        let what = format!("{} on port {port}", program.display());
        wait::eventually(&what, START_TIME, || std::future::ready(started.look())).await.map_err(|how| {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            failed(&format!("ended ({how}):\n{said}"))
        })?;
        Ok(started)
    }

    /// Whether it listens, or how it has ended. `None`: neither yet.
    fn look(&mut self) -> Option<Result<(), String>> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(Err(status.to_string()));
        }
        TcpStream::connect(self.address).is_ok().then_some(Ok(()))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it in the middle of whatever it does, until [`Self::go_on`]. Its connections stay open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after a [pause](Self::pause).
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        // Fails only when it has ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process number");
        kill_process(pid, signal).expect("the program runs");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A Redis of its own, which keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    program: Option<Program>,
    port: u16,
    directory: RunDir,
}

impl Redis {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When there is none (`make setup` brings it), or it does not start.
    pub async fn start() -> Result<Self, StartError> {
        let port = free_port()?;
        Self::start_on(port).await
    }

    /// Starts one on this port.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_on(port: u16) -> Result<Self, StartError> {
        let mut redis = Self { program: None, port, directory: RunDir::new()? };
        redis.restart().await?;
        Ok(redis)
    }

    /// Where clients find it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Kills it, with all that it holds.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// Starts it again, empty, on the same port.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> Result<(), StartError> {
        self.kill();
        let binary = paths::redis_binary()
            .ok_or_else(|| StartError::Missing("no Redis is set up: `make setup` brings it".to_owned()))?;
        let (port, directory) = (self.port.to_string(), self.directory.path().display().to_string());
        let arguments =
            ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &directory];
        let log = self.directory.join("redis.log");
        self.program = Some(Program::start(&binary, arguments, self.port, &log).await?);
        Ok(())
    }
}

/// A program of this workspace, built if it is not.
///
/// # Errors
/// When it does not build.
pub fn workspace_program(package: &str) -> Result<PathBuf, StartError> {
    built(package, &["--bin", package], package)
}

/// A library of this workspace that other programs load, built if it is not.
///
/// # Errors
/// When it does not build.
pub fn workspace_library(package: &str) -> Result<PathBuf, StartError> {
    built(package, &["--lib"], &format!("lib{}.so", package.replace('-', "_")))
}

fn built(package: &str, target: &[&str], file: &str) -> Result<PathBuf, StartError> {
    let failed = |reason: String| StartError::Missing(format!("{package}: {reason}"));
    // Beside the program that asks: `target/<profile>/deps/<test>`, or `target/<profile>/<program>`.
    let me = std::env::current_exe()?;
    let profile = me
        .ancestors()
        .skip(1)
        .find(|directory| directory.file_name().is_some_and(|name| name != "deps"))
        .ok_or_else(|| failed("this program lies nowhere".to_owned()))?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(paths::root()).args(["build", "-q", "-p", package]).args(target);
    if profile.file_name().is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    let status = cargo.status()?;
    let built = profile.join(file);
    match status.success() && built.is_file() {
        true => Ok(built),
        false => Err(failed(format!("it does not build ({status}), or not into {}", profile.display()))),
    }
}

/// A port that nobody had a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
