//! Brings what the other targets need: Wasm targets, Envoy, the Wasm test runner, Redis.
//!
//! On a fresh machine that has Rust, make, and either Docker or Python 3, `make setup` is enough to run and to test
//! everything. What is there is not touched, so it costs next to nothing when there is nothing to do; each thing that is
//! done is said; nothing outside `target/` and the Rust toolchain changes. A step that cannot work says why, and what
//! a person can do about it.
//!
//! Each step looks at facts, decides in a pure function what comes next, does that, and looks again. The harness finds
//! the results through [`paths`].
//!
//! Limits: Linux on x86_64 and aarch64; elsewhere `ENVOY_BIN` or `ENVOY_IMAGE` must name an Envoy.

#![forbid(unsafe_code)]

mod cargo_lock;
mod command;
pub mod debian;
mod envoy;
mod error;
mod paths;
mod redis;
pub mod stages;
mod stores;
pub mod tools;
mod versions;
mod wasm_targets;
mod wasm_tests;
mod wheels;

use std::fs::{self, File};
use std::io;
use std::path::Path;

pub use self::error::Error;
pub use self::paths::{Paths, paths};
pub use self::versions::ENVOY_VERSION;

/// Does everything that is not yet done. Several of these at once wait for each other.
///
/// # Errors
///
/// One for each step that cannot work. The steps do not depend on each other, so all are tried. What only one kind of
/// test needs is said, but no error: that test will fail, and the rest works.
pub fn prepare() -> Result<(), Vec<Error>> {
    let paths = paths();
    let _lock = lock(&paths).map_err(|error| {
        let setup = paths.setup.display();
        vec![Error::new("making target/setup", format!("{setup}: {error}"), "make target/ writable")]
    })?;
    let mut errors = Vec::new();
    errors.extend(wasm_targets::ensure(&paths).err());
    let envoy = envoy::ensure(&paths).map_err(|error| errors.push(error));
    for outcome in [wasm_tests::ensure_runner(&paths), wasm_tests::ensure_node(&paths)] {
        if let Err(error) = outcome {
            say("without the tests on wasm32", &error.to_string());
        }
    }
    if let Err(error) = redis::ensure(&paths) {
        say("without the tests of fleets", &error.to_string());
    }
    if let Err(error) = stores::ensure(&paths) {
        say("without the tests of stores that fleets share", &error.to_string());
    }
    match envoy {
        Ok(ways) if errors.is_empty() => {
            say("ready", &format!("Envoy {ENVOY_VERSION} {ways}"));
            Ok(())
        }
        _ => Err(errors),
    }
}

/// Brings an Envoy of one of the versions that the filters are tested with, unless it is there, and says where its binary is.
///
/// # Errors
///
/// It is none of these versions, or cannot be brought.
pub fn envoy(version: &str) -> Result<std::path::PathBuf, Error> {
    let paths = paths();
    let failed = |error: io::Error| Error::new("making target/setup", error, "make target/ writable");
    let _lock = lock(&paths).map_err(failed)?;
    envoy::of_version(&paths, version)
}

fn say(step: &str, what: &str) {
    eprintln!("setup: {step}: {what}");
}

/// Held until the file is dropped.
fn lock(paths: &Paths) -> io::Result<File> {
    fs::create_dir_all(&paths.setup)?;
    let file = File::create(paths.setup.join("lock"))?;
    file.lock()?;
    Ok(file)
}

/// Makes something beside its place, then moves it there: who looks meanwhile sees the old one or the new one, whole.
fn replace(place: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if let Some(directory) = place.parent() {
        fs::create_dir_all(directory)?;
    }
    let new = place.with_added_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    make(&new)?;
    fs::rename(&new, place)
}
