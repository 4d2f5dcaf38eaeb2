//! What must hold, and whether it did.

use super::form::Form;
use super::pass::Pass;
use super::soak;
use super::table::{FAILING_P95_MS, FAILING_SHARE, GOODPUT, JudgedBy, PLACES, SERVICE, Scenario, Thresholds};
use crate::Check;

/// Everything that is judged of a scenario.
pub(crate) fn all(
    scenario: &Scenario,
    form: Form,
    thresholds: &Thresholds,
    with: &Pass,
    without: &Pass,
) -> Vec<Check> {
    let mut checks = of_thresholds(thresholds, with, without);
    checks.extend(soak::counters(with));
    match scenario.judged_by {
        JudgedBy::Thresholds => {}
        JudgedBy::Goodput => checks.extend(goodput(form, with, without)),
        JudgedBy::Soak => checks.extend(soak::memory(form, &with.looks)),
    }
    checks
}

fn of_thresholds(wanted: &Thresholds, with: &Pass, without: &Pass) -> Vec<Check> {
    let whole = &with.whole;
    vec![
        Check::new("requests were made", "some", whole.all(), whole.all() > 0),
        Check::at_most("share of requests that failed", wanted.failed, whole.failed_share(), ""),
        Check::at_most("share that was refused", wanted.refused, whole.refused_share(), ""),
        Check::at_most(
            "share that was refused in the last fifth",
            wanted.refused_in_the_end,
            with.end.refused_share(),
            "",
        ),
        Check::at_most("median of good answers", wanted.p50_ms, whole.p50_ms, " ms"),
        Check::at_most("95th percentile", wanted.p95_ms, whole.p95_ms, " ms"),
        Check::at_most("99th percentile", wanted.p99_ms, whole.p99_ms, " ms"),
        Check::at_most(
            "median above that without filters",
            wanted.added_p50_ms,
            whole.p50_ms - without.whole.p50_ms,
            " ms",
        ),
    ]
}

/// More is asked than the upstream can do: it goes on doing what it can.
fn goodput(form: Form, with: &Pass, without: &Pass) -> Vec<Check> {
    let capacity = PLACES as f64 / SERVICE.as_secs_f64();
    let name = "good answers a second in the last third";
    let found = with.top.good as f64 / with.top_seconds.max(1) as f64;
    let wanted = format!("at least {:.0} of {capacity:.0} that the upstream can do", GOODPUT * capacity);
    let goodput = match form.is_long() {
        true => Check::new(name, wanted, format!("{found:.0}"), found >= GOODPUT * capacity),
        false => Check::unjudged(name, wanted, format!("{found:.0}, of too few users to judge")),
    };
    let knee = |pass: &Pass| failing_from(pass).map_or("never".to_owned(), |users| format!("{users} users"));
    let failing = format!("from {}; without filters from {}", knee(with), knee(without));
    let wanted = format!(
        "shown only: a second with {:.0}% refused or failed, or a 95th percentile above {FAILING_P95_MS:.0} ms",
        100.0 * FAILING_SHARE
    );
    vec![goodput, Check::unjudged("failing under the load", wanted, failing)]
}

/// From how many users on two seconds in a row are bad.
fn failing_from(pass: &Pass) -> Option<u64> {
    let bad = |second: &crate::Second| {
        second.refused_share() + second.failed_share() > FAILING_SHARE || second.p95_ms > FAILING_P95_MS
    };
    let at = pass.seconds.windows(2).position(|two| two.iter().all(bad))?;
    pass.users.get(at).copied()
}
