//! Runs other programs: with a time limit, and with their output kept for the moment when they fail.

use std::borrow::Cow;
use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How much of a failed program's output a person sees at once. The log file holds the rest.
const SHOWN_LINES: usize = 12;

/// And how much of a line, in characters.
const SHOWN_WIDTH: usize = 160;

/// Long enough for a program to notice nobody, short enough not to be noticed.
const POLL: Duration = Duration::from_millis(10);

/// Runs a command to its end with its output in `log`.
pub(crate) fn run(command: &mut Command, log: &Path, limit: Duration) -> Result<(), Failure> {
    let outcome = open_log(log)
        .and_then(|(out, err)| finish(command.stdin(Stdio::null()).stdout(out).stderr(err), limit));
    let reason = match outcome {
        Ok(Some(status)) if status.success() => return Ok(()),
        Ok(Some(status)) => Reason::Exit { status, log: log.to_path_buf() },
        Ok(None) => Reason::TimeOut { limit, log: log.to_path_buf() },
        Err(error) => Reason::Start(error),
    };
    Err(Failure { program: program_name(command), reason })
}

/// What a quick command writes to its standard output, without the white space around it.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let outcome = command.stdin(Stdio::null()).output();
    let failure = |reason| Failure { program: program_name(command), reason };
    let output = outcome.map_err(|error| failure(Reason::Start(error)))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(failure(Reason::Said { status: output.status, stderr: text(&output.stderr) }))
    }
}

/// The first executable file of this name in the directories of `PATH`.
pub(crate) fn find_on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|file| is_executable(file))
}

/// Whether a file is there (behind links, too) that somebody may execute.
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// A cargo that decides by itself: nothing of the cargo that may have started this program reaches it.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in env::vars_os() {
        if is_cargo_setting(&name) {
            command.env_remove(name);
        }
    }
    command
}

fn is_cargo_setting(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    // Where cargo lives and what it may reach belong to the machine, not to a build.
    let of_machine = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_"];
    let of_build = name.starts_with("CARGO_") && !of_machine.iter().any(|prefix| name.starts_with(prefix));
    of_build || ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTDOCFLAGS"].contains(&name)
}

fn open_log(log: &Path) -> io::Result<(File, File)> {
    if let Some(directory) = log.parent() {
        fs::create_dir_all(directory)?;
    }
    let out = File::create(log)?;
    let err = out.try_clone()?;
    Ok((out, err))
}

fn finish(command: &mut Command, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn program_name(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let verb = command.get_args().next().filter(|argument| !argument.as_encoded_bytes().starts_with(b"-"));
    [Some(name), verb].into_iter().flatten().map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// A program that did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    program: String,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Start(io::Error),
    Said { status: ExitStatus, stderr: String },
    Exit { status: ExitStatus, log: PathBuf },
    TimeOut { limit: Duration, log: PathBuf },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = &self.program;
        match &self.reason {
            Reason::Start(error) => write!(f, "`{program}` cannot be started: {error}"),
            Reason::Said { status, stderr } => write!(f, "`{program}` ended with {status}: {stderr}"),
            Reason::Exit { status, log } => write!(f, "`{program}` ended with {status}{}", Quote(log)),
            Reason::TimeOut { limit, log } => {
                write!(f, "`{program}` took more than {} s{}", limit.as_secs(), Quote(log))
            }
        }
    }
}

/// The end of a log: its last line at once, then where the whole is, then some more lines.
struct Quote<'a>(&'a Path);

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = fs::read(self.0).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if let Some(last) = lines.last() {
            write!(f, ": {}", shorten(last.trim()))?;
        }
        write!(f, "\n    its output is in {}", self.0.display())?;
        let shown = lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES));
        shown.into_iter().try_for_each(|line| write!(f, "\n    | {}", shorten(line)))
    }
}

fn shorten(line: &str) -> Cow<'_, str> {
    match line.char_indices().nth(SHOWN_WIDTH) {
        Some((end, _)) => Cow::Owned(format!("{}…", line.get(..end).unwrap_or(line))),
        None => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration, log: &str) -> Result<(), Failure> {
        let log = env::temp_dir().join(format!("ballast-setup-{}-{log}.log", std::process::id()));
        let outcome = run(Command::new("sh").args(["-c", script]), &log, limit).map_err(|failure| {
            // The text is made while the log is there.
            Failure { program: failure.to_string(), reason: failure.reason }
        });
        fs::remove_file(log).unwrap();
        outcome
    }

    #[test]
    fn a_failed_program_is_quoted_with_the_end_of_what_it_said() {
        let said = shell("echo first; seq 20; echo last >&2; exit 3", Duration::from_secs(20), "quote");
        let said = said.unwrap_err().program;
        assert!(said.contains("exit status: 3") && said.ends_with("| last"), "{said}");
        assert!(!said.contains("first"), "{said}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let before = Instant::now();
        let said = shell("exec sleep 600", Duration::from_millis(50), "hang").unwrap_err().program;
        assert!(said.contains("took more than"), "{said}");
        assert!(before.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn settings_of_a_build_do_not_reach_another_but_those_of_the_machine_do() {
        for (name, of_build) in [
            ("CARGO_TARGET_DIR", true),
            ("CARGO_ENCODED_RUSTFLAGS", true),
            ("CARGO_BUILD_TARGET", true),
            ("CARGO_PROFILE_RELEASE_LTO", true),
            ("RUSTFLAGS", true),
            ("RUSTUP_TOOLCHAIN", false),
            ("CARGO_HOME", false),
            ("CARGO_HTTP_CAINFO", false),
            ("CARGO_NET_OFFLINE", false),
            ("CARGO_REGISTRIES_CRATES_IO_PROTOCOL", false),
            ("PATH", false),
        ] {
            assert_eq!(is_cargo_setting(OsStr::new(name)), of_build, "{name}");
        }
    }
}
