//! What a fleet of proxies shares besides Redis: its HTTP front Webdis, and nginx as a plain store of objects.
//!
//! As Debian ships them, unpacked and not installed. Only the tests of a fleet and `make run` with its sample need them.

use std::path::Path;
use std::process::Command;

use crate::command;
use crate::debian::{self, Origin, Package};
use crate::error::Error;
use crate::paths::Paths;
use crate::say;

/// The program, the package that has it, its place there, and what makes it say its version; Webdis would start.
const PROGRAMS: [(&str, &str, &str, Option<&str>); 2] =
    [("webdis", "webdis", "usr/bin/webdis", None), ("nginx", "nginx", "usr/sbin/nginx", Some("-v"))];

/// Sees to it that the programs are there, under `target/setup/bin`.
pub(crate) fn ensure(paths: &Paths) -> Result<(), Error> {
    for (program, package, place, version) in PROGRAMS {
        let launcher = paths.setup.join("bin").join(program);
        if runs(&launcher, version) {
            continue;
        }
        let package = Package { name: package, release: None };
        let directory = debian::unpack(paths, program, &[package], Origin::Machine)?;
        let fail = |reason: String| Error::new(program, reason, "install what it lacks, or see its error");
        debian::install_launcher(&directory, place, &[], &launcher)
            .map_err(|error| fail(error.to_string()))?;
        if !runs(&launcher, version) {
            return Err(fail(format!("what was unpacked to {} does not run", directory.display())));
        }
        say(program, &format!("is {}", launcher.display()));
    }
    Ok(())
}

/// Whether it starts and ends as a program that says its version does.
fn runs(launcher: &Path, version: Option<&str>) -> bool {
    let says = |version| command::output(Command::new(launcher).arg(version)).is_ok();
    launcher.is_file() && version.is_none_or(says)
}
