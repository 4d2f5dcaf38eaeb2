//! Shared values that somebody else has written: what cannot be read is absent, and nothing dies of it.

use crate::{A_TICK, MODULE, all_live, configuration, passed_until_all_refuse};
use ballast_contract::{Sequence, VM_ID, Workers, status};
use std::time::Duration;

const KINDS: &str = r#"
    {"name": "bucket", "key": ["path"], "rate": "1/d", "burst": 20},
    {"name": "sliding", "key": ["path"], "algorithm": "sliding_window", "rate": "20/d"},
    {"name": "fixed", "key": ["path"], "algorithm": "fixed_window", "rate": "20/d"},
    {"name": "permits", "key": ["path"], "algorithm": "concurrency", "max_concurrent": 20}"#;

fn damaged(old: &[u8], kind: usize, sequence: &mut Sequence) -> Vec<u8> {
    let mut bytes = old.to_vec();
    match kind {
        0 => bytes.clear(),
        1 => bytes.truncate(sequence.below(old.len() + 1)),
        2 => bytes.extend(sequence.bytes(3)),
        3 => bytes.iter_mut().take(1).for_each(|version| *version = version.wrapping_add(1)),
        4 => bytes.fill(0xff),
        5 => {
            let length = sequence.below(200);
            bytes = sequence.bytes(length);
        }
        _ => {
            for _ in 0..=sequence.below(4) {
                let at = sequence.below(old.len().max(1));
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = sequence.bytes(1)[0]);
            }
        }
    }
    bytes
}

#[test]
fn no_bytes_in_any_shared_value_kill_a_worker() {
    for seed in 0..8 {
        let mut sequence = Sequence::new(seed);
        let workers = Workers::start(&MODULE, 3, &configuration(KINDS));
        let mut in_flight = Vec::new();
        for round in 0..150 {
            for worker in 0..3 {
                let path = ["/a", "/b", "/c"][sequence.below(3)];
                in_flight.push(workers.get(worker, path, &[]));
            }
            while in_flight.len() > 12 {
                let ended = in_flight.swap_remove(sequence.below(in_flight.len()));
                assert!([200, 429].contains(&status(&ended)), "seed {seed}, round {round}");
            }
            let keys = workers.host.shared_keys(VM_ID);
            let key = &keys[sequence.below(keys.len())];
            let (old, _) = workers.host.shared_get(VM_ID, key).unwrap();
            let kind = sequence.below(7);
            workers.host.shared_set(VM_ID, key, &damaged(&old, kind, &mut sequence), 0).unwrap();
            workers.host.advance(if round % 10 == 0 { Duration::from_secs(1) } else { A_TICK });
            assert!(all_live(&workers), "seed {seed}, round {round}: kind {kind} in {key}");
        }
        // Once nobody meddles any more, everything works as from the start.
        workers.host.advance(Duration::from_secs(13));
        in_flight.iter().for_each(|stream| _ = status(stream));
        assert_eq!(passed_until_all_refuse(&workers, "/new"), 20, "seed {seed}");
    }
}

#[test]
fn a_limit_whose_shared_value_cannot_be_read_begins_anew() {
    for limit in crate::of_every_algorithm(10) {
        for foreign in [&b""[..], b"\0", b"{\"json\": true}", &[0xff; 64]] {
            let workers = Workers::start(&MODULE, 2, &configuration(&limit));
            assert_eq!(passed_until_all_refuse(&workers, "/"), 10);
            let keys = workers.host.shared_keys(VM_ID);
            let keys: Vec<_> = keys.iter().filter(|key| key.contains("/limit/a/")).collect();
            assert_eq!(keys.len(), 1, "a limit without a key is one value");
            workers.host.shared_set(VM_ID, keys[0], foreign, 0).unwrap();
            assert_eq!(passed_until_all_refuse(&workers, "/"), 10, "{limit}, {foreign:?}");
        }
    }
}

#[test]
fn a_secret_of_another_form_is_replaced_and_all_workers_count_together_again() {
    let ten = r#"{"name": "a", "key": ["path"], "rate": "1/d", "burst": 10}"#;
    let mut workers = Workers::start(&MODULE, 2, &configuration(ten));
    let key = workers.host.shared_keys(VM_ID).into_iter().find(|key| key.ends_with("/secret"));
    assert_eq!(key, None, "it is made by the first request");
    workers.host.shared_set(VM_ID, "ballast/1/rate-limit/test/secret", b"short", 0).unwrap();
    assert_eq!(passed_until_all_refuse(&workers, "/"), 10);
    workers.reload(&configuration(ten));
    assert_eq!(passed_until_all_refuse(&workers, "/"), 0, "a reload finds the same secret");
}
