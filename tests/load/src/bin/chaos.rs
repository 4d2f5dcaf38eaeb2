//! `chaos [SCENARIO…]`: makes trouble of every kind around an Envoy and writes a report below `target/chaos/`. Exits non-zero
//! when something does not hold afterwards, and says what.

use ballast_load::chaos::{SCENARIOS, Scale, Scenario, run, scenario};
use ballast_load::report::{Report, machine};
use clap::Parser;
use std::process::ExitCode;

/// Makes trouble around a real Envoy with the recommended chain of filters, and checks what must hold afterwards.
#[derive(Parser)]
struct Arguments {
    /// Which kinds; all unless named.
    #[arg(value_parser = known)]
    scenarios: Vec<&'static Scenario>,
    /// Less of it, as in the test suite.
    #[arg(long)]
    short: bool,
    /// Where the report is written.
    #[arg(long, default_value = "target/chaos")]
    report: std::path::PathBuf,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let scale = if arguments.short { Scale::Short } else { Scale::Long };
    let mut remarks = vec![machine()];
    if arguments.short {
        remarks.push("short forms: less trouble, for a shorter time".to_owned());
    }
    let chosen: Vec<&Scenario> =
        if arguments.scenarios.is_empty() { SCENARIOS.iter().collect() } else { arguments.scenarios };
    let mut report = Report::new("Chaos around Envoy with Ballast's filters", remarks);
    let (mut done, count) = (0, chosen.len());
    let mut broken = Vec::new();
    for scenario in chosen {
        done += 1;
        println!("\n=== {done} of {count}: {}: {}", scenario.name, scenario.about);
        match run(scenario, scale).await {
            Ok(one) => {
                one.checks.iter().for_each(|check| println!("{check}"));
                report.add(one);
            }
            // The others are of interest all the same.
            Err(error) => broken.push(format!("{}: {error:#}", scenario.name)),
        }
        report.holds &= broken.is_empty();
        match report.write(&arguments.report) {
            Ok(page) => println!("the report so far: {}", page.display()),
            Err(error) => broken.push(format!("the report cannot be written: {error}")),
        }
    }
    let failures: Vec<String> = broken.into_iter().chain(report.failures()).collect();
    failures.iter().for_each(|failure| eprintln!("chaos: {failure}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn known(name: &str) -> Result<&'static Scenario, String> {
    let names = || SCENARIOS.map(|scenario| scenario.name).join(", ");
    scenario(name).ok_or_else(|| format!("there are {}", names()))
}
