//! What a request of a client costs, exactly.

use super::{MODULE, client, ingress, seconds, served};
use ballast_contract::{Workers, instrumented_filter, other_cost, whole_cost};

/// No host call at all: what is in flight is counted in memory, and whether there is a drain is known from the tick.
const INSTRUCTIONS: u64 = 1_563;

#[test]
fn a_request_of_a_client_asks_the_proxy_for_nothing() {
    let workers = Workers::start(&instrumented_filter("admin"), 1, r#"{"endpoints": "disabled"}"#);
    for _ in 0..10 {
        served(&workers.get(0, "/", &[]));
    }
    let stream = workers.get(0, "/", &[]);
    let cost = whole_cost(&stream);
    let other = other_cost("a request that passes", &[], INSTRUCTIONS, &cost);
    assert!(other.is_none(), "{}", other.unwrap());
}

#[test]
fn what_is_in_flight_is_known_to_the_tick() {
    let workers = Workers::start(&MODULE, 1, "{}");
    let root = ingress(&workers.vms[0], "");
    seconds(&workers, 1);
    let streams: Vec<_> = (0..5).map(|_| client(&root, "/")).collect();
    seconds(&workers, 4);
    let shown = || workers.host.gauge("ballast.admin.in_flight;namespace=admin");
    assert_eq!(shown(), Some(5));
    streams.iter().for_each(served);
    seconds(&workers, 1);
    assert_eq!(shown(), Some(0));
}
