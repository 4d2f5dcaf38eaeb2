//! Builds a target's standard library from the source of exactly the installed release.
//!
//! Libraries built from any other release, or without `stablestd` as metadata, would not fit the compiler: rustc
//! accepts only its own release's, and only libraries marked as the standard library's may use unstable features in a
//! stable toolchain. The result goes where rustup would have put it, the standard library itself last, so that a
//! broken-off copy is not taken for a whole one.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Toolchain;
use crate::command;
use crate::debian::{self, Origin, Package};
use crate::paths::Paths;
use crate::say;
use crate::versions::RUST_SOURCE_SUITE;

/// Half a minute on two cores; slow machines get their time.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// What of wasi-libc a target's `self-contained` directory must hold for its linker.
pub(super) fn start_files(target: &str) -> &'static [&'static str] {
    match target {
        "wasm32-wasip1" => &["crt1-command.o", "crt1-reactor.o", "libc.a"],
        _ => &[],
    }
}

/// The directories that are of no use afterwards.
pub(super) fn left_by_build(paths: &Paths) -> [PathBuf; 2] {
    [debian::directory(paths, "rust-src"), paths.setup.join("std")]
}

/// Builds the standard library of `target` and adds it to the toolchain.
pub(super) fn build(paths: &Paths, toolchain: &Toolchain, target: &str) -> Result<(), String> {
    let destination = toolchain.libraries(target);
    fs::create_dir_all(destination.join("self-contained")).map_err(|error| {
        let sysroot = toolchain.sysroot.display();
        format!("the toolchain in {sysroot} cannot be added to ({error}): run `make setup` once as its owner")
    })?;
    let release = toolchain.release.as_str();
    let bring = |name, release| {
        let packages = [Package { name, release }];
        debian::unpack(paths, name, &packages, Origin::Suite(RUST_SOURCE_SUITE))
            .map_err(|error| error.cause())
    };
    let source = bring("rust-src", Some(release))?;
    let wasi_libc = match start_files(target) {
        [] => None,
        _ => Some(bring("wasi-libc", None)?),
    };

    say(
        &format!("target {target}"),
        &format!("building the standard library of {release} (about half a minute)"),
    );
    let library = source.join(format!("usr/src/rustc-{release}/library"));
    let built = compile(paths, &library, target)?;
    let copy = || {
        for &file in start_files(target) {
            let from = wasi_libc.iter().map(|root| root.join("usr/lib/wasm32-wasi").join(file));
            from.into_iter().try_for_each(|from| {
                fs::copy(from, destination.join("self-contained").join(file)).map(drop)
            })?;
        }
        copy_libraries(&built, &destination)
    };
    copy().map_err(|error: io::Error| format!("copying to {}: {error}", destination.display()))?;
    prove(paths, target)
}

/// Returns the directory with the libraries.
fn compile(paths: &Paths, library: &Path, target: &str) -> Result<PathBuf, String> {
    let output = paths.setup.join("std");
    let mut cargo = command::cargo();
    cargo
        .current_dir(library)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("__CARGO_DEFAULT_LIB_METADATA", "stablestd")
        .env("RUSTFLAGS", "-Zforce-unstable-if-unmarked -Cembed-bitcode=yes")
        .args(["build", "--release", "--manifest-path", "sysroot/Cargo.toml"])
        .args(["--target", target, "--features", "panic-unwind", "--target-dir"])
        .arg(&output);
    command::run(&mut cargo, &paths.setup.join(format!("log/std-{target}.log")), BUILD_LIMIT)
        .map_err(|failure| failure.to_string())?;
    Ok(output.join(target).join("release/deps"))
}

fn copy_libraries(from: &Path, to: &Path) -> io::Result<()> {
    let entries = fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    for library in in_order(&entries) {
        if let Some(name) = library.file_name() {
            // Under its own name only when whole: another build may be reading the directory.
            let partial = to.join(name).with_extension("partial");
            fs::copy(library, &partial)?;
            fs::rename(&partial, to.join(name))?;
        }
    }
    Ok(())
}

/// The libraries among some files, without the empty crate that holds them together, the standard library last.
fn in_order(files: &[PathBuf]) -> Vec<&Path> {
    let is_a = |file: &Path, prefix: &str| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(prefix) && file.extension() == Some(OsStr::new("rlib"))
    };
    let libraries =
        files.iter().map(PathBuf::as_path).filter(|file| is_a(file, "lib") && !is_a(file, "libsysroot"));
    let (last, mut first): (Vec<_>, Vec<_>) = libraries.partition(|file| is_a(file, "libstd-"));
    first.extend(last);
    first
}

/// Compiles and links a program with what was just installed.
fn prove(paths: &Paths, target: &str) -> Result<(), String> {
    let program = paths.setup.join(format!("std/prove-{target}.rs"));
    fs::write(
        &program,
        "#[unsafe(no_mangle)]\npub extern \"C\" fn now() {\n    println!(\"{:?}\", [1u8].to_vec());\n}\n",
    )
    .map_err(|error| error.to_string())?;
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "--crate-type", "cdylib", "--target", target, "-Clto=fat", "-o"]);
    rustc.arg(program.with_extension("wasm")).arg(&program);
    let log = paths.setup.join(format!("log/prove-{target}.log"));
    command::run(&mut rustc, &log, BUILD_LIMIT)
        .map_err(|failure| format!("what was built does not work: {failure}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_are_installed_and_std_goes_last() {
        let files = [
            "libstd-1.rlib",
            "libcore-2.rlib",
            "libsysroot-3.rlib",
            "libcore-2.rmeta",
            "std-1.d",
            "libstd_detect-4.rlib",
        ];
        let files: Vec<_> = files.iter().map(PathBuf::from).collect();
        let names: Vec<_> = in_order(&files).into_iter().map(|file| file.to_str().unwrap()).collect();
        assert_eq!(names, ["libcore-2.rlib", "libstd_detect-4.rlib", "libstd-1.rlib"]);
    }
}
