//! What runs tests on wasm32-unknown-unknown: wasm-bindgen's test runner, and Node.js for it.
//!
//! Only `make test-wasm32` needs them, so a machine that cannot have them can still do the rest.
//! The runner must be of exactly the version of the `wasm-bindgen` that the tests link, so Cargo.lock names it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::cargo_lock;
use crate::command::{self, find_on_path};
use crate::error::Error;
use crate::paths::Paths;
use crate::say;
use crate::versions::{NODE_OLDEST_MAJOR, NODE_WHEEL};
use crate::wheels;

/// Two minutes on two cores; slow machines get their time.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// Sees to it that the runner is there in the version that Cargo.lock asks for.
pub(crate) fn ensure_runner(paths: &Paths) -> Result<(), Error> {
    let step = "wasm-bindgen's test runner";
    let lock = paths.workspace.join("Cargo.lock");
    let text = fs::read_to_string(&lock)
        .map_err(|error| Error::new(step, format!("{}: {error}", lock.display()), "restore Cargo.lock"))?;
    let versions = cargo_lock::versions_of(&text, "wasm-bindgen");
    let [version] = versions[..] else {
        let reason =
            format!("Cargo.lock names {} versions of wasm-bindgen, and one is needed", versions.len());
        return Err(Error::new(step, reason, "let `cargo update -p wasm-bindgen` settle on one"));
    };
    let runner = &paths.wasm_bindgen_test_runner;
    if command::output(Command::new(runner).arg("--version")).is_ok_and(|said| is_version(&said, version)) {
        return Ok(());
    }
    say(step, &format!("building {version} (a minute or two)"));
    // The versions it was released with; where the registry lacks one of them, those that fit as well.
    let built = install(paths, version, true).or_else(|_| install(paths, version, false));
    built.map_err(|failure| {
        Error::new(
            step,
            failure,
            "see to it that cargo reaches its registry, and that a C compiler is installed",
        )
    })
}

/// Sees to it that there is a Node.js that is new enough: the machine's, else a wheel's.
pub(crate) fn ensure_node(paths: &Paths) -> Result<(), Error> {
    let node = &paths.node;
    if is_new_enough(node) {
        return Ok(());
    }
    let step = "Node.js";
    let mut refusals = Vec::new();
    for bring in [from_path, from_wheel] {
        match bring(paths) {
            Ok(()) if is_new_enough(node) => {
                say(step, &format!("is {}", node.display()));
                return Ok(());
            }
            Ok(()) => refusals.push("what was brought does not run here, or is too old".to_owned()),
            Err(reason) => refusals.push(reason),
        }
    }
    // Not a broken one in front of whatever else is on PATH. Absent is as good as removed.
    let _ = fs::remove_file(node);
    let remedy = format!("install Node.js {NODE_OLDEST_MAJOR} or later");
    Err(Error::new(step, refusals.join("\n  then "), remedy))
}

fn from_path(paths: &Paths) -> Result<(), String> {
    let node = find_on_path("node").filter(|node| is_new_enough(node));
    let node =
        node.ok_or_else(|| format!("there is no node of version {NODE_OLDEST_MAJOR} or later on PATH"))?;
    crate::replace(&paths.node, |place| symlink(&node, place)).map_err(|error| error.to_string())
}

fn from_wheel(paths: &Paths) -> Result<(), String> {
    let node = wheels::install(paths, &NODE_WHEEL).map_err(|error| error.cause())?;
    crate::replace(&paths.node, |place| symlink(&node, place)).map_err(|error| error.to_string())
}

fn is_new_enough(node: &Path) -> bool {
    // Asking by a script shows that it can run one.
    let said = command::output(Command::new(node).args(["--print", "process.version"]));
    said.is_ok_and(|said| major(&said).is_some_and(|major| major >= NODE_OLDEST_MAJOR))
}

fn install(paths: &Paths, version: &str, locked: bool) -> Result<(), command::Failure> {
    let mut cargo = command::cargo();
    cargo
        // Outside the workspace, whose settings are for the filters.
        .current_dir(&paths.setup)
        // It handles modules of a few hundred kilobytes: its own build is what takes time.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .args(["install", "wasm-bindgen-cli", "--bin", "wasm-bindgen-test-runner", "--force"])
        .arg(format!("--version={version}"))
        .args(locked.then_some("--locked"))
        .arg("--root")
        .arg(&paths.setup)
        .arg("--target-dir")
        .arg(paths.setup.join("wasm-bindgen"));
    command::run(&mut cargo, &paths.setup.join("log/wasm-bindgen.log"), BUILD_LIMIT)?;
    // What it leaves serves nobody. Leaving it does no harm either.
    let _ = fs::remove_dir_all(paths.setup.join("wasm-bindgen"));
    Ok(())
}

fn is_version(said: &str, version: &str) -> bool {
    said.split_whitespace().any(|word| word == version)
}

/// The major version in `v20.20.2`.
fn major(said: &str) -> Option<u32> {
    said.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_node_is_read() {
        for (said, expected) in
            [("v20.20.2\n", Some(20)), ("v8.0.0", Some(8)), ("20.1", None), ("vnext", None)]
        {
            assert_eq!(major(said), expected, "{said}");
        }
    }

    #[test]
    fn a_runner_is_of_a_version_only_if_it_says_so_exactly() {
        for (said, fits) in [
            ("wasm-bindgen-test-runner 0.2.130", true),
            ("wasm-bindgen-test-runner 0.2.13", false),
            ("wasm-bindgen-test-runner 0.2.130 (abc)", true),
            ("", false),
        ] {
            assert_eq!(is_version(said, "0.2.130"), fits, "{said}");
        }
    }
}
