//! `load [SCENARIO…]`: runs load scenarios to their end and writes a report below `target/load/`. Exits non-zero when
//! a threshold is missed, and says which.

use ballast_load::load::{Form, SCENARIOS, SOAK, Scenario, run, scenario};
use ballast_load::report::{Report, machine};
use clap::Parser;
use std::process::ExitCode;
use std::time::Duration;

/// Runs load scenarios against a real Envoy, with the recommended chain of filters and without.
#[derive(Parser)]
struct Arguments {
    /// Which ones; all unless named.
    #[arg(value_parser = known)]
    scenarios: Vec<&'static Scenario>,
    /// How long the soak takes: `20m`, `90s`.
    #[arg(long, value_parser = time)]
    soak: Option<Duration>,
    /// A few seconds each, with patience, as in the test suite.
    #[arg(long)]
    short: bool,
    /// A threshold of every scenario for the 99th percentile, in milliseconds, in place of the table's.
    #[arg(long)]
    p99_ms: Option<f64>,
    /// Where the report is written.
    #[arg(long, default_value = "target/load")]
    report: std::path::PathBuf,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let soak = arguments.soak.unwrap_or(SOAK);
    let form = if arguments.short { Form::Short } else { Form::Long { soak } };
    let mut remarks = vec![machine()];
    if arguments.short {
        remarks.push(
            "short forms: a few seconds each, with latencies twenty times those of the table".to_owned(),
        );
    } else if soak != SOAK {
        remarks.push(format!("the soak took {} s and not {} s", soak.as_secs(), SOAK.as_secs()));
    }
    let chosen: Vec<&Scenario> =
        if arguments.scenarios.is_empty() { SCENARIOS.iter().collect() } else { arguments.scenarios };
    let mut report = Report::new("Load on Envoy with Ballast's filters", remarks);
    for scenario in chosen {
        println!("\n=== {}: {}", scenario.name, scenario.about);
        let mut thresholds = form.thresholds(scenario);
        if let Some(millis) = arguments.p99_ms {
            thresholds.p99_ms = millis;
        }
        match run(scenario, form, thresholds).await {
            Ok(one) => {
                one.checks.iter().for_each(|check| println!("{check}"));
                report.add(one);
            }
            Err(error) => {
                eprintln!("load: {}: {error:#}", scenario.name);
                return ExitCode::FAILURE;
            }
        }
        // After each: who stops a long run has what it saw.
        match report.write(&arguments.report) {
            Ok(page) => println!("the report so far: {}", page.display()),
            Err(error) => {
                eprintln!("load: the report cannot be written to {}: {error}", arguments.report.display());
                return ExitCode::FAILURE;
            }
        }
    }
    let failures = report.failures();
    failures.iter().for_each(|failure| eprintln!("load: {failure}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn known(name: &str) -> Result<&'static Scenario, String> {
    let names = || SCENARIOS.map(|scenario| scenario.name).join(", ");
    scenario(name).ok_or_else(|| format!("there are {}", names()))
}

fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err("a whole number with its unit, such as 90s or 5m".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{number}` is no whole number"))?;
    Ok(Duration::from_secs(number * seconds))
}
