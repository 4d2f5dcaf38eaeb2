//! `make bench-overload`: what is left of a service's capacity under overload, without protection, with Envoy's own
//! filters and with Ballast.

use std::time::Duration;

use anyhow::Result;
use ballast_bench::overload::{Baseline, Row, Scenario, Settings, Way};
use clap::Parser;

/// What is left of a service's capacity under overload.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these scenarios.
    #[arg(long)]
    scenario: Vec<Scenario>,
    /// Only these ways.
    #[arg(long)]
    way: Vec<Way>,
    /// Only these multiples of the capacity in the scenario of loads.
    #[arg(long)]
    load: Vec<f64>,
    /// How long is measured, in seconds.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// Determines the times of arrival.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let chosen = |all: &[Scenario]| if all.is_empty() { Scenario::ALL.to_vec() } else { all.to_vec() };
    let ways: Vec<Way> =
        Way::ALL.into_iter().filter(|way| arguments.way.is_empty() || arguments.way.contains(way)).collect();
    let settings = Settings {
        time: Duration::from_secs_f64(arguments.seconds),
        loads: arguments.load.clone(),
        seed: arguments.seed,
    };
    let baseline = Baseline::measure(&settings).await?;
    let Baseline { capacity, unloaded_p99 } = baseline;
    eprintln!("capacity {capacity:.1}/s, unloaded p99 {unloaded_p99:.1} ms");
    let mut rows = Vec::new();
    for scenario in chosen(&arguments.scenario) {
        for way in &ways {
            Row::add(&mut rows, *way, scenario.run(*way, &settings, baseline).await?);
        }
    }
    println!("Capacity: {capacity:.0} requests a second; p99 at a quarter of it: {unloaded_p99:.0} ms.\n");
    println!("{}", Row::table(&rows, &ways));
    anyhow::ensure!(rows.iter().all(Row::holds), "a bound is missed");
    Ok(())
}
