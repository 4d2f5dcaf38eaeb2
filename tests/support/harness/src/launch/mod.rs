//! Running Envoy, one way or the other.

mod container;
mod process;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::client::Request;
use crate::error::StartError;
use crate::{logline, paths};
use container::Container;
use process::Process;

/// Compiling several modules for several workers takes seconds on a machine that is busy with other tests.
const READY_TIME: Duration = Duration::from_secs(60);
const STDOUT: &str = "stdout";
const STDERR: &str = "stderr";

/// How Envoy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In a container on the host's network.
    Container,
    /// As a child process.
    Process,
}

impl Mode {
    /// What `BALLAST_ENVOY` forces, else a container where a Docker daemon answers and an image is set up, else a process.
    ///
    /// # Errors
    /// When the forced mode, or both, cannot work here; the message says what to install.
    pub async fn choose() -> Result<Self, StartError> {
        let forced = std::env::var("BALLAST_ENVOY").unwrap_or_default();
        match forced.as_str() {
            "container" => {
                Self::container_works().await.map(|()| Self::Container).map_err(StartError::Unavailable)
            }
            "process" => Self::process_works().map(|()| Self::Process).map_err(StartError::Unavailable),
            "" => match (Self::container_works().await, Self::process_works()) {
                (Ok(()), _) => Ok(Self::Container),
                (_, Ok(())) => Ok(Self::Process),
                (Err(container), Err(process)) => Err(StartError::Unavailable(format!(
                    "as a container: {container}; as a process: {process}"
                ))),
            },
            other => Err(StartError::Unavailable(format!(
                "BALLAST_ENVOY={other}: expected container, process or nothing"
            ))),
        }
    }

    async fn container_works() -> Result<(), String> {
        if paths::envoy_image().is_none() {
            return Err("no image is set up (run `make setup`, or name one in ENVOY_IMAGE)".to_owned());
        }
        container::docker_answers().await.map_err(|error| {
            format!(
                "no Docker daemon answers ({error}): install and start Docker, or use BALLAST_ENVOY=process"
            )
        })
    }

    fn process_works() -> Result<(), String> {
        let found = paths::envoy_binary().map(|_| ());
        found.ok_or_else(|| "no binary is set up (run `make setup`, or name one in ENVOY_BIN)".to_owned())
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Envoy's arguments.
    pub arguments: Vec<String>,
    /// Where its output goes, and the one directory in which a container may write. Must lie within the repository.
    pub directory: PathBuf,
    /// Variables beside those that it has anyway.
    pub environment: Vec<(String, String)>,
}

/// How an Envoy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether its exit status was zero.
    pub success: bool,
    /// Its exit status in words.
    pub how: String,
}

/// An Envoy that was started. Dropping it kills it; its output stays in its directory.
#[derive(Debug)]
pub struct Launched {
    kind: Kind,
    directory: PathBuf,
}

#[derive(Debug)]
enum Kind {
    Container(Container),
    Process(Process),
}

impl Launched {
    /// Starts Envoy in the root of the repository, so that module paths in the samples hold.
    ///
    /// # Errors
    /// When the process or container cannot be made.
    pub async fn start(mode: Mode, spec: Spec) -> Result<Self, StartError> {
        let directory = spec.directory.clone();
        let stdout = File::create(directory.join(STDOUT))?;
        let stderr = File::create(directory.join(STDERR))?;
        let kind = match mode {
            Mode::Container => Kind::Container(Container::start(spec, stdout, stderr).await?),
            Mode::Process => Kind::Process(Process::start(spec, stdout, stderr).await?),
        };
        Ok(Self { kind, directory })
    }

    /// Waits until its administration, whose address it writes to this file, says that it is ready. Returns the
    /// address.
    ///
    /// # Errors
    /// When it refuses its configuration, ends, or takes too long.
    pub async fn ready(&mut self, address_file: &Path) -> Result<String, StartError> {
        let begin = Instant::now();
        loop {
            if let Some(ended) = self.ended().await {
                return Err(failure(ended, &self.log()));
            }
            // The file may be there and still empty.
            if let Some(address) = address_in(address_file)
                && Request::get(&format!("http://{address}/ready"))
                    .send()
                    .await
                    .is_ok_and(|ready| ready.status == 200)
            {
                return Ok(address.to_string());
            }
            if begin.elapsed() > READY_TIME {
                return Err(StartError::NotReady { after: READY_TIME, log_end: logline::end(&self.log()) });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The names and addresses of its listeners, as its administration at this address tells them.
    pub async fn listeners(&self, admin: &str) -> Vec<(String, SocketAddr)> {
        let answer = Request::get(&format!("http://{admin}/listeners?format=json")).send().await;
        answer.map_or_else(|_| Vec::new(), |answer| listening(&answer.text()))
    }

    /// How it ended, or `None` while it runs. When it has ended its output is complete.
    pub async fn ended(&mut self) -> Option<Ended> {
        match &mut self.kind {
            Kind::Container(container) => container.ended().await,
            Kind::Process(process) => process.ended(),
        }
    }

    /// Its number on this machine.
    pub async fn pid(&self) -> Option<u32> {
        match &self.kind {
            Kind::Container(container) => container.pid().await,
            Kind::Process(process) => Some(process.pid()),
        }
    }

    /// The file with its standard error: its log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.directory.join(STDERR)
    }

    /// The file with its standard output: the access log, in the samples.
    #[must_use]
    pub fn output_file(&self) -> PathBuf {
        self.directory.join(STDOUT)
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        text(&self.log_file())
    }

    /// Its standard output so far.
    #[must_use]
    pub fn output(&self) -> String {
        text(&self.output_file())
    }

    /// Asks it to end and waits until it has; after 10 s it is killed.
    pub async fn stop(&mut self) {
        match &mut self.kind {
            Kind::Container(container) => container.stop().await,
            Kind::Process(process) => process.stop().await,
        }
    }

    /// Kills it at once. Blocks, so that it can be called from `Drop`.
    pub fn kill(&mut self) {
        match &mut self.kind {
            Kind::Container(container) => container.remove(),
            Kind::Process(process) => process.kill(),
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Removes containers also when SIGINT or SIGTERM ends this process, which ends it with the usual exit code. A
/// program that waits for these signals itself does not want it.
pub(crate) async fn clean_up_on_signals(mode: Mode) {
    if mode == Mode::Container {
        container::remove_on_signals().await;
    }
}

fn listening(json: &str) -> Vec<(String, SocketAddr)> {
    let value: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let statuses = value["listener_statuses"].as_array().cloned().unwrap_or_default();
    let address = |status: &serde_json::Value| {
        let socket = &status["local_address"]["socket_address"];
        let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
        Some((
            status["name"].as_str()?.to_owned(),
            SocketAddr::new(socket["address"].as_str()?.parse().ok()?, port),
        ))
    };
    statuses.iter().filter_map(address).collect()
}

fn address_in(file: &Path) -> Option<SocketAddr> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn text(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned()
}

fn failure(ended: Ended, log: &str) -> StartError {
    let (reasons, log_end) = (logline::refusal(log), logline::end(log));
    if reasons.is_empty() {
        StartError::Died { how: ended.how, log_end }
    } else {
        StartError::Refused { reasons, log_end }
    }
}
