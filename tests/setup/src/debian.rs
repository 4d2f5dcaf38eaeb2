//! Brings programs and sources that Debian packages, without installing any.
//!
//! Packages are downloaded through a private view of apt (`debian/apt.rs`) and unpacked with `dpkg -x`
//! under `target/setup/debian/<name>`. Their maintainer scripts never run, and root is not needed.
//!
//! Limits: a machine without apt gets nothing here. A program needs a launcher ([`install_launcher`]) to find the
//! libraries that were unpacked with it, and paths that are compiled into it still point outside.

mod apt;
mod sources;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use self::apt::Apt;
pub use self::apt::Origin;
use crate::command::{self, find_on_path};
use crate::error::Error;
use crate::paths::Paths;
use crate::{replace, say};

/// For a slow line: the largest packages have a hundred megabytes.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(900);

/// A package to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package<'a> {
    /// Its name.
    pub name: &'a str,
    /// The upstream release it must be of (`1.95.0` of `1.95.0+dfsg1-2`), where that matters.
    pub release: Option<&'a str>,
}

/// Whether this machine can bring Debian packages at all.
pub fn is_possible() -> bool {
    ["apt-get", "apt-cache", "apt-config", "dpkg"].into_iter().all(|program| find_on_path(program).is_some())
}

/// Where [`unpack`] puts what belongs to `name`.
pub fn directory(paths: &Paths, name: &str) -> PathBuf {
    paths.setup.join("debian").join(name)
}

/// Unpacks packages into a directory that belongs to `name` and returns it. Does nothing if that was done before.
///
/// # Errors
///
/// When apt cannot be used, finds no such package or release, or cannot download it.
pub fn unpack(paths: &Paths, name: &str, packages: &[Package<'_>], origin: Origin) -> Result<PathBuf, Error> {
    let directory = directory(paths, name);
    let wanted = format!("{packages:?} {origin:?}\n");
    let done = directory.join(".unpacked");
    if fs::read_to_string(&done).is_ok_and(|text| text == wanted) {
        return Ok(directory);
    }
    let step = format!("Debian package {name}");
    let remedy = "check apt's configuration and its network: `apt-get update`, as root, shows both";
    let fail = |reason: &dyn std::fmt::Display| Error::new(&step, reason, remedy);

    if !is_possible() {
        return Err(fail(&"this machine does not have apt"));
    }
    say(&step, "downloading it into target/setup (nothing is installed)");
    let apt = Apt::new(&paths.setup.join("apt"), origin).map_err(|reason| fail(&reason))?;
    let logs = paths.setup.join("log");
    // Some mirror or index may fail while the one that matters does not: what counts is what can be found afterwards.
    let updated =
        command::run(apt.command("apt-get").arg("update"), &logs.join("apt-update.log"), DOWNLOAD_LIMIT);
    let downloads = download(&apt, packages, origin, &logs.join("apt-download.log")).map_err(|reason| {
        let also = updated.err().map(|failure| format!("\n  before that, {failure}")).unwrap_or_default();
        fail(&format!("{reason}{also}"))
    })?;

    let partial = directory.with_added_extension("partial");
    remove(&partial).and_then(|()| fs::create_dir_all(&partial)).map_err(|error| fail(&error))?;
    for package in &downloads {
        let mut dpkg = Command::new("dpkg");
        let log = logs.join("dpkg.log");
        command::run(dpkg.arg("-x").args([package, &partial]), &log, DOWNLOAD_LIMIT)
            .map_err(|error| fail(&error))?;
    }
    let publish = || {
        fs::write(partial.join(".unpacked"), &wanted)?;
        remove(&directory)?;
        fs::rename(&partial, &directory)?;
        remove(&apt.archives())
    };
    publish().map_err(|error| fail(&error))?;
    Ok(directory)
}

/// Puts a script in place that starts a program of an unpacked directory with the libraries unpacked beside it, and
/// with these files named by environment variables.
///
/// # Errors
///
/// When the script cannot be written.
pub fn install_launcher(
    directory: &Path,
    program: &str,
    environment: &[(&str, &Path)],
    place: &Path,
) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let script = launcher(&directory.join(program), &library_directories(directory), environment);
    replace(place, |new| {
        fs::write(new, script)?;
        fs::set_permissions(new, fs::Permissions::from_mode(0o755))
    })
}

fn download(apt: &Apt, packages: &[Package<'_>], origin: Origin, log: &Path) -> Result<Vec<PathBuf>, String> {
    let chosen = packages.iter().map(|package| choose(apt, package)).collect::<Result<Vec<_>, _>>()?;
    let mut get = apt.command("apt-get");
    match origin {
        Origin::Suite(_) | Origin::Alone => get.arg("download"),
        Origin::Machine => get.args(["install", "--download-only", "--yes", "--no-install-recommends"]),
    };
    command::run(get.args(chosen).current_dir(apt.archives()), log, DOWNLOAD_LIMIT)
        .map_err(|failure| failure.to_string())?;
    let packages: Vec<_> = entries(&apt.archives()).into_iter().filter(|file| is_wanted(file)).collect();
    if packages.is_empty() { Err("apt downloaded nothing".to_owned()) } else { Ok(packages) }
}

/// Packages, but not the C library: it must be of one piece with the machine's loader.
fn is_wanted(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".deb") && !name.starts_with("libc6_")
}

/// `name=version`, of the newest version that fits.
fn choose(apt: &Apt, package: &Package<'_>) -> Result<String, String> {
    let name = package.name;
    let said = command::output(apt.command("apt-cache").args(["madison", name]))
        .map_err(|error| error.to_string())?;
    let versions = parse_madison(&said);
    let version =
        versions.iter().find(|version| package.release.is_none_or(|release| is_of_release(version, release)));
    version.map(|version| format!("{name}={version}")).ok_or_else(|| match package.release {
        Some(release) if !versions.is_empty() => {
            format!("{name} is there in {}, but not in release {release}", versions.join(", "))
        }
        _ => format!("apt finds no package {name}"),
    })
}

/// The versions in the output of `apt-cache madison`, newest first.
fn parse_madison(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim).collect()
}

fn is_of_release(version: &str, release: &str) -> bool {
    let upstream = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    upstream.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', '-']))
}

/// A script that starts a program of an unpacked directory with the libraries that were unpacked beside it.
fn launcher(program: &Path, libraries: &[PathBuf], environment: &[(&str, &Path)]) -> String {
    let libraries: Vec<_> = libraries.iter().map(|directory| directory.to_string_lossy()).collect();
    let variables =
        environment.iter().map(|(name, file)| format!("{name}='{}'\nexport {name}\n", file.display()));
    format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}'\nexport LD_LIBRARY_PATH\n{}exec '{}' \"$@\"\n",
        libraries.join(":"),
        variables.collect::<String>(),
        program.display()
    )
}

/// Where unpacked libraries lie: in a directory of the architecture, or (for some private ones) just below it.
fn library_directories(root: &Path) -> Vec<PathBuf> {
    let parents = ["usr/lib", "lib"].map(|parent| root.join(parent));
    let is_of_architecture = |path: &PathBuf| path.to_string_lossy().contains("-linux-gnu");
    let mut all: Vec<_> =
        parents.iter().flat_map(|parent| entries(parent)).filter(is_of_architecture).collect();
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("lib") && name.contains(".so")
    };
    let below = all.iter().flat_map(|directory| entries(directory));
    let private: Vec<_> = below.filter(|path| entries(path).iter().any(is_library)).collect();
    all.extend(private);
    all
}

/// In the order of their names; none of what cannot be read.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_newest_first() {
        let text =
            "  rust-src | 1.96.1+dfsg1-2 | mirror suite/main amd64 Packages\n rust-src | 1.95.0-1 | mirror\n";
        assert_eq!(parse_madison(text), ["1.96.1+dfsg1-2", "1.95.0-1"]);
        assert_eq!(parse_madison(""), [""; 0]);
    }

    #[test]
    fn the_c_library_stays_the_machines() {
        for (file, wanted) in [
            ("/x/nodejs_18.20.4_amd64.deb", true),
            ("/x/libc6_2.36-9_amd64.deb", false),
            ("/x/libc-ares2_1.18.1_amd64.deb", true),
            ("/x/partial", false),
            ("/x/lock", false),
        ] {
            assert_eq!(is_wanted(Path::new(file)), wanted, "{file}");
        }
    }

    #[test]
    fn a_launcher_finds_both_the_program_and_its_libraries() {
        let libraries = ["/d/usr/lib/a".into(), "/d/lib/a".into()];
        let script = launcher(Path::new("/d/usr/bin/p"), &libraries, &[("F", Path::new("/d/f"))]);
        let lines: Vec<_> = script.lines().collect();
        let libraries = "LD_LIBRARY_PATH='/d/usr/lib/a:/d/lib/a'";
        assert_eq!(
            lines,
            [
                "#!/bin/sh",
                libraries,
                "export LD_LIBRARY_PATH",
                "F='/d/f'",
                "export F",
                "exec '/d/usr/bin/p' \"$@\""
            ]
        );
    }

    #[test]
    fn a_release_is_matched_whole() {
        for (version, release, fits) in [
            ("1.95.0+dfsg1-2~bpo13+1", "1.95.0", true),
            ("1.95.0-1", "1.95.0", true),
            ("1:1.95.0-1", "1.95.0", true),
            ("1.95.0~rc1-1", "1.95.0", false),
            ("1.95.0", "1.95.0", true),
            ("1.95.01-1", "1.95.0", false),
            ("1.95.0.1-1", "1.95.0", false),
            ("11.95.0-1", "1.95.0", false),
            ("1.96.1+dfsg1-2", "1.95.0", false),
        ] {
            assert_eq!(is_of_release(version, release), fits, "{version} {release}");
        }
    }
}
