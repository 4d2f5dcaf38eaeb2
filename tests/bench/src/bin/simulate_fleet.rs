//! What a limit for a fleet costs and how exact it is, in virtual time: `make simulate-fleet`.

use ballast_bench::fleet::{Mode, Outcome, Scenario, simulate};
use ballast_core::rate_limit::global::Lease;
use clap::Parser;
use std::time::Duration;

/// A fleet under one limit, asked for more than it allows.
#[derive(Parser)]
struct Options {
    /// How many proxies.
    #[arg(long, default_value_t = 1_000)]
    proxies: u32,
    /// Requests a second, over all proxies.
    #[arg(long, default_value_t = 100_000)]
    rate: u32,
    /// What the limit allows a second, over all proxies.
    #[arg(long, default_value_t = 50_000)]
    limit: u32,
    /// Seconds of virtual time.
    #[arg(long, default_value_t = 12)]
    seconds: u64,
    /// The seed of all chance.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

fn main() {
    let options = Options::parse();
    let Options { proxies, rate, limit, seconds, seed } = options;
    println!(
        "{proxies} proxies, {rate} requests/s, a limit of {limit}/s, {seconds} s of virtual time, 1 to 2 ms to the \
         service and back, time-out 20 ms\n"
    );
    println!(
        "| traffic | service | mode | passed of the limit | overshoot | calls/s | waits p50, p99 | word of the service: mean, oldest |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let length = Duration::from_secs(seconds);
    let modes = [Mode::Exact, leased(10), leased(50), leased(200), Mode::Share];
    let base = |mode| Scenario {
        proxies,
        rate,
        even: true,
        limit,
        window: Duration::from_secs(1),
        mode,
        counts_refused: false,
        outage: None,
        length,
        seed,
    };
    for even in [true, false] {
        for mode in modes {
            print_row(&Scenario { even, ..base(mode) });
        }
    }
    for mode in [leased(10), leased(50), leased(200)] {
        print_row(&Scenario { counts_refused: true, ..base(mode) });
    }
    let minute = |mode| Scenario {
        limit: limit.saturating_mul(15),
        window: Duration::from_secs(60),
        length: Duration::from_secs(60),
        rate: rate / 4,
        ..base(mode)
    };
    println!("\nA limit of {} a minute, {} requests/s:\n", minute(Mode::Exact).limit, rate / 4);
    println!(
        "| traffic | service | mode | passed of the limit | overshoot | calls/s | waits p50, p99 | word of the service: mean, oldest |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for mode in [leased(10), leased(50), leased(200)] {
        print_whole(&minute(mode));
    }
    println!("\nThe service is away for 3 s:\n");
    println!(
        "| mode | passed meanwhile, of the limit | waits p50, p99, longest | decided by the service again after |"
    );
    println!("|---|---|---|---|");
    for mode in [Mode::Exact, leased(50)] {
        let outage = Some((Duration::from_secs(4), Duration::from_secs(7)));
        let outcome = simulate(&Scenario { outage, ..base(mode) });
        println!(
            "| {} | {:.1}% | {}, {}, {} ms | {:.2} s |",
            name(mode),
            100.0 * outcome.passed_in_outage.unwrap_or_default(),
            millis(&outcome, 0.5),
            millis(&outcome, 0.99),
            millis(&outcome, 1.0),
            outcome.recovered_after.unwrap_or_default().as_secs_f64(),
        );
    }
}

fn leased(size: u32) -> Mode {
    Mode::Leased(Lease { size, max_age: Duration::from_secs(1) })
}

fn name(mode: Mode) -> String {
    match mode {
        Mode::Exact => "`exact`".to_owned(),
        Mode::Leased(lease) => format!("`leased`, {}", lease.size),
        Mode::Share => "none: an equal share each".to_owned(),
    }
}

fn millis(outcome: &Outcome, quantile: f64) -> String {
    format!("{:.1}", outcome.waits.value_at_quantile(quantile) as f64 / 1_000.0)
}

fn print_row(scenario: &Scenario) {
    let outcome = simulate(scenario);
    row(scenario, &outcome, outcome.used);
}

/// Of a single window.
fn print_whole(scenario: &Scenario) {
    let outcome = simulate(scenario);
    row(scenario, &outcome, outcome.used_in_first);
}

fn row(scenario: &Scenario, outcome: &Outcome, used: f64) {
    let traffic = if scenario.even { "even" } else { "uneven" };
    let service = if scenario.counts_refused { "counts refusals" } else { "counts what it grants" };
    println!(
        "| {traffic} | {service} | {} | {:.1}% | {:.2}% | {:.0} | {}, {} ms | {:.0}, {:.0} ms |",
        name(scenario.mode),
        100.0 * used,
        100.0 * outcome.overshoot,
        outcome.calls_per_second,
        millis(outcome, 0.5),
        millis(outcome, 0.99),
        outcome.ages.mean() / 1_000.0,
        outcome.ages.max() as f64 / 1_000.0,
    );
}
