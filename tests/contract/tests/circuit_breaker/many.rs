//! Many breakers under one rule.

use crate::{A_SECOND, BY_TENANT, all_live, metric, rule};
use ballast_contract::Workers;

fn call(workers: &Workers, worker: usize, tenant: usize, status: &str) -> bool {
    let stream = workers.get(worker, "/", &[("x-tenant", &tenant.to_string())]);
    let passes = stream.local_reply().is_none();
    if passes {
        stream.set_property(&["response", "code_details"], "via_upstream");
        stream.response_headers(&[(":status", status)], true).unwrap();
    }
    stream.finish().unwrap();
    passes
}

#[test]
fn ten_thousand_breakers_are_told_apart() {
    let workers = rule(2, BY_TENANT);
    for tenant in 0..10_000 {
        assert!(call(&workers, tenant % 2, tenant, "200"));
    }
    for tenant in [17, 4_711] {
        (0..5).for_each(|number| assert!(call(&workers, number % 2, tenant, "500")));
    }
    for tenant in [16, 17, 18, 4_710, 4_711, 9_999] {
        assert_eq!(call(&workers, 1, tenant, "200"), tenant != 17 && tenant != 4_711, "tenant {tenant}");
    }
    assert_eq!(metric(&workers.host, "evictions", ""), 0);
    assert_eq!(metric(&workers.host, "open", ""), 2);
    assert!(all_live(&workers));
}

#[test]
fn a_flood_of_new_keys_pushes_out_no_open_breaker() {
    let small = BY_TENANT.replacen(r#""name": "a""#, r#""name": "a", "max_keys": 4"#, 1);
    let workers = rule(1, &small);
    (0..5).for_each(|_| assert!(call(&workers, 0, 0, "500")));
    for tenant in 1..200 {
        assert!(call(&workers, 0, tenant, if tenant % 3 == 0 { "500" } else { "200" }));
    }
    assert!(!call(&workers, 0, 0, "200"));
    assert!(metric(&workers.host, "evictions", "") > 100);
}

#[test]
fn more_open_breakers_than_the_list_holds_still_refuse() {
    let workers = rule(2, BY_TENANT);
    for tenant in 0..300 {
        (0..5).for_each(|number| assert!(call(&workers, number % 2, tenant, "500")));
    }
    assert!((0..300).all(|tenant| !call(&workers, tenant % 2, tenant, "200")));
    assert!(call(&workers, 0, 300, "200"));
    workers.host.advance(10 * A_SECOND);
    for tenant in 0..300 {
        assert!(call(&workers, 0, tenant, "200") && call(&workers, 1, tenant, "200"));
        assert!(call(&workers, 0, tenant, "200"), "closed");
    }
}
