//! Shared values that are not what they should be.

use super::{ALL, FRESH, MODULE, assert_hit, assert_miss, get};
use ballast_contract::{VM_ID, Workers};

#[test]
fn a_cut_foreign_or_empty_value_is_a_miss_and_the_next_answer_is_stored_again() {
    for (what, damage) in [
        ("cut", (|bytes: &[u8]| bytes[..bytes.len() / 2].to_vec()) as fn(&[u8]) -> Vec<u8>),
        ("longer", |bytes| [bytes, b"x"].concat()),
        ("empty", |_| Vec::new()),
        ("noise", |bytes| bytes.iter().map(|byte| byte ^ 0x5a).collect()),
        ("of another version", |bytes| [&[0xff; 8][..], &bytes[8.min(bytes.len())..]].concat()),
    ] {
        for part in ["/body/", "/set/"] {
            let workers = Workers::start(&MODULE, 2, ALL);
            get(&workers, 0, "/a", FRESH);
            let keys = workers.host.shared_keys(VM_ID);
            for key in keys.iter().filter(|key| key.contains(part)) {
                let (value, _) = workers.host.shared_get(VM_ID, key).unwrap();
                workers.host.shared_set(VM_ID, key, &damage(&value), 0).unwrap();
            }
            // The other worker has no copy of its own.
            assert_miss(&workers, 1, "/a");
            get(&workers, 1, "/b", FRESH);
            assert_hit(&workers, 0, "/b", "fresh");
            assert!(!workers.vms[1].is_dead(), "{what} {part}");
        }
    }
}
