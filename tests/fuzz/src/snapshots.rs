//! Parts of snapshots, which come back from wherever an operator has kept them.

use crate::message::now;
use ballast_core::circuit_breaker::{config as breakers, operator, snapshot as breaker};
use ballast_core::config::parse;
use ballast_core::orders::snapshot::{age, cursor, part, secret, seed};
use ballast_core::rate_limit::{config as limits, operator as resets, snapshot as limit};
use ballast_core::rewrite::{Edit, Edited};
use ballast_core::slots::Secret;

/// The arguments of `restore` and of the other orders that take some.
pub(crate) fn restore(bytes: &[u8]) {
    let now = now();
    if let Ok(part) = part::<limit::Part>(bytes) {
        let restored = part.puttings(&limits(), age(part.taken_unix_ms, now.wall), now.mono);
        assert!(u64::try_from(restored.len()).unwrap() <= part.clients());
        for (_, _, putting) in restored {
            put(&putting, |added: &Option<i64>| added.is_some());
        }
        if let Ok(secret) = secret(&part.seed) {
            assert_eq!(seed(&secret), part.seed.to_lowercase());
        }
    }
    if let Ok(part) = part::<breaker::Part>(bytes) {
        let restored = part.puttings(&breakers(), age(part.taken_unix_ms, now.wall), now.mono);
        assert!(restored.len() <= part.breakers());
        for putting in restored {
            let _ = putting.enlisting();
            put(&putting, |is_put: &bool| *is_put);
        }
    }
    let _ = (cursor::<limit::Cursor>(bytes), cursor::<breaker::Cursor>(bytes));
    let _ = operator::Ask::read("reset", bytes);
    let limits = limits();
    for limit in &limits.limits {
        let _ = resets::Reset::read(limit, bytes, &Secret([7; 16]));
    }
}

/// What is put where nothing was is there, and is not put a second time.
fn put<E: Edit>(putting: &E, is_put: impl Fn(&E::Output) -> bool) {
    let Edited::Replace(set, first) = putting.edit(None) else { return };
    assert!(is_put(&first));
    let Edited::Keep(second) = putting.edit(Some(&set)) else { panic!("put twice") };
    assert!(!is_put(&second));
}

fn limits() -> limits::Config {
    let config = br#"{"limits": [{"name": "a", "rate": "10/s", "key": ["path"]},
        {"name": "b", "algorithm": "sliding_window", "rate": "10/s"},
        {"name": "c", "algorithm": "fixed_window", "rate": "10/s"}]}"#;
    parse(config).expect("a valid configuration")
}

fn breakers() -> breakers::Config {
    parse(br#"{"breakers": [{"name": "a"}, {"name": "b", "window": {"type": "count", "size": 20}}]}"#)
        .expect("a valid configuration")
}
