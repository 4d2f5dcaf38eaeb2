//! Compiles every plugin of the workspace and puts the trimmed modules where tests and Envoy find them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::cargo::{Cargo, output};
use crate::locate::{ALL, file_name, filters_directory, named_directory, plugins_directory, workspace_root};
use crate::section::drop_names;
use crate::trim::{TrimError, forms, trim};

const TARGET: &str = "wasm32-wasip1";
/// How plugins are compiled whose manifests name no other profile as `package.metadata.ballast.profile`.
const PROFILE: &str = "wasm";
/// The profile of all, if this variable names one: `wasm-quick` builds in a fifth of the time, for trying things out.
const PROFILE_VARIABLE: &str = "BALLAST_WASM_PROFILE";

/// Why the modules could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The compiler has no standard library for the target.
    #[error("the Rust toolchain lacks the target {TARGET}: run `make setup`")]
    MissingTarget,
    /// No plugin of the workspace has this name.
    #[error("no filter and no test plugin is called {0}")]
    UnknownPlugin(String),
    /// A command could not be started or failed; what it printed stands above.
    #[error("`{0}` failed")]
    Command(String),
    /// cargo described the workspace in an unknown form.
    #[error("cargo metadata is not as expected: {0}")]
    Metadata(#[from] serde_json::Error),
    /// A module could not be trimmed.
    #[error("{module}: {source}")]
    Trim {
        /// The module's file name.
        module: String,
        /// What is wrong with it.
        source: TrimError,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// One built module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Built {
    /// Where it lies, relative to the workspace's root.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: usize,
    /// Whether this build changed it.
    pub changed: bool,
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kibibytes = self.bytes.div_ceil(1024);
        let unchanged = if self.changed { "" } else { "  (unchanged)" };
        write!(f, "{:<44} {kibibytes:>5} KiB{unchanged}", self.path.display())
    }
}

/// Builds all modules: filters into `dist/` with a `SHA256SUMS`, test plugins into `target/plugins/`, and a copy of each
/// that keeps its function names into `target/modules/`. Files whose content is the same are left alone. With names,
/// such as `rate-limit`, only those modules are built and the sums stay as they were.
///
/// # Errors
/// See [`BuildError`].
pub fn build(names: &[String]) -> Result<Vec<Built>, BuildError> {
    let workspace = Workspace::read(Cargo::here(), names)?;
    let mut built = Vec::new();
    let mut sums = BTreeMap::new();
    for module in workspace.modules()? {
        let Module { name, is_filter, named } = module;
        write_if_changed(&named_directory().join(format!("{name}.named.wasm")), &named)?;
        let shipped = drop_names(&named);
        let directory = if is_filter { filters_directory() } else { plugins_directory() };
        let path = directory.join(file_name(&name));
        let changed = write_if_changed(&path, &shipped)?;
        if is_filter {
            sums.insert(file_name(&name), Sha256::digest(&shipped));
        }
        let path = path.strip_prefix(workspace_root()).map_or_else(|_| path.clone(), Path::to_path_buf);
        built.push(Built { path, bytes: shipped.len(), changed });
    }
    if names.is_empty() {
        write_if_changed(&filters_directory().join("SHA256SUMS"), sums_text(&sums).as_bytes())?;
    }
    Ok(built)
}

/// A module as it was built, with the names of its functions.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) is_filter: bool,
    pub(crate) named: Vec<u8>,
}

/// A workspace member that becomes a module.
#[derive(Debug)]
struct Plugin {
    package: String,
    /// The package's name without the prefix, as in `rate-limit`.
    name: String,
    /// Where cargo leaves the compiled module, below the directory of the profile.
    compiled: PathBuf,
    /// What its manifest wants it to be compiled with.
    profile: String,
    is_filter: bool,
}

/// The plugins of a workspace, and how they are compiled.
pub(crate) struct Workspace {
    plugins: Vec<Plugin>,
    cargo: Cargo,
    /// Where cargo leaves the compiled modules, by profile.
    compiled: PathBuf,
    /// The profile of all, whatever their manifests want.
    profile: Option<String>,
}

impl Workspace {
    /// The plugins with these names, all of none.
    pub(crate) fn read(cargo: Cargo, names: &[String]) -> Result<Self, BuildError> {
        let output = cargo.output(&["metadata", "--no-deps", "--format-version=1"], None)?;
        let metadata: Metadata = serde_json::from_slice(&output)?;
        let root = cargo.root.clone();
        let mut plugins: Vec<Plugin> =
            metadata.packages.into_iter().filter_map(|package| plugin(package, &root)).collect();
        plugins.sort_by(|a, b| (!a.is_filter, &a.name).cmp(&(!b.is_filter, &b.name)));
        if let Some(unknown) = names.iter().find(|name| plugins.iter().all(|plugin| plugin.name != **name)) {
            return Err(BuildError::UnknownPlugin(unknown.clone()));
        }
        plugins.retain(|plugin| names.is_empty() || names.contains(&plugin.name));
        let compiled = metadata.target_directory.join(TARGET);
        Ok(Self { plugins, cargo, compiled, profile: std::env::var(PROFILE_VARIABLE).ok() })
    }

    /// Leaves the test plugins out.
    pub(crate) fn only_filters(&mut self) {
        self.plugins.retain(|plugin| plugin.is_filter);
    }

    /// What a plugin is compiled with.
    fn profile<'a>(&'a self, plugin: &'a Plugin) -> &'a str {
        self.profile.as_deref().unwrap_or(&plugin.profile)
    }

    /// Compiles and trims.
    pub(crate) fn modules(&self) -> Result<Vec<Module>, BuildError> {
        require_target(&self.cargo.root)?;
        let flags = self.cargo.path_flags(TARGET)?;
        let profiles: BTreeSet<&str> = self.plugins.iter().map(|plugin| self.profile(plugin)).collect();
        for profile in profiles {
            let mut words = vec!["build", "--profile", profile, "--target", TARGET, "--lib", "--examples"];
            let compiled_so = self.plugins.iter().filter(|plugin| self.profile(plugin) == profile);
            compiled_so.for_each(|plugin| words.extend(["--package", &plugin.package]));
            self.cargo.output(&words, Some(&flags))?;
        }
        let mut modules = Vec::new();
        for plugin in &self.plugins {
            let compiled = read(&self.compiled.join(self.profile(plugin)).join(&plugin.compiled))?;
            let failed = |source| BuildError::Trim { module: file_name(&plugin.name), source };
            let whole = trim(&compiled).map_err(failed)?;
            // The one with all filters has what any of them needs.
            let others = if plugin.name == ALL { Vec::new() } else { forms(&compiled).map_err(failed)? };
            for (suffix, named) in [("", whole)].into_iter().chain(others) {
                let name = format!("{}{suffix}", plugin.name);
                modules.push(Module { name, is_filter: plugin.is_filter, named });
            }
        }
        Ok(modules)
    }
}

/// What is used of cargo's description of the workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    metadata: Option<Tables>,
}

/// What tools are told by a manifest, of which a table is for this one.
#[derive(Default, Deserialize)]
struct Tables {
    #[serde(default)]
    ballast: Table,
}

#[derive(Default, Deserialize)]
struct Table {
    profile: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    crate_types: Vec<String>,
}

impl Target {
    /// Where cargo leaves it, if it becomes a module: a library of its own, or an example of a library that others link.
    fn compiled(&self) -> Option<PathBuf> {
        let file = format!("{}.wasm", self.name.replace('-', "_"));
        let is_example = self.kind.iter().any(|kind| kind == "example");
        let directory = if is_example { Path::new("examples") } else { Path::new("") };
        self.crate_types.iter().any(|kind| kind == "cdylib").then(|| directory.join(file))
    }
}

fn plugin(package: Package, root: &Path) -> Option<Plugin> {
    let compiled = package.targets.iter().find_map(Target::compiled)?;
    let directory = package.manifest_path.strip_prefix(root).ok()?;
    let is_filter = directory.starts_with("filters");
    if !is_filter && !directory.starts_with("tests/plugins") {
        return None;
    }
    let name = package.name.strip_prefix("ballast-").unwrap_or(&package.name).to_owned();
    let asked = package.metadata.unwrap_or_default().ballast.profile;
    let profile = asked.unwrap_or_else(|| PROFILE.to_owned());
    Some(Plugin { package: package.name, name, compiled, profile, is_filter })
}

fn require_target(root: &Path) -> Result<(), BuildError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let mut command = Command::new(rustc);
    command.current_dir(root).args(["--print", "target-libdir", "--target", TARGET]);
    let directory = output(&mut command)?;
    let directory = String::from_utf8_lossy(&directory);
    let has_std = std::fs::read_dir(directory.trim()).is_ok_and(|files| {
        files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    });
    if has_std { Ok(()) } else { Err(BuildError::MissingTarget) }
}

fn sums_text(sums: &BTreeMap<String, impl AsRef<[u8]>>) -> String {
    let mut text = String::new();
    for (file, sum) in sums {
        for byte in sum.as_ref() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        let _ = writeln!(text, "  {file}");
    }
    text
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|source| BuildError::File { path: path.to_path_buf(), source })
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, BuildError> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|source| BuildError::File { path: path.to_path_buf(), source })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Built, Workspace, sums_text};
    use crate::cargo::Cargo;

    #[test]
    fn the_plugins_of_the_workspace_are_found_filters_first() {
        let workspace = Workspace::read(Cargo::here(), &[]).unwrap();
        let find = |name: &str| workspace.plugins.iter().position(|plugin| plugin.name == name).unwrap();
        assert!(find("rate-limit") < find("noop"));
        let compiled = |name: &str| workspace.plugins[find(name)].compiled.to_str().unwrap();
        assert_eq!(compiled("rate-limit"), "examples/ballast_rate_limit_module.wasm");
        assert_eq!((compiled("all"), compiled("noop")), ("ballast_all.wasm", "ballast_noop.wasm"));
        assert!(workspace.plugins.iter().all(|plugin| plugin.package != "ballast-core"));
        let profile = |name: &str| workspace.plugins[find(name)].profile.as_str();
        assert_eq!((profile("response-cache"), profile("noop")), ("wasm-fast", "wasm"));
    }

    #[test]
    fn sums_read_as_sha256sum_writes_them() {
        let sums = BTreeMap::from([("b.wasm".to_owned(), [0xff, 0x01]), ("a.wasm".to_owned(), [0x00, 0xa0])]);
        assert_eq!(sums_text(&sums), "00a0  a.wasm\nff01  b.wasm\n");
    }

    #[test]
    fn a_line_tells_path_size_and_whether_it_changed() {
        let mut module = Built { path: "dist/a.wasm".into(), bytes: 2049, changed: true };
        assert_eq!(module.to_string(), format!("{:<44}     3 KiB", "dist/a.wasm"));
        module.changed = false;
        assert!(module.to_string().ends_with("(unchanged)"));
    }
}
