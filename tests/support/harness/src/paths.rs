//! Where things lie in the repository.

use std::path::{Path, PathBuf};

/// The root of the repository: module paths in the samples start here.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here).to_path_buf()
}

/// A sample configuration by its file name.
#[must_use]
pub fn sample(file: &str) -> PathBuf {
    root().join("envoy").join(file)
}

/// Envoy's binary as `make setup` leaves it, or the one that `ENVOY_BIN` names.
#[must_use]
pub fn envoy_binary() -> Option<PathBuf> {
    let path = std::env::var_os("ENVOY_BIN")
        .map_or_else(|| root().join("target/setup/envoy/bin/envoy"), PathBuf::from);
    path.is_file().then_some(path)
}

/// Envoy's image as `make setup` notes it, or the one that `ENVOY_IMAGE` names. It takes Envoy's arguments as its command.
#[must_use]
pub fn envoy_image() -> Option<String> {
    let noted = || std::fs::read_to_string(root().join("target/setup/envoy/image")).ok();
    let image = std::env::var("ENVOY_IMAGE").ok().or_else(noted)?;
    let image = image.trim();
    (!image.is_empty()).then(|| image.to_owned())
}

/// Redis as `make setup` leaves it, or the one that `REDIS_BIN` names.
#[must_use]
pub fn redis_binary() -> Option<PathBuf> {
    let path = std::env::var_os("REDIS_BIN")
        .map_or_else(|| root().join("target/setup/bin/redis-server"), PathBuf::from);
    path.is_file().then_some(path)
}

/// Where the logs of failed tests are kept.
#[must_use]
pub fn failed_logs() -> PathBuf {
    root().join("target/e2e-logs")
}

/// Another program that `make setup` has brought; `None`: it has not.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = root().join("target/setup/bin").join(name);
    path.is_file().then_some(path)
}

/// Where running Envoys keep their files.
pub(crate) fn run_directories() -> PathBuf {
    root().join("target/e2e-run")
}
