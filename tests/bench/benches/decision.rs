//! What a decision costs in the pure core, without a proxy.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a benchmark fails loudly")]

use ballast_core::rate_limit::Outcome;
use ballast_core::rate_limit::sliding_window::SlidingWindow;
use ballast_core::rate_limit::token_bucket::{Advance, TokenBucket};
use ballast_core::slots::Secret;
use ballast_core::time::MonoTime;
use core::hint::black_box;
use core::time::Duration;
use criterion::{Criterion, criterion_group, criterion_main};

fn decisions(criterion: &mut Criterion) {
    let second = Duration::from_secs(1);
    criterion.bench_function("token bucket: charge", |bencher| {
        let bucket = TokenBucket::new(1_000_000_000, second, 1_000_000).unwrap();
        let (mut state, mut now) = (None, 1_000_000_000);
        bencher.iter(|| {
            now += 10;
            if let Outcome::Admit { state: next, .. } =
                bucket.charge(state.as_ref(), 1, Advance::default(), MonoTime::from_nanos(black_box(now)))
            {
                state = Some(next);
            }
        });
    });
    criterion.bench_function("sliding window: charge", |bencher| {
        let window = SlidingWindow::new(1_000_000_000, second).unwrap();
        let (mut state, mut now) = (None, 1_000_000_000);
        bencher.iter(|| {
            now += 10;
            if let Outcome::Admit { state: next, .. } =
                window.charge(state.as_ref(), 1, MonoTime::from_nanos(black_box(now)))
            {
                state = Some(next);
            }
        });
    });
    criterion.bench_function("fingerprint of a key", |bencher| {
        let secret = Secret([7; 16]);
        bencher.iter(|| secret.fingerprint("per-client", black_box(&[1, 4, 0, 0, 0, 192, 0, 2, 1, 32])));
    });
}

criterion_group!(benches, decisions);
criterion_main!(benches);
