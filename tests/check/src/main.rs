//! `ballast-check FILE…`: says what is wrong with the Ballast configurations in these files.

use ballast_check::filters::{FILTERS, Filter};
use ballast_check::{Severity, check};
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks the Ballast configurations in Envoy YAML, WasmPlugin YAML and bare JSON.
///
/// Exits with 0 where there is no error, 1 where there is one, 2 where a file cannot be read or holds no configuration.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What a bare configuration is for, where its fields do not say.
    #[arg(long, value_parser = named)]
    filter: Option<&'static str>,
    /// Warnings fail, too.
    #[arg(long)]
    deny_warnings: bool,
    /// For people, or one JSON object a finding.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn named(name: &str) -> Result<&'static str, String> {
    let names = FILTERS.map(|filter| filter.name).join(", ");
    Filter::named(name).map(|filter| filter.name).ok_or_else(|| format!("no filter is called that: {names}"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = arguments.filter.and_then(Filter::named);
    let (mut configurations, mut errors, mut warnings, mut unread) = (0, 0, 0, 0);
    for file in &arguments.files {
        let shown = file.display().to_string();
        let checked = match std::fs::read_to_string(file) {
            Ok(text) => check(&text, filter),
            Err(error) => {
                eprintln!("{shown}: {error}");
                unread += 1;
                continue;
            }
        };
        if checked.configurations == 0 && checked.findings.is_empty() {
            eprintln!("{shown}: no Ballast configuration in it");
            unread += 1;
        }
        for finding in &checked.findings {
            match arguments.format {
                Format::Text => println!("{shown}:{finding}"),
                Format::Json => println!("{}", finding.to_json(&shown)),
            }
        }
        configurations += checked.configurations;
        let count = |severity| checked.findings.iter().filter(|finding| finding.severity == severity).count();
        errors += count(Severity::Error);
        warnings += count(Severity::Warning);
    }
    eprintln!("{configurations} configurations, {errors} errors, {warnings} warnings");
    match () {
        () if unread > 0 => ExitCode::from(2),
        () if errors > 0 || (warnings > 0 && arguments.deny_warnings) => ExitCode::FAILURE,
        () => ExitCode::SUCCESS,
    }
}
