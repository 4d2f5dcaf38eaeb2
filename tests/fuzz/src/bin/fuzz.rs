//! Runs every target under libFuzzer for a while, one after the other. `make fuzz` calls it.
//!
//! # How
//!
//! The programs are built here, by this compiler: LLVM's coverage pass is asked for by flags that a stable compiler takes,
//! and libFuzzer comes with the crate `libfuzzer-sys`. So neither a nightly compiler nor `cargo fuzz` is needed; there is no
//! sanitizer, which would need the former, and little to find for it in code without `unsafe`. Overflow of numbers is checked.
//!
//! What is new goes to `target/fuzz/corpus/`, and is where the next run begins. An input that fails is kept in
//! `target/fuzz/failures/<target>/`, is named at the end, and fails the run; put into `tests/fuzz/corpus/<target>/` it is
//! part of `make test`.

use anyhow::{Context, Result, bail};
use ballast_fuzz::{TARGETS, Target, seeds};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// For how long each target runs, in seconds.
const SECONDS: u64 = 30;
/// The largest input.
const MOST_BYTES: u64 = 4_096;
/// A target that takes longer for one input, in seconds, fails.
const MOST_SECONDS: u64 = 10;

/// What makes a program tell libFuzzer where it has been: the flags of `cargo fuzz`.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "--cfg=fuzzing",
];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    match arguments.as_slice() {
        [word] if word == "seeds" => write_seeds(&root),
        names => fuzz(&root, names),
    }
}

fn write_seeds(root: &Path) -> Result<()> {
    for seed in seeds() {
        let directory = corpus_of(root, seed.target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(&seed.name), &seed.bytes).with_context(|| seed.name.clone())?;
    }
    Ok(())
}

fn corpus_of(root: &Path, target: &str) -> PathBuf {
    root.join("tests/fuzz/corpus").join(target)
}

fn fuzz(root: &Path, names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| Target::named(name).is_none()) {
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        bail!("there is no target {unknown}: there are {}", known.join(", "));
    }
    let seconds = match env::var("TIME").ok().filter(|time| !time.is_empty()) {
        Some(time) => time.parse().with_context(|| format!("TIME={time}: a number of seconds"))?,
        None => SECONDS,
    };
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| names.is_empty() || names.iter().any(|name| name == target.name))
        .collect();
    let programs = build(root, &chosen)?;
    let mut failed = Vec::new();
    for (number, target) in (1..).zip(&chosen) {
        println!("{number}/{} {} for {seconds} s", chosen.len(), target.name);
        failed.extend(run(root, &programs, target, seconds)?);
    }
    if failed.is_empty() {
        println!("{} targets, nothing found", chosen.len());
        return Ok(());
    }
    for file in &failed {
        println!("failed: {}", file.strip_prefix(root).unwrap_or(file).display());
    }
    bail!("{} inputs failed: with one as its argument a program says how", failed.len());
}

/// Builds the programs of these targets and says where they are.
fn build(root: &Path, targets: &[&Target]) -> Result<PathBuf> {
    let host = host()?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        // A target by name, so that the flags are for it alone and not for what runs while it is built.
        .args(["build", "-q", "--release", "-p", "ballast-fuzz", "--features", "libfuzzer"])
        .args(["--target", &host, "--target-dir", "target/fuzz/build"])
        .args(targets.iter().flat_map(|target| ["--bin", target.name]));
    let status = command.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}")).status().context("cargo")?;
    if !status.success() {
        bail!("the programs cannot be built; libFuzzer needs a C++ compiler");
    }
    Ok(root.join("target/fuzz/build").join(host).join("release"))
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc")?;
    let text = String::from_utf8(output.stdout).context("rustc -vV")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// Runs one target; brings the inputs that failed.
fn run(root: &Path, programs: &Path, target: &Target, seconds: u64) -> Result<Vec<PathBuf>> {
    let found = root.join("target/fuzz/corpus").join(target.name);
    let failures = root.join("target/fuzz/failures").join(target.name);
    for directory in [&found, &failures] {
        fs::create_dir_all(directory)?;
    }
    let before = files(&failures)?;
    let begun = Instant::now();
    let output = Command::new(programs.join(target.name))
        .arg(&found)
        .arg(corpus_of(root, target.name))
        .arg(format!("-artifact_prefix={}/", failures.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MOST_BYTES}"))
        .arg(format!("-timeout={MOST_SECONDS}"))
        .args(["-rss_limit_mb=2048", "-print_final_stats=1", "-use_value_profile=1"])
        .output()
        .with_context(|| format!("{}", programs.join(target.name).display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let stat = |name: &str| {
        let value = said.lines().find_map(|line| line.strip_prefix(&format!("stat::{name}:")));
        value.map_or("?", str::trim).to_owned()
    };
    let last = said.lines().rev().find(|line| line.contains(" cov: ")).unwrap_or_default();
    let covered = last.split_whitespace().skip_while(|word| *word != "cov:").nth(1).unwrap_or("?");
    let runs = stat("number_of_executed_units");
    println!("    {runs} inputs, {covered} places reached, {} files in the corpus", files(&found)?.len());
    let new = files(&failures)?.into_iter().filter(|file| !before.contains(file)).collect::<Vec<_>>();
    if output.status.success() && new.is_empty() {
        if begun.elapsed() + Duration::from_secs(1) < Duration::from_secs(seconds) {
            bail!("{} ended early", target.name);
        }
        return Ok(Vec::new());
    }
    for line in said.lines().filter(|line| is_telling(line)) {
        println!("    {line}");
    }
    if new.is_empty() {
        bail!("{} failed and left no input:\n{said}", target.name);
    }
    Ok(new)
}

/// Whether a line of libFuzzer's says what is wrong.
fn is_telling(line: &str) -> bool {
    ["panicked at", "SUMMARY", "ERROR", "left:", "right:"].iter().any(|word| line.contains(word))
        || line.contains("bytes of memory")
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    entries.map(|entry| Ok(entry?.path())).collect()
}
