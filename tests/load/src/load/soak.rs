//! What a day of requests leaves behind: nothing.

use super::form::Form;
use super::pass::Pass;
use super::table::{GROWTH, SHORTEST_SLOPE, SOAK_USERS};
use crate::Check;
use crate::watch::{Look, growth};
use std::collections::BTreeMap;

/// Memory and keys do not grow over the second half.
pub(crate) fn memory(form: Form, looks: &[Look]) -> Vec<Check> {
    let second_half = &looks[looks.len() / 2..];
    let long = match form {
        Form::Long { soak } => soak >= SHORTEST_SLOPE,
        Form::Short => false,
    };
    let judge = |name: &str, of: fn(&Look) -> f64| {
        let points: Vec<(f64, f64)> = second_half.iter().map(|look| (look.second, of(look))).collect();
        let (grown, last) = (growth(&points), points.last().map_or(0.0, |point| point.1));
        let wanted = format!("at most {:.0}%", 100.0 * GROWTH);
        let found = format!("{:+.2}% over the second half, to {last:.0}", 100.0 * grown);
        match long {
            true => Check::new(name, wanted, found, grown <= GROWTH && last > 0.0),
            false => Check::unjudged(name, wanted, format!("{found}; too short to judge")),
        }
    };
    let mut checks = vec![
        judge("growth of what Envoy's allocator has given out, in bytes", |look| look.allocated_bytes as f64),
        judge("growth of the VMs' memory, in bytes", |look| look.vm_bytes as f64),
    ];
    checks.extend(kept(looks, second_half, long));
    // Envoy never frees a metric: one that comes late is one that a client made.
    let (first, last) = (second_half.first(), second_half.last());
    if let (Some(first), Some(last)) = (first, last) {
        let name = "metrics that came in the second half";
        let more = last.metrics.saturating_sub(first.metrics);
        checks.push(match long {
            true => Check::new(name, "none", more, more == 0),
            false => Check::unjudged(name, "none", format!("{more}; too short to judge")),
        });
    }
    checks
}

/// What the filters keep is bounded by who is there: each limit by the number of clients, the cache by the pages that there are.
fn kept(looks: &[Look], second_half: &[Look], long: bool) -> [Check; 2] {
    let most = |looks: &[Look], part: &str| {
        let each = looks.iter().flat_map(|look| &look.entries);
        each.filter(|(name, _)| name.contains(part)).map(|(_, count)| *count).max().unwrap_or(0)
    };
    let keys = most(looks, "rate_limit.keys;");
    let clients =
        Check::new("the most entries of a limit", format!("at most {SOAK_USERS}"), keys, keys <= SOAK_USERS);
    let (name, wanted) =
        ("the most bytes of the cache in the second half", "at most 5% more than in the first");
    let first_half = &looks[..looks.len() - second_half.len()];
    let (before, after) =
        (most(first_half, "response_cache.bytes;"), most(second_half, "response_cache.bytes;"));
    let found = format!("{after}, {before} in the first");
    let pages = match long {
        true => Check::new(name, wanted, found, after <= before + before / 20),
        false => Check::unjudged(name, wanted, format!("{found}; too short to judge")),
    };
    [clients, pages]
}

/// What the proxy and its filters counted is what clients saw.
pub(crate) fn counters(pass: &Pass) -> Vec<Check> {
    let counter = |name: &str| pass.counters.get(name).copied().unwrap_or(0);
    let sum = |part: &str| sum(&pass.counters, part);
    let seen = |wanted: fn(u16) -> bool| -> u64 {
        pass.statuses.iter().filter(|(status, _)| wanted(**status)).map(|(_, count)| count).sum()
    };
    let refused_503 = pass.whole.refused.saturating_sub(seen(|status| status == 429));
    let own = [sum("ballast.load_shedding.rejected;"), sum("ballast.circuit_breaker.refused;")];
    vec![
        Check::same(
            "requests that goose counted, of those recorded",
            pass.whole.all(),
            pass.counted_by_goose,
        ),
        Check::same("requests that came to an end, of those sent", pass.sent, pass.whole.all()),
        Check::same(
            "requests that Envoy completed, of those that clients saw to their end",
            pass.whole.all(),
            counter("http.ingress.downstream_rq_completed"),
        ),
        Check::same(
            "429 of the rate limit, of those that clients saw",
            seen(|status| status == 429),
            sum("ballast.rate_limit.limited;"),
        ),
        Check::same("503 of the filters, of the refusals that clients saw", refused_503, own.iter().sum()),
        Check::same(
            "requests at the upstream, of those that Envoy sent there",
            counter("cluster.upstream.upstream_rq_total"),
            pass.upstream,
        ),
    ]
}

fn sum(counters: &BTreeMap<String, u64>, part: &str) -> u64 {
    counters.iter().filter(|(name, _)| name.contains(part)).map(|(_, value)| value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn looks(allocated: impl Fn(u64) -> u64, metrics: impl Fn(usize) -> usize) -> Vec<Look> {
        looks_with_keys(allocated, metrics, |_| 10)
    }

    fn looks_with_keys(
        allocated: impl Fn(u64) -> u64,
        metrics: impl Fn(usize) -> usize,
        keys: impl Fn(usize) -> u64,
    ) -> Vec<Look> {
        let look = |at: usize| Look {
            second: at as f64,
            allocated_bytes: allocated(at as u64),
            resident_bytes: 1,
            vm_bytes: 1 << 20,
            vms: 1,
            metrics: metrics(at),
            entries: BTreeMap::from([("rate_limit.keys;".to_owned(), keys(at))]),
        };
        (0..100).map(look).collect()
    }

    fn failed(checks: &[Check]) -> Vec<&str> {
        checks.iter().filter(|check| check.failed()).map(|check| check.name.as_str()).collect()
    }

    #[test]
    fn memory_that_grows_and_metrics_that_come_fail_a_soak() {
        let whole = Form::Long { soak: Duration::from_secs(1_200) };
        assert_eq!(failed(&memory(whole, &looks(|_| 1 << 26, |_| 500))), [""; 0]);
        let growing = memory(whole, &looks(|at| (1 << 26) + at * 100_000, |_| 500));
        assert_eq!(failed(&growing), ["growth of what Envoy's allocator has given out, in bytes"]);
        let named = memory(whole, &looks(|_| 1 << 26, |at| 500 + at));
        assert_eq!(failed(&named), ["metrics that came in the second half"]);
        let leaking = memory(whole, &looks_with_keys(|_| 1 << 26, |_| 500, |at| 10 + at as u64));
        assert_eq!(failed(&leaking), ["the most entries of a limit"]);
    }

    #[test]
    fn what_is_too_short_is_shown_and_not_judged() {
        let short = memory(Form::Short, &looks(|at| (1 << 26) + at * 100_000, |at| 500 + at));
        assert!(short.iter().all(|check| !check.failed()), "{short:?}");
        assert_eq!(short.iter().filter(|check| check.held.is_none()).count(), 4);
    }
}
