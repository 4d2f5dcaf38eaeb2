//! A private view of apt: lists and downloads of its own, the machine's trust, proxies and credentials.
//!
//! apt reads the file that `APT_CONFIG` names before anything else. Ours names a directory of configuration parts that
//! holds links to all of the machine's and one of our own behind them, which moves every place that apt writes to
//! below the view's directory and takes out the machine's hooks, since those clean caches outside it. Neither root nor
//! a lock of the machine is needed.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::sources::{self, Source};
use crate::command;

/// Where packages come from, and what comes with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The machine's own sources, with all that the packages depend on but the C library, which is the machine's.
    Machine,
    /// The machine's own sources: the packages alone.
    Alone,
    /// This suite of the mirror from which the machine gets its release: the packages alone.
    Suite(&'static str),
}

/// A private view of apt in a directory.
pub(super) struct Apt {
    directory: PathBuf,
}

/// The places of the machine's configuration.
struct Machine {
    parts: PathBuf,
    source_list: PathBuf,
    source_parts: PathBuf,
}

impl Apt {
    /// Makes a view afresh. The error says what is wrong with the machine's configuration.
    pub(super) fn new(directory: &Path, origin: Origin) -> Result<Self, String> {
        let machine = Machine::find()?;
        let apt = Self { directory: directory.to_path_buf() };
        apt.write(&machine, origin).map_err(|error| format!("{}: {error}", directory.display()))??;
        Ok(apt)
    }

    /// One of apt's programs, which sees only this view.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", self.config())
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Where `apt-get install --download-only` leaves packages.
    pub(super) fn archives(&self) -> PathBuf {
        self.directory.join("cache/archives")
    }

    fn config(&self) -> PathBuf {
        self.directory.join("apt.conf")
    }

    fn write(&self, machine: &Machine, origin: Origin) -> io::Result<Result<(), String>> {
        let parts = self.directory.join("parts");
        if self.directory.exists() {
            fs::remove_dir_all(&self.directory)?;
        }
        for needed in [&parts, &self.archives().join("partial"), &self.directory.join("lists/partial")] {
            fs::create_dir_all(needed)?;
        }
        // With nothing installed, a closure is whole and does not depend on what this machine happens to have.
        fs::write(self.directory.join("status"), "")?;
        for file in super::entries(&machine.parts) {
            if let Some(name) = file.file_name() {
                symlink(&file, parts.join(name))?;
            }
        }
        let mut part = self.own_part();
        if let Origin::Suite(suite) = origin {
            let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
            let text = sources::for_suite(&machine.sources(), sources::codename(&os_release), suite);
            let Some(text) = text else {
                return Ok(Err(
                    "apt's sources name no mirror of the release that this machine runs".to_owned()
                ));
            };
            let file = self.directory.join("suite.sources");
            fs::write(&file, text)?;
            part += &format!(
                "Dir::Etc::SourceList \"{}\";\nDir::Etc::SourceParts \"/dev/null\";\n",
                file.display()
            );
        }
        fs::write(parts.join("zzz-private.conf"), part)?;
        let own =
            std::env::var("APT_CONFIG").map(|file| format!("#include \"{file}\";\n")).unwrap_or_default();
        fs::write(self.config(), format!("{own}Dir::Etc::Parts \"{}\";\n", parts.display()))?;
        Ok(Ok(()))
    }

    fn own_part(&self) -> String {
        let here = self.directory.display();
        format!(
            "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n\
             #clear APT::Update::Post-Invoke-Success;\n\
             Dir::State::Lists \"{here}/lists\";\nDir::State::status \"{here}/status\";\n\
             Dir::State::extended_states \"{here}/extended_states\";\nDir::Cache \"{here}/cache\";\nDir::Cache::archives \"archives\";\n\
             Acquire::Languages \"none\";\nAPT::Sandbox::User \"root\";\nDebug::NoLocking \"true\";\n"
        )
    }
}

impl Machine {
    fn find() -> Result<Self, String> {
        let place = |key| {
            let shell = ["shell", "PLACE", key];
            let said =
                command::output(Command::new("apt-config").args(shell)).map_err(|error| error.to_string())?;
            let value =
                said.strip_prefix("PLACE='").and_then(|rest| rest.strip_suffix('\'')).unwrap_or_default();
            Ok::<_, String>(PathBuf::from(value))
        };
        Ok(Self {
            parts: place("Dir::Etc::Parts/d")?,
            source_list: place("Dir::Etc::SourceList/f")?,
            source_parts: place("Dir::Etc::SourceParts/d")?,
        })
    }

    fn sources(&self) -> Vec<Source> {
        let mut all = Vec::new();
        for file in [self.source_list.clone()].into_iter().chain(super::entries(&self.source_parts)) {
            let text = fs::read_to_string(&file).unwrap_or_default();
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("sources") => all.extend(sources::parse_deb822(&text)),
                Some("list") => all.extend(sources::parse_lines(&text)),
                _ => {}
            }
        }
        all
    }
}
