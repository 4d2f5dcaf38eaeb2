//! Envoy as a container.
//!
//! The container shares the host's network and sees the repository read-only under its own path, so that ports and
//! paths are the same as for a process. It runs as the test's user: what it writes can be read and removed.

use std::collections::HashMap;
use std::fs::File;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use testcontainers::bollard::Docker;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::{AccessMode, Mount};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt, TestcontainersError};
use tokio::io::{AsyncBufRead, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::{Ended, Spec};
use crate::error::StartError;
use crate::rundir::is_alive;
use crate::{paths, supervisor};

/// Marks our containers with the process that they belong to.
const OWNER: &str = "ballast.owner";
const STOP_SECONDS: i32 = 10;

/// Containers to remove when a signal ends this process.
static RUNNING: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Debug)]
pub(super) struct Container {
    container: Option<Arc<ContainerAsync<GenericImage>>>,
    /// Copy its output to files until it has ended.
    copies: Vec<JoinHandle<()>>,
}

/// Whether a Docker daemon answers; asked once.
pub(super) async fn docker_answers() -> Result<(), String> {
    static ANSWER: OnceCell<Result<(), String>> = OnceCell::const_new();
    let ask = || {
        supervisor::run(async {
            let docker = Docker::connect_with_local_defaults().map_err(|error| error.to_string())?;
            docker.ping().await.map(|_| ()).map_err(|error| error.to_string())
        })
    };
    ANSWER.get_or_init(ask).await.clone()
}

impl Container {
    pub(super) async fn start(spec: Spec, stdout: File, stderr: File) -> Result<Self, StartError> {
        let image =
            paths::envoy_image().ok_or_else(|| StartError::Unavailable("no image is set up".to_owned()))?;
        static SWEPT: OnceCell<()> = OnceCell::const_new();
        SWEPT.get_or_init(|| supervisor::run(sweep())).await;
        let started = supervisor::run(async move {
            let container = Arc::new(request(&image, spec).start().await?);
            RUNNING.lock().unwrap().push(container.id().to_owned());
            let copies = vec![
                tokio::spawn(copy(container.stdout(true), stdout)),
                tokio::spawn(copy(container.stderr(true), stderr)),
            ];
            Ok(Self { container: Some(container), copies })
        });
        started.await.map_err(|error: TestcontainersError| StartError::Launch(error.to_string()))
    }

    pub(super) async fn ended(&mut self) -> Option<Ended> {
        let gone = |how: &str| Some(Ended { success: false, how: how.to_owned() });
        let Some(container) = self.container.clone() else { return gone("removed") };
        let ended = supervisor::run(async move {
            match container.is_running().await {
                Ok(true) => None,
                Ok(false) => match container.exit_code().await {
                    Ok(Some(code)) => Some(Ended { success: code == 0, how: format!("exit status: {code}") }),
                    _ => gone("exit status unknown"),
                },
                Err(error) => gone(&error.to_string()),
            }
        });
        let ended = ended.await?;
        self.finish_copies().await;
        Some(ended)
    }

    pub(super) async fn pid(&self) -> Option<u32> {
        let id = self.container.as_ref()?.id().to_owned();
        supervisor::run(async move {
            let details = docker()?.inspect_container(&id, None).await.ok()?;
            u32::try_from(details.state?.pid?).ok().filter(|pid| *pid > 0)
        })
        .await
    }

    pub(super) async fn stop(&mut self) {
        if let Some(container) = self.container.clone() {
            supervisor::run(async move {
                // What fails here the removal settles.
                let _ = container.stop_with_timeout(Some(STOP_SECONDS)).await;
            })
            .await;
        }
        self.finish_copies().await;
        self.remove();
    }

    /// Kills and removes it and waits until its output is complete.
    pub(super) fn remove(&mut self) {
        let Some(container) = self.container.take() else { return };
        let copies = std::mem::take(&mut self.copies);
        supervisor::wait(async move {
            remove(container.id()).await;
            for copy in copies {
                let _ = copy.await;
            }
            RUNNING.lock().unwrap().retain(|id| id != container.id());
            // Its own destructor finds nothing to remove any more.
            drop(container);
        });
    }

    async fn finish_copies(&mut self) {
        for copy in self.copies.drain(..) {
            let _ = copy.await;
        }
    }
}

fn request(image: &str, spec: Spec) -> ContainerRequest<GenericImage> {
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let root = paths::root().display().to_string();
    let directory = spec.directory.display().to_string();
    let user = format!("{}:{}", rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let request = GenericImage::new(name, tag)
        .with_cmd(spec.arguments)
        .with_network("host")
        .with_user(user)
        // The official image otherwise gives up root for a user that cannot write our files.
        .with_env_var("ENVOY_UID", "0")
        .with_working_dir(root.clone())
        .with_label(OWNER, std::process::id().to_string())
        .with_mount(Mount::bind_mount(root.clone(), root).with_access_mode(AccessMode::ReadOnly))
        .with_mount(Mount::bind_mount(directory.clone(), directory));
    spec.environment.into_iter().fold(request, |request, (name, value)| request.with_env_var(name, value))
}

async fn copy(mut from: Pin<Box<dyn AsyncBufRead + Send>>, to: File) {
    let mut to = tokio::fs::File::from_std(to);
    // Ends with the container.
    let _ = tokio::io::copy_buf(&mut from, &mut to).await;
    let _ = to.flush().await;
}

fn docker() -> Option<Docker> {
    Docker::connect_with_local_defaults().ok()
}

async fn remove(id: &str) {
    if let Some(docker) = docker() {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let _ = docker.remove_container(id, Some(options)).await;
    }
}

/// Once per process: watches for the signals that end it.
pub(super) async fn remove_on_signals() {
    static WATCHING: OnceCell<()> = OnceCell::const_new();
    let watch = || {
        supervisor::run(async {
            for (kind, number) in [(SignalKind::interrupt(), 2), (SignalKind::terminate(), 15)] {
                if let Ok(mut signals) = signal(kind) {
                    tokio::spawn(async move {
                        signals.recv().await;
                        let running = RUNNING.lock().unwrap().clone();
                        for id in running {
                            remove(&id).await;
                        }
                        std::process::exit(128 + number);
                    });
                }
            }
        })
    };
    WATCHING.get_or_init(watch).await;
}

/// Removes containers whose process was killed.
async fn sweep() {
    let Some(docker) = docker() else { return };
    let filters = HashMap::from([("label".to_owned(), vec![OWNER.to_owned()])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    for container in docker.list_containers(Some(options)).await.unwrap_or_default() {
        let owner = container.labels.unwrap_or_default().get(OWNER).and_then(|owner| owner.parse().ok());
        if let (Some(id), Some(owner)) = (container.id, owner)
            && !is_alive(owner)
        {
            remove(&id).await;
        }
    }
}
