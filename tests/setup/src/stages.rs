//! Runs make targets one after the other and adds up the tests that ran in them.
//!
//! So that one line tells how a whole run went, and so that nothing passes that did not happen: a stage that should
//! test and ran no test counts as failed, and so does one that ended badly without a failed test, as when it did not
//! compile. Later stages run even then, since their results help a person, too. What is counted are the closing lines
//! of Rust's test runner: `test result: ok. 12 passed; 0 failed; 1 ignored; …`.

use std::env;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How many tests ended in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Whether a stage is there to test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Check,
    Test,
}

/// Runs the make targets `checks`, then `tests`, with their output as it comes, and ends with a line that counts.
///
/// Returns whether all is well.
pub fn run(checks: &[&str], tests: &[&str]) -> bool {
    let checks = checks.iter().map(|&target| (target, Kind::Check));
    let tests = tests.iter().map(|&target| (target, Kind::Test));
    let mut total = Count::default();
    let mut remarks = Vec::new();
    let mut ran = 0;
    for (target, kind) in checks.chain(tests) {
        println!("\n=== {target}");
        let begin = Instant::now();
        let (count, ended_well) = match run_stage(target) {
            Ok(outcome) => outcome,
            Err(error) => {
                println!("{target}: {error}");
                (Count::default(), false)
            }
        };
        println!("=== {target}: {count}, {} s", begin.elapsed().as_secs());
        let (count, remark) = judge(kind, count, ended_well);
        total += count;
        remarks.extend(remark.map(|remark| format!("{target}: {remark}")));
        ran += 1;
    }
    println!();
    for remark in &remarks {
        println!("{remark}");
    }
    println!("{total}");
    ran > 0 && remarks.is_empty()
}

fn run_stage(target: &str) -> io::Result<(Count, bool)> {
    let make = env::var("MAKE").unwrap_or_else(|_| "make".to_owned());
    let mut child = Command::new(make).arg(target).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut count = Count::default();
    if let Some(output) = child.stdout.take() {
        let mut screen = io::stdout().lock();
        // In bytes: what a test prints need not be text.
        for line in BufReader::new(output).split(b'\n') {
            let mut line = line?;
            line.push(b'\n');
            screen.write_all(&line)?;
            screen.flush()?;
            if let Some(result) = parse_result(&String::from_utf8_lossy(&line)) {
                count += result;
            }
        }
    }
    Ok((count, child.wait()?.success()))
}

/// What a stage adds to the sum, and what is to be said about it if it is not well.
fn judge(kind: Kind, mut count: Count, ended_well: bool) -> (Count, Option<&'static str>) {
    let ran = count.passed + count.failed;
    let remark = match (ended_well, count.failed, kind, ran) {
        (false, 0, ..) => "failed without a failed test",
        (false, ..) => "failed",
        (true, 1.., ..) => "ended well although tests failed",
        (true, 0, Kind::Test, 0) => "ran no test",
        (true, 0, ..) => return (count, None),
    };
    count.failed = count.failed.max(1);
    (count, Some(remark))
}

fn parse_result(line: &str) -> Option<Count> {
    let line = without_colours(line);
    let counts = line.trim_start().strip_prefix("test result:")?.split_once(". ")?.1;
    let number = |what: &str| {
        let part = counts.split(';').find_map(|part| part.trim().strip_suffix(what));
        part.and_then(|number| number.trim().parse().ok())
    };
    Some(Count {
        passed: number("passed")?,
        failed: number("failed")?,
        skipped: number("ignored").unwrap_or(0),
    })
}

/// A line without the escape sequences that colour it.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_colour, text)| text));
    }
    plain
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed")?;
        if *skipped > 0 { write!(f, ", {skipped} skipped") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u64, failed: u64, skipped: u64) -> Count {
        Count { passed, failed, skipped }
    }

    #[test]
    fn closing_lines_of_the_test_runner_are_read() {
        for (line, expected) in [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s",
                Some(count(12, 0, 1)),
            ),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 filtered out", Some(count(3, 2, 0))),
            ("test result: \x1b[32mok\x1b[0m. 7 passed; 0 failed; 0 ignored", Some(count(7, 0, 0))),
            ("test result: ok. many passed; 0 failed", None),
            ("test result: ok", None),
            ("test a::b ... ok", None),
            ("the test result: ok. 1 passed; 0 failed", None),
        ] {
            assert_eq!(parse_result(line), expected, "{line}");
        }
    }

    #[test]
    fn only_a_stage_that_ended_well_and_tested_is_well() {
        use Kind::{Check, Test};
        for (kind, counted, ended_well, sum, well) in [
            (Test, count(3, 0, 0), true, count(3, 0, 0), true),
            (Check, count(0, 0, 0), true, count(0, 0, 0), true),
            (Test, count(0, 0, 0), true, count(0, 1, 0), false),
            (Test, count(0, 0, 4), true, count(0, 1, 4), false),
            (Test, count(3, 2, 0), false, count(3, 2, 0), false),
            (Test, count(3, 0, 0), false, count(3, 1, 0), false),
            (Test, count(3, 2, 0), true, count(3, 2, 0), false),
            (Check, count(0, 0, 0), false, count(0, 1, 0), false),
        ] {
            let (counts, remark) = judge(kind, counted, ended_well);
            assert_eq!((counts, remark.is_none()), (sum, well), "{kind:?} {counted} {ended_well}");
        }
    }

    #[test]
    fn the_sum_is_one_plain_line() {
        assert_eq!(count(12, 0, 0).to_string(), "12 passed, 0 failed");
        assert_eq!(count(12, 1, 2).to_string(), "12 passed, 1 failed, 2 skipped");
    }
}
