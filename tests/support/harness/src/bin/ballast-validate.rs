//! Asks Envoy whether it would accept configurations: `ballast-validate [FILES...]`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use ballast_harness::{Launched, Mode, RunDir, Spec, StartError, logline, missing_modules, paths};

/// Runs `envoy --mode validate` on each file and prints one line about each.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configurations; all of envoy/*.yaml and envoy/recipes/*.yaml when none is given.
    files: Vec<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut files = Arguments::parse().files;
    if files.is_empty() {
        files = samples();
    }
    if files.is_empty() {
        eprintln!("ballast-validate: nothing to validate: no .yaml in envoy/ and no file given");
        return ExitCode::FAILURE;
    }
    let mode = match Mode::choose().await {
        Ok(mode) => mode,
        Err(error) => {
            eprintln!("ballast-validate: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut failed = 0;
    for file in &files {
        let shown = file.strip_prefix(paths::root()).unwrap_or(file).display();
        match validate(mode, file).await {
            Ok(()) => println!("ok    {shown}"),
            Err(reason) => {
                println!("FAIL  {shown}: {reason}");
                failed += 1;
            }
        }
    }
    println!("{} accepted, {failed} refused", files.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn samples() -> Vec<PathBuf> {
    let directories = ["envoy", "envoy/recipes"].map(|directory| paths::root().join(directory));
    let entries =
        directories.into_iter().flat_map(|directory| std::fs::read_dir(directory).into_iter().flatten());
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

async fn validate(mode: Mode, file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let missing = missing_modules(&text, &paths::root());
    if !missing.is_empty() {
        return Err(StartError::MissingModules(missing).to_string());
    }
    let directory = RunDir::new().map_err(|error| error.to_string())?;
    // A copy, which a container sees wherever the original lies.
    let copy = directory.join("envoy.yaml");
    std::fs::write(&copy, text).map_err(|error| error.to_string())?;
    let copy = copy.display().to_string();
    let arguments = ["--mode", "validate", "--disable-hot-restart", "--service-node", "validate"];
    let arguments = arguments.into_iter().chain(["--service-cluster", "validate", "-c", &copy]);
    let spec = Spec {
        arguments: arguments.map(str::to_owned).collect(),
        directory: directory.path().to_owned(),
        environment: Vec::new(),
    };
    let mut envoy = Launched::start(mode, spec).await.map_err(|error| error.to_string())?;
    let ended = loop {
        match envoy.ended().await {
            Some(ended) => break ended,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    if ended.success {
        return Ok(());
    }
    let reasons = logline::refusal(&envoy.log());
    if reasons.is_empty() {
        return Err(format!("{}\n{}", ended.how, logline::end(&envoy.log())));
    }
    Err(reasons.lines().map(str::trim).collect::<Vec<_>>().join("; "))
}
