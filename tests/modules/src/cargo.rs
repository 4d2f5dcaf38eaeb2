//! How cargo is called for a workspace.

use crate::build::BuildError;
use crate::locate::workspace_root;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What stands in a module for the directory of the dependencies, wherever that is.
const DEPENDENCIES: &str = "/dependencies";

/// Cargo for the workspace at a place.
#[derive(Clone, Debug)]
pub(crate) struct Cargo {
    /// The workspace's root.
    pub(crate) root: PathBuf,
    /// Where cargo keeps what it downloads; `None`: where it does for everybody.
    pub(crate) home: Option<PathBuf>,
}

impl Cargo {
    /// For the workspace that this program is of.
    pub(crate) fn here() -> Self {
        Self { root: workspace_root(), home: None }
    }

    /// Runs a command of cargo's, with these flags for the compiler and no others.
    pub(crate) fn output(&self, words: &[&str], flags: Option<&OsStr>) -> Result<Vec<u8>, BuildError> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        // The flags of a surrounding `cargo run` or a test are not meant for the modules.
        command
            .current_dir(&self.root)
            .args(words)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        if let Some(flags) = flags {
            command.env("CARGO_ENCODED_RUSTFLAGS", flags);
        }
        if let Some(home) = &self.home {
            command.env("CARGO_HOME", home).env_remove("CARGO_TARGET_DIR");
        }
        output(&mut command)
    }

    /// Flags that keep the places of this machine out of what is compiled: a panic says in which file it is, and the files
    /// of dependencies are somewhere in a home directory. Those of the workspace are named from its root on.
    pub(crate) fn path_flags(&self, target: &str) -> Result<OsString, BuildError> {
        let output = self.output(&["metadata", "--format-version=1", "--filter-platform", target], None)?;
        let metadata: Metadata = serde_json::from_slice(&output)?;
        Ok(flags(&metadata, &self.root))
    }
}

fn flags(metadata: &Metadata, root: &Path) -> OsString {
    let others = metadata.packages.iter().filter(|package| !package.manifest_path.starts_with(root));
    let places: BTreeSet<&Path> =
        others.filter_map(|package| package.manifest_path.ancestors().nth(2)).collect();
    let mut flags: Vec<OsString> = Vec::new();
    for (place, shown) in places.into_iter().map(|place| (place, DEPENDENCIES)).chain([(root, "/ballast")]) {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(place);
        flag.push("=");
        flag.push(shown);
        flags.push(flag);
    }
    flags.join(OsStr::new("\u{1f}"))
}

/// What is used of cargo's description of the workspace and its dependencies.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
}

/// Runs the command, lets it speak to the terminal, and gives what it printed on standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, BuildError> {
    let failed = |command: &Command| {
        let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
        BuildError::Command(words.join(OsStr::new(" ")).to_string_lossy().into_owned())
    };
    let result = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    match result {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(_) | Err(_) => Err(failed(command)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Metadata, Package, flags};
    use std::path::Path;

    #[test]
    fn no_place_of_the_machine_is_left_in_what_is_compiled() {
        let package = |path: &str| Package { manifest_path: path.into() };
        let packages =
            ["/home/a/.cargo/registry/src/x-1/serde-1.0.0/Cargo.toml", "/w/filters/core/Cargo.toml"];
        let metadata = Metadata { packages: packages.map(package).into() };
        let flags = flags(&metadata, Path::new("/w")).into_string().unwrap();
        let flags: Vec<&str> = flags.split('\u{1f}').collect();
        let expected = [
            "--remap-path-prefix=/home/a/.cargo/registry/src/x-1=/dependencies",
            "--remap-path-prefix=/w=/ballast",
        ];
        assert_eq!(flags, expected);
    }
}
