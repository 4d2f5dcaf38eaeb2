//! What other filters are had to do, and what is kept of them in a store.

use super::{VM_ID, admins, get, post, seconds};
use ballast_contract::{Workers, filter, status};
use ballast_wasm_host::{HttpCall, PluginConfig, Root, Vm, VmConfig};
use serde_json::Value;

const LIMIT: &str = r#"{"headers": "none", "limits": [{"name": "daily", "key": ["client_address"], "rate": "5/d", "burst": 5}]}"#;
const STORE: &str = r#""snapshots": {"store": {"cluster": "store", "path": "/s", "timeout": "1s"}, "every": "5s", "load_at_start": true}"#;

/// A worker of the rate limit filter in the same process.
fn limiter(workers: &Workers) -> (Vm, Root) {
    let config = VmConfig { vm_id: VM_ID.to_owned(), ..VmConfig::default() };
    let vm = workers.host.vm_with(&filter("rate-limit"), config).unwrap();
    let root = vm.configure(PluginConfig::new("rate-limit", LIMIT)).unwrap();
    (vm, root)
}

fn ask(root: &Root) -> u16 {
    let stream = root.stream();
    stream.set_property(&["source", "address"], "192.0.2.1:40000");
    stream.request_headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")], true).unwrap();
    status(&stream)
}

fn used_up(root: &Root) {
    assert_eq!([(); 6].map(|()| ask(root)), [200, 200, 200, 200, 200, 429]);
}

#[test]
fn a_limit_is_reset_on_all_its_workers_before_that_is_answered() {
    let workers = admins(2, "");
    let limiters = [limiter(&workers), limiter(&workers)];
    seconds(&workers, 3);
    used_up(&limiters[0].1);
    assert_eq!(ask(&limiters[1].1), 429);
    let (status, body) = post(&workers, "/ballast/rate-limits/daily/reset");
    assert_eq!(
        (status, &body["done"], &body["results"][0]["workers"]),
        (200, &true.into(), &2.into()),
        "{body}"
    );
    used_up(&limiters[1].1);
    assert_eq!(ask(&limiters[0].1), 429);
    let (status, body) = post(&workers, "/ballast/rate-limits/other/reset");
    assert_eq!(status, 404, "{body}");
    let (_, body) = post(&workers, "/ballast/rate-limits/daily/reset?namespace=none");
    assert_eq!(body["status"], 404, "{body}");
    let (_, body) = get(&workers, "/ballast/rate-limits");
    assert_eq!(body["limits"][0]["name"], "daily", "{body}");
}

/// The call to the store that is under way.
fn store_call(workers: &Workers) -> Option<HttpCall> {
    workers.host.http_calls().into_iter().find(|call| call.cluster == "store")
}

/// Lets seconds pass until the store is asked.
fn until_asked(workers: &Workers) -> HttpCall {
    for _ in 0..20 {
        if let Some(call) = store_call(workers) {
            return call;
        }
        workers.host.deliver_queues();
        workers.host.advance(std::time::Duration::from_millis(500));
    }
    panic!("the store is not asked: {:?}", workers.host.logs().last());
}

#[test]
fn a_snapshot_goes_to_the_store_and_a_new_process_takes_it_from_there() {
    let first = admins(1, STORE);
    first.host.add_cluster("store");
    let (_vm, root) = limiter(&first);
    let loads = until_asked(&first);
    assert_eq!((loads.headers.text(":method"), loads.headers.text(":path")), (Some("GET"), Some("/s/0")));
    loads.answer(&[(":status", "404")], "").unwrap();
    used_up(&root);
    let mut parts = Vec::new();
    loop {
        let saves = until_asked(&first);
        assert_eq!(saves.headers.text(":method"), Some("PUT"));
        assert_eq!(saves.headers.text(":path"), Some(format!("/s/{}", parts.len()).as_str()));
        let part: Value = serde_json::from_slice(&saves.body).unwrap();
        saves.answer(&[(":status", "204")], "").unwrap();
        let is_last = part["next"].is_null();
        parts.push(saves.body.clone());
        if is_last {
            break;
        }
    }
    let second = admins(1, STORE);
    second.host.add_cluster("store");
    let (_vm, root) = limiter(&second);
    for (number, part) in parts.iter().enumerate() {
        let loads = until_asked(&second);
        assert_eq!(loads.headers.text(":method"), Some("GET"));
        assert_eq!(loads.headers.text(":path"), Some(format!("/s/{number}").as_str()));
        loads.answer(&[(":status", "200")], part).unwrap();
    }
    // The last part is being brought back.
    for _ in 0..10 {
        second.host.deliver_queues();
        second.host.advance(std::time::Duration::from_millis(100));
    }
    assert_eq!(ask(&root), 429);
}

#[test]
fn a_part_of_a_snapshot_is_brought_back_by_whoever_may_act() {
    let first = admins(1, "");
    let (_vm, root) = limiter(&first);
    seconds(&first, 3);
    used_up(&root);
    let (status, part) = get(&first, "/ballast/state");
    assert_eq!((status, &part["version"], &part["filter"]), (200, &1.into(), &"rate-limit".into()), "{part}");
    let second = admins(1, "");
    let (_vm, root) = limiter(&second);
    seconds(&second, 3);
    let text: String = part.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    let stream = super::ask(&second, 0, "PUT", &format!("/ballast/state?part={text}"));
    let (status, body) = super::answer(&second, &stream);
    assert_eq!(status, 200, "{body}");
    assert_eq!(ask(&root), 429);
}
