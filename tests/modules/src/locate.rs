//! Where the built modules lie.

use std::fmt;
use std::path::{Path, PathBuf};

/// A module that has not been built. It shows its text also under `Debug`, so that a test's `unwrap` says what to do.
#[derive(thiserror::Error)]
#[error("no module at {path}: build the modules with `make wasm`", path = path.display())]
pub struct MissingModule {
    /// Where the module would be.
    pub path: PathBuf,
}

impl fmt::Debug for MissingModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The module that ships for the filter with this name, for example `rate-limit`.
///
/// # Errors
/// When it has not been built.
pub fn filter_module(name: &str) -> Result<PathBuf, MissingModule> {
    existing(filters_directory().join(file_name(name)))
}

/// The module of the test plugin with this name, for example `noop`.
///
/// # Errors
/// When it has not been built.
pub fn plugin_module(name: &str) -> Result<PathBuf, MissingModule> {
    existing(plugins_directory().join(file_name(name)))
}

/// The trimmed module of a filter or test plugin with its function names kept, which [`crate::instrument`] takes.
///
/// # Errors
/// When it has not been built.
pub fn named_module(name: &str) -> Result<PathBuf, MissingModule> {
    existing(named_directory().join(format!("{name}.named.wasm")))
}

/// The root directory of the workspace.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

pub(crate) fn filters_directory() -> PathBuf {
    workspace_root().join("dist")
}

pub(crate) fn plugins_directory() -> PathBuf {
    workspace_root().join("target/plugins")
}

pub(crate) fn named_directory() -> PathBuf {
    workspace_root().join("target/modules")
}

/// The plugin that is all filters.
pub(crate) const ALL: &str = "all";

pub(crate) fn file_name(name: &str) -> String {
    if name == ALL {
        return "ballast.wasm".to_owned();
    }
    format!("ballast_{}.wasm", name.replace('-', "_"))
}

/// The name of the module in this file, if it is one of ours.
#[must_use]
pub fn module_name(file: &Path) -> Option<String> {
    let stem = file.file_stem()?.to_str()?;
    if stem == "ballast" {
        return Some(ALL.to_owned());
    }
    Some(stem.strip_prefix("ballast_")?.replace('_', "-"))
}

fn existing(path: PathBuf) -> Result<PathBuf, MissingModule> {
    if path.is_file() { Ok(path) } else { Err(MissingModule { path }) }
}

#[cfg(test)]
mod tests {
    use super::{file_name, filter_module, module_name, workspace_root};
    use std::path::Path;

    #[test]
    fn a_missing_module_is_reported_with_its_path_and_the_command_that_builds_it() {
        let text = filter_module("does-not-exist").unwrap_err().to_string();
        assert!(text.contains("dist/ballast_does_not_exist.wasm"), "{text}");
        assert!(text.contains("make wasm"), "{text}");
    }

    #[test]
    fn a_file_and_its_module_name_each_other() {
        for (name, file) in [
            ("rate-limit", "ballast_rate_limit.wasm"),
            ("all", "ballast.wasm"),
            ("noop", "ballast_noop.wasm"),
        ] {
            assert_eq!(file_name(name), file);
            assert_eq!(module_name(&Path::new("dist").join(file)).as_deref(), Some(name));
        }
        assert_eq!(module_name(Path::new("dist/other.wasm")), None);
    }

    #[test]
    fn the_workspace_root_holds_the_workspace_manifest() {
        let manifest = std::fs::read_to_string(workspace_root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }
}
