//! Programs that only some tests drive: Prometheus, and Chromium with its driver.
//!
//! They are brought when such a test runs first, and not by `make setup`: Chromium with what it needs has 232 MB to
//! download and 850 MB on disk, which takes under a minute. What is on `PATH` is taken; else Debian's packages are unpacked under
//! `target/setup/debian`.

use std::io;
use std::path::{Path, PathBuf};

use crate::command::find_on_path;
use crate::debian::{self, Origin, Package};
use crate::error::Error;
use crate::paths::{Paths, paths};
use crate::{lock, replace};

/// Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    /// The server.
    pub server: PathBuf,
    /// What checks and tests rules.
    pub promtool: PathBuf,
}

/// A browser that a test can drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chromium {
    /// The browser, which needs no display with `--headless`.
    pub browser: PathBuf,
    /// `chromedriver` of the same version.
    pub driver: PathBuf,
}

const PROMETHEUS: Package<'_> = Package { name: "prometheus", release: None };
const CHROMIUM: [Package<'_>; 2] =
    [Package { name: "chromium", release: None }, Package { name: "chromium-driver", release: None }];

/// Prometheus, brought if it is not there.
///
/// # Errors
///
/// When there is none on `PATH` and Debian's package cannot be had.
pub fn prometheus() -> Result<Prometheus, Error> {
    if let (Some(server), Some(promtool)) = (find_on_path("prometheus"), find_on_path("promtool")) {
        return Ok(Prometheus { server, promtool });
    }
    let paths = paths();
    // It links to nothing but the C library; what the package depends on besides is for its web pages.
    let directory = locked(&paths, || debian::unpack(&paths, "prometheus", &[PROMETHEUS], Origin::Alone))?;
    let program = |name: &str| directory.join("usr/bin").join(name);
    Ok(Prometheus { server: program("prometheus"), promtool: program("promtool") })
}

/// Chromium and its driver, brought if they are not there.
///
/// # Errors
///
/// When there is none on `PATH` and Debian's packages cannot be had.
pub fn chromium() -> Result<Chromium, Error> {
    if let (Some(browser), Some(driver)) = (find_on_path("chromium"), find_on_path("chromedriver")) {
        return Ok(Chromium { browser, driver });
    }
    let paths = paths();
    locked(&paths, || {
        let directory = debian::unpack(&paths, "chromium", &CHROMIUM, Origin::Machine)?;
        let fonts = directory.join("ballast-fonts.conf");
        let place = |name: &str| paths.setup.join("bin").join(name);
        let (browser, driver) = (place("chromium"), place("chromedriver"));
        let install = || {
            replace(&fonts, |new| std::fs::write(new, fonts_of(&directory)))?;
            let environment = [("FONTCONFIG_FILE", fonts.as_path())];
            // Not the package's own script, which looks in the places of an installation.
            let program = "usr/lib/chromium/chromium";
            debian::install_launcher(&directory, program, &environment, &browser)?;
            debian::install_launcher(&directory, "usr/bin/chromedriver", &environment, &driver)
        };
        install().map_err(|error: io::Error| {
            let reason = format!("{}: {error}", paths.setup.display());
            Error::new("Chromium", reason, "make target/ writable")
        })?;
        Ok(Chromium { browser, driver })
    })
}

/// Where fonts are: those that were unpacked with the browser, so that a page looks the same on every machine.
fn fonts_of(directory: &Path) -> String {
    let fonts = directory.join("usr/share/fonts");
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"urn:fontconfig:fonts.dtd\">\n\
         <fontconfig>\n  <dir>{}</dir>\n  <cachedir>{}</cachedir>\n</fontconfig>\n",
        fonts.display(),
        directory.join("ballast-font-cache").display()
    )
}

/// Tests of several programs may ask at the same time.
fn locked<T>(paths: &Paths, bring: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let _lock = lock(paths).map_err(|error| {
        Error::new("target/setup", format!("{}: {error}", paths.setup.display()), "make target/ writable")
    })?;
    bring()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_come_from_what_was_unpacked() {
        let text = fonts_of(Path::new("/d"));
        assert!(text.contains("<dir>/d/usr/share/fonts</dir>"), "{text}");
    }
}
