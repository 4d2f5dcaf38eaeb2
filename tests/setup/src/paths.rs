//! Where the set-up leaves what it brought.
//!
//! Always under `target/setup` of the workspace, whatever `CARGO_TARGET_DIR` says: the harness, the Makefile and a
//! person look in one place.

use std::path::{Path, PathBuf};

/// The results of the set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Envoy for process mode: an executable. Absent where only containers are possible.
    pub envoy_binary: PathBuf,
    /// A text file that holds the reference of Envoy's image. Absent where no Docker daemon answers.
    pub envoy_image_file: PathBuf,
    /// Node.js, which runs the tests of wasm32-unknown-unknown.
    pub node: PathBuf,
    /// Redis: an executable.
    pub redis: PathBuf,
    /// Wasm-bindgen's test runner in the version that Cargo.lock asks for.
    pub wasm_bindgen_test_runner: PathBuf,
    /// The root of the workspace.
    pub workspace: PathBuf,
    /// The directory that holds everything the set-up makes.
    pub setup: PathBuf,
}

/// The results of the set-up of this workspace. They are there after `make setup`.
pub fn paths() -> Paths {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Paths::of_workspace(here.ancestors().nth(2).unwrap_or(here))
}

impl Paths {
    pub(crate) fn of_workspace(workspace: &Path) -> Self {
        let setup = workspace.join("target/setup");
        Self {
            envoy_binary: setup.join("envoy/bin/envoy"),
            envoy_image_file: setup.join("envoy/image"),
            node: setup.join("bin/node"),
            redis: setup.join("bin/redis-server"),
            wasm_bindgen_test_runner: setup.join("bin/wasm-bindgen-test-runner"),
            workspace: workspace.to_path_buf(),
            setup,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_where_the_lock_file_is() {
        assert!(paths().workspace.join("Cargo.lock").is_file());
    }
}
