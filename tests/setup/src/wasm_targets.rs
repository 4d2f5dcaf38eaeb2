//! The standard library for the Wasm targets, in the toolchain that is in use.
//!
//! Three ways, in this order: it is there; rustup brings it; it is built from Debian's source of the same release
//! (`wasm_targets/source.rs`), which needs neither rustup nor its download server.

mod source;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::command::{self, find_on_path};
use crate::debian;
use crate::error::Error;
use crate::paths::Paths;
use crate::say;

/// The filters' target, and the one on which core's tests run under wasm-bindgen-test.
const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// rustup tries again by itself when a server does not answer; this is when to stop believing in it.
const RUSTUP_LIMIT: Duration = Duration::from_secs(300);

/// What is known about a target before the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    /// Its standard library is in the toolchain.
    present: bool,
    /// The toolchain is one of rustup's, and rustup has not been asked yet.
    ask_rustup: bool,
    /// Debian packages can be brought, and its source has not been built yet.
    build: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Finish,
    AskRustup,
    Build,
    GiveUp,
}

/// The toolchain in use.
struct Toolchain {
    sysroot: PathBuf,
    release: String,
}

/// Sees to it that `rustc --target` works for each of [`TARGETS`].
pub(crate) fn ensure(paths: &Paths) -> Result<(), Error> {
    let toolchain = Toolchain::find().map_err(|reason| {
        let remedy = "install Rust (with rustup, or as a plain toolchain) so that `rustc` is on PATH";
        Error::new("looking for the toolchain", reason, remedy)
    })?;
    // A server that did not answer for one target is not asked for the next.
    let mut refused_by_rustup = None;
    let outcome = TARGETS
        .into_iter()
        .try_for_each(|target| ensure_one(paths, &toolchain, target, &mut refused_by_rustup));
    if outcome.is_ok() {
        tidy(paths);
    }
    outcome
}

fn ensure_one(
    paths: &Paths,
    toolchain: &Toolchain,
    target: &str,
    refused_by_rustup: &mut Option<String>,
) -> Result<(), Error> {
    if toolchain.has(target) {
        return Ok(());
    }
    let step = format!("target {target}");
    let ask_rustup = refused_by_rustup.is_none() && toolchain.is_of_rustup();
    let mut facts = Facts { present: false, ask_rustup, build: debian::is_possible() };
    let mut refusals: Vec<_> = refused_by_rustup.iter().cloned().collect();
    loop {
        let outcome = match next(facts) {
            Step::Finish => return Ok(()),
            Step::AskRustup => {
                facts.ask_rustup = false;
                ask(paths, target).inspect_err(|refusal| *refused_by_rustup = Some(refusal.clone()))
            }
            Step::Build => {
                facts.build = false;
                source::build(paths, toolchain, target)
            }
            Step::GiveUp => return Err(give_up(&step, target, toolchain, &refusals)),
        };
        facts.present = toolchain.has(target);
        let outcome = outcome.and_then(|()| {
            let missing = || {
                format!("it claims success, but {} lacks libraries", toolchain.libraries(target).display())
            };
            facts.present.then_some(()).ok_or_else(missing)
        });
        if let Err(reason) = outcome {
            say(&step, reason.lines().next().unwrap_or_default());
            refusals.push(reason);
        }
    }
}

fn ask(paths: &Paths, target: &str) -> Result<(), String> {
    say(&format!("target {target}"), "asking rustup for it");
    let mut rustup = Command::new("rustup");
    let log = paths.setup.join("log/rustup.log");
    command::run(rustup.args(["target", "add", target]), &log, RUSTUP_LIMIT)
        .map_err(|failure| failure.to_string())
}

/// Removes what building leaves: half a gigabyte that nothing needs once the libraries are in the toolchain.
fn tidy(paths: &Paths) {
    for directory in source::left_by_build(paths) {
        // Leaving it does no harm.
        let _ = fs::remove_dir_all(directory);
    }
}

fn next(facts: Facts) -> Step {
    match facts {
        Facts { present: true, .. } => Step::Finish,
        Facts { ask_rustup: true, .. } => Step::AskRustup,
        Facts { build: true, .. } => Step::Build,
        _ => Step::GiveUp,
    }
}

fn give_up(step: &str, target: &str, toolchain: &Toolchain, refusals: &[String]) -> Error {
    let reason = if refusals.is_empty() {
        "the toolchain has no standard library for it, and the machine has neither rustup nor apt".to_owned()
    } else {
        refusals.join("\n  then ")
    };
    let release = &toolchain.release;
    let remedy = format!(
        "run `rustup target add {target}` where the network allows it, or install the package of your distribution \
         that holds Rust {release}'s standard library for {target}"
    );
    Error::new(step, reason, remedy)
}

impl Toolchain {
    fn find() -> Result<Self, String> {
        let ask = |arguments: &[&str]| {
            command::output(Command::new("rustc").args(arguments)).map_err(|failure| failure.to_string())
        };
        let version = ask(&["--version", "--verbose"])?;
        let release = version.lines().find_map(|line| line.strip_prefix("release: "));
        let release = release.ok_or("`rustc --version --verbose` names no release")?.to_owned();
        Ok(Self { sysroot: PathBuf::from(ask(&["--print", "sysroot"])?), release })
    }

    /// Where the libraries of a target lie.
    fn libraries(&self, target: &str) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(target).join("lib")
    }

    fn has(&self, target: &str) -> bool {
        let libraries = self.libraries(target);
        let names =
            fs::read_dir(&libraries).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.file_name()));
        let std = names.into_iter().any(|name| {
            let name = name.to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        });
        std && source::start_files(target)
            .iter()
            .all(|file| libraries.join("self-contained").join(file).is_file())
    }

    /// Whether the `rustup` on PATH is the one that this toolchain belongs to.
    fn is_of_rustup(&self) -> bool {
        find_on_path("rustup").is_some()
            && command::output(Command::new("rustup").args(["which", "rustc"])).is_ok_and(|rustc| {
                let real = |path: PathBuf| fs::canonicalize(path).ok();
                let theirs =
                    PathBuf::from(rustc).ancestors().nth(2).and_then(|root| real(root.to_path_buf()));
                theirs.is_some() && theirs == real(self.sysroot.clone())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustup_goes_before_building_and_nothing_is_done_twice() {
        for (present, ask_rustup, build, step) in [
            (true, true, true, Step::Finish),
            (true, false, false, Step::Finish),
            (false, true, true, Step::AskRustup),
            (false, true, false, Step::AskRustup),
            (false, false, true, Step::Build),
            (false, false, false, Step::GiveUp),
        ] {
            let facts = Facts { present, ask_rustup, build };
            assert_eq!(next(facts), step, "{facts:?}");
        }
    }

    #[test]
    fn giving_up_tells_every_refusal_and_what_to_do() {
        let toolchain = Toolchain { sysroot: PathBuf::from("/nowhere"), release: "1.95.0".to_owned() };
        let refusals = ["no server".to_owned(), "no package".to_owned()];
        let said = give_up("target t", "t", &toolchain, &refusals).to_string();
        for part in ["target t failed", "no server", "no package", "rustup target add t", "1.95.0"] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}
