//! What things cost in this proxy, measured by itself.
//!
//! Bounded: the worker serves nobody while it measures, so each thing is done a few thousand times at the most.

use crate::Admin;
use ballast_core::admin::params::Params;
use ballast_core::circuit_breaker::window::{Call, Window, time_window};
use ballast_core::load_shedding::fairness::Sketch;
use ballast_core::load_shedding::gate::{Gate, Strategy};
use ballast_core::load_shedding::priority::Mix;
use ballast_core::rate_limit::Outcome;
use ballast_core::rate_limit::token_bucket::{Advance, TokenBucket};
use ballast_core::response_cache::rules::{Fields, Line, control};
use ballast_core::retry_policy::backoff::{self, Backoff, Jitter};
use ballast_core::slots::Fingerprint;
use ballast_host::{Cx, Host, HostRandom, Map, Reply};
use core::hint::black_box;
use core::time::Duration;
use serde_json::{Value, json as value};

const ROUNDS: u64 = 1_000;
/// The key that is written for it.
const SCRATCH: &str = "benchmark";

impl Admin {
    pub(crate) fn benchmark<H: Host>(&self, params: &Params, cx: &mut Cx<'_, H>) -> Reply {
        let rounds = params.number("rounds").unwrap_or(ROUNDS).max(1);
        let key = cx.scope().key(SCRATCH);
        // What cannot be written costs nothing to speak of, and shows as that.
        let _ = cx.host.put_shared(&key, &[0; 100]);
        let host = cx.host;
        let calls = value!({
            "clock": measure(host, rounds, || { black_box(host.now()); }),
            "wall_clock": measure(host, rounds, || { black_box(host.wall_time()); }),
            "random": measure(host, rounds, || { black_box(host.random()); }),
            "shared_get_100_bytes": measure(host, rounds, || { black_box(host.shared(&key).is_ok()); }),
            "shared_put_100_bytes": measure(host, rounds, || { black_box(host.put_shared(&key, &[1; 100]).is_ok()); }),
            "property_absent": measure(host, rounds, || { black_box(host.property("ballast.none")); }),
            "property_source_address": measure(host, rounds, || { black_box(host.property("source\0address")); }),
            "one_header": measure(host, rounds, || { black_box(host.header(Map::RequestHeaders, ":path")); }),
            "all_headers": measure(host, rounds, || { black_box(host.headers(Map::RequestHeaders).is_empty()); }),
            "gauge_read": measure(host, rounds, || { black_box(self.metrics.in_flight.value(host)); }),
        });
        let body = value!({ "rounds": rounds, "host_calls": calls, "decisions": decisions(host, rounds) });
        self.json(200, "benchmark", body, cx)
    }
}

/// What each filter decides by, without any host call.
fn decisions<H: Host>(host: &H, rounds: u64) -> Value {
    let now = host.now();
    let bucket = TokenBucket::new(1_000, Duration::from_secs(1), 1_000);
    let mut line = None;
    let limit = measure(host, rounds, || {
        let outcome =
            bucket.map(|bucket| bucket.charge(line.as_ref(), 1, Advance { most: 0, one_of: 0 }, now));
        if let Some(Outcome::Admit { state, .. }) = black_box(outcome) {
            line = Some(state);
        }
    });
    let mut window = time_window(Duration::from_secs(10), 10).map(Window::new);
    let breaker = measure(host, rounds, || {
        if let Some(window) = &mut window {
            window.record(Call { failed: false, slow: false }, 1, now);
            black_box(window.counts(now));
        }
    });
    let (mut callers, mut mix) = (Sketch::default(), Mix::new(3));
    let caller = Fingerprint(7);
    let gate = Gate::new(Strategy::Adaptive, 0.5, &mix, &callers);
    let shedding = measure(host, rounds, || {
        callers.count(caller);
        mix.count(1);
        black_box(gate.turns_away(1, Some(callers.of(caller)), &mut HostRandom(host)));
    });
    let backoff = Backoff {
        strategy: backoff::Strategy::Exponential,
        jitter: Jitter::Full,
        base: Duration::from_millis(25),
        max: Duration::from_secs(1),
    };
    let terms = b"public, max-age=60, stale-while-revalidate=30";
    let lines: [Line<'_>; 2] =
        [(b"cache-control".as_slice(), terms.as_slice()), (b"age".as_slice(), b"7".as_slice())];
    value!({
        "load_shedding_gate": shedding,
        "rate_limit_token_bucket": limit,
        "circuit_breaker_window": breaker,
        "retry_policy_backoff": measure(host, rounds, || { black_box(backoff.wait(3, None, &mut HostRandom(host))); }),
        "response_cache_control": measure(host, rounds, || { black_box(control(Fields::new(&lines), &[])); }),
    })
}

/// Nanoseconds that one time takes: the mean, and the fastest of ten stretches, which nothing else has disturbed.
fn measure<H: Host>(host: &H, rounds: u64, mut once: impl FnMut()) -> Value {
    let stretch = (rounds / 10).max(1);
    let (mut sum, mut count, mut fastest) = (0_u64, 0_u64, u64::MAX);
    while count < rounds {
        let begun = host.now();
        (0..stretch).for_each(|_| once());
        let took = ballast_core::time::nanos(host.now().since(begun));
        fastest = fastest.min(took / stretch);
        sum = sum.saturating_add(took);
        count += stretch;
    }
    value!({ "mean_ns": sum / count.max(1), "fastest_ns": fastest })
}
