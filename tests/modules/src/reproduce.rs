//! Builds the filters twice, from two clones at two places, and compares.

use crate::build::{BuildError, Workspace};
use crate::cargo::{Cargo, output};
use crate::locate::{file_name, workspace_root};
use crate::section::drop_names;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the clones go, below the workspace's root.
const PLACE: &str = "target/reproducible";

/// A module that was built twice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Compared {
    /// Its file's name.
    pub file: String,
    /// The SHA-256 sum of each build, in hexadecimal digits.
    pub sums: [String; 2],
}

impl Compared {
    /// Whether both builds are the same to the byte.
    pub fn is_same(&self) -> bool {
        self.sums[0] == self.sums[1]
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.sums;
        if self.is_same() {
            return write!(f, "{first}  {}", self.file);
        }
        write!(f, "{first}  {}\n{second}  differs", self.file)
    }
}

/// Builds filters from two clones of what is committed, at places of different lengths, each with a target directory of its
/// own and the second with another home of cargo's. With names, only these filters. What differs stays below
/// `target/reproducible/` to be looked at; the rest is removed.
///
/// # Errors
/// See [`BuildError`].
pub fn reproduce(names: &[String]) -> Result<Vec<Compared>, BuildError> {
    let place = workspace_root().join(PLACE);
    remove(&place)?;
    let one = built(&Cargo { root: clone(&place.join("one"))?, home: None }, names)?;
    let home = home_like_this_one(&place.join("home-of-another"))?;
    let other = built(&Cargo { root: clone(&place.join("at/another/place"))?, home: Some(home) }, names)?;
    let compared = compare(one, other);
    if compared.iter().all(Compared::is_same) {
        remove(&place)?;
    }
    Ok(compared)
}

/// File names with sums.
type Sums = Vec<(String, String)>;

fn compare(one: Sums, other: Sums) -> Vec<Compared> {
    let pairs = one.into_iter().zip(other);
    pairs.map(|((file, first), (_, second))| Compared { file, sums: [first, second] }).collect()
}

fn built(cargo: &Cargo, names: &[String]) -> Result<Sums, BuildError> {
    let mut workspace = Workspace::read(cargo.clone(), names)?;
    workspace.only_filters();
    let modules = workspace.modules()?;
    let place = cargo.root.join("dist");
    fs::create_dir_all(&place).map_err(|source| BuildError::File { path: place.clone(), source })?;
    let mut sums = Vec::new();
    for module in modules {
        let (file, shipped) = (file_name(&module.name), drop_names(&module.named));
        let path = place.join(&file);
        fs::write(&path, &shipped).map_err(|source| BuildError::File { path, source })?;
        sums.push((file, Sha256::digest(&shipped).iter().map(|byte| format!("{byte:02x}")).collect()));
    }
    Ok(sums)
}

/// A clone of the commit that the workspace is at.
fn clone(place: &Path) -> Result<PathBuf, BuildError> {
    let root = workspace_root();
    let git = |words: &[&str], at: &Path| output(Command::new("git").current_dir(at).args(words));
    let commit = git(&["rev-parse", "HEAD"], &root)?;
    let commit = String::from_utf8_lossy(&commit);
    let (from, to) = (root.to_string_lossy(), place.to_string_lossy());
    git(&["clone", "-q", "--shared", "--no-checkout", &from, &to], &root)?;
    git(&["checkout", "-q", "--detach", commit.trim()], place)?;
    Ok(place.to_path_buf())
}

/// Another home of cargo's, in which everything that was downloaded is found all the same.
fn home_like_this_one(place: &Path) -> Result<PathBuf, BuildError> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    let failed = |source| BuildError::File { path: place.to_path_buf(), source };
    fs::create_dir_all(place).map_err(failed)?;
    for name in ["registry", "git", "config.toml"] {
        let known = home.join(name);
        if known.exists() {
            std::os::unix::fs::symlink(known, place.join(name)).map_err(failed)?;
        }
    }
    Ok(place.to_path_buf())
}

fn remove(place: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BuildError::File { path: place.to_path_buf(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn one_other_byte_is_told() {
        let sums =
            |last: &str| vec![("a.wasm".to_owned(), "00".to_owned()), ("b.wasm".to_owned(), last.to_owned())];
        let compared = compare(sums("01"), sums("02"));
        assert_eq!(compared.iter().map(|module| module.is_same()).collect::<Vec<_>>(), [true, false]);
        assert_eq!(compared[0].to_string(), "00  a.wasm");
        assert_eq!(compared[1].to_string(), "01  b.wasm\n02  differs");
    }
}
