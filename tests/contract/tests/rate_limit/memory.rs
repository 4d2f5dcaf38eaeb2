//! Clients that nobody will see again.

use crate::{MODULE, metric};
use ballast_contract::{VM_ID, Workers, status};

const MAX_KEYS: usize = 1_024;
/// Beside the table: the secret, the slots of the members.
const OTHER_KEYS: usize = 8;

#[test]
fn a_hundred_thousand_clients_leave_a_bounded_number_of_shared_keys_and_bytes() {
    let configuration = format!(
        r#"{{"headers": "none", "limits":
            [{{"name": "a", "key": [{{"header": "x-key"}}], "rate": "3/h", "max_keys": {MAX_KEYS}}}]}}"#
    );
    let workers = Workers::start(&MODULE, 2, &configuration);
    let serve = |clients: std::ops::Range<u32>| {
        for client in clients {
            let stream =
                workers.get(usize::from(client % 2 == 1), "/", &[("x-key", &format!("client-{client}"))]);
            assert_eq!(status(&stream), 200, "a client that nobody has seen");
        }
        let memory: Vec<usize> = workers.vms.iter().map(ballast_wasm_host::Vm::memory_bytes).collect();
        (workers.host.shared_keys(VM_ID), memory)
    };
    let (keys, memory) = serve(0..10_000);
    assert!(keys.len() <= MAX_KEYS / 4 + OTHER_KEYS, "{}", keys.len());
    assert_eq!(serve(10_000..100_000), (keys, memory), "the first ten thousand made all that there is");
    assert!(metric(&workers.host, "keys") <= 2 * MAX_KEYS as u64);
    assert!(metric(&workers.host, "evictions") > 0);
}
