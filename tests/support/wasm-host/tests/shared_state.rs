//! What the VMs of one process share: data, queues, metrics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test support fails loudly"
)]

mod support;

use std::cell::Cell;
use std::rc::Rc;

use ballast_wasm_host::{Host, PluginConfig, VmConfig};
use support::{notes, plugin, started, told};

#[test]
fn shared_data_answers_as_in_envoy() {
    let get = "(call $note (call $get_shared_data 'k' (i32.const 16) (i32.const 20) (i32.const 24)))";
    let set = |value: &str, cas: &str| {
        format!("(call $note (call $set_shared_data 'k' '{value}' (i32.const {cas})))")
    };
    let body = [
        get.to_owned(),
        set("one", "-1"),
        set("two", "-1"),
        format!("{get} (call $tell) (call $note (i32.load (i32.const 24)))"),
        set("three", "1"),
        set("", "0"),
        format!("(i32.store (i32.const 16) (i32.const 7)) {get}"),
        "(call $note (i32.load (i32.const 16))) (call $note (i32.load (i32.const 24)))".to_owned(),
    ]
    .concat();
    let (host, vm, root) = started(&[("on_tick", &body)]);
    root.tick().unwrap();
    // Absent is 1, CasMismatch is 8. Of an empty value the pointer is null and the cas is there.
    assert_eq!(notes(&vm), [1, 0, 8, 0, 1, 0, 0, 0, 0, 3]);
    assert_eq!(told(&host), ["one"]);
    assert_eq!(host.shared_get("", "k"), Some((Vec::new(), 3)));
}

#[test]
fn vms_of_one_vm_id_share_data_and_others_do_not() {
    let module = plugin(&[("on_tick", "(drop (call $set_shared_data 'k' 'v' (i32.const 0)))")]);
    let host = Host::new();
    let config = VmConfig { vm_id: "other".into(), ..VmConfig::default() };
    let vms = [host.vm(&module).unwrap(), host.vm(&module).unwrap(), host.vm_with(&module, config).unwrap()];
    for vm in &vms {
        vm.configure(PluginConfig::new("p", "")).unwrap().tick().unwrap();
    }
    assert_eq!(host.shared_get("", "k").unwrap().1, 2, "written twice");
    assert_eq!(host.shared_get("other", "k").unwrap().1, 3, "one counter for all");
    assert_eq!(host.shared_keys("other"), ["k"]);
}

/// Reads, then tries to write with the cas it read, until it succeeds, and notes each answer.
const COMPARE_AND_SWAP: &str = "
    (loop $again
        (drop (call $get_shared_data 'k' (i32.const 16) (i32.const 20) (i32.const 24)))
        (local.set $x (call $set_shared_data 'k' 'mine' (i32.load (i32.const 24))))
        (call $note (local.get $x))
        (br_if $again (local.get $x)))";

#[test]
fn a_hook_can_make_compare_and_swap_lose() {
    let (host, vm, root) = started(&[("on_tick", COMPARE_AND_SWAP)]);
    host.shared_set("", "k", b"0", 0).unwrap();
    let left = Rc::new(Cell::new(1000));
    let losses = Rc::clone(&left);
    host.before_shared_set(move |host, key| {
        if losses.get() > 0 {
            losses.set(losses.get() - 1);
            host.shared_set("", key, b"theirs", 0).unwrap();
        }
    });
    root.tick().unwrap();
    assert_eq!(notes(&vm).iter().filter(|answer| **answer == 8).count(), 1000);
    assert_eq!(notes(&vm).last(), Some(&0));
    assert_eq!(host.shared_get("", "k").unwrap().0, b"mine");
}

#[test]
fn a_hook_can_drive_another_vm_whose_writes_do_not_call_it() {
    let (host, first, first_root) = started(&[("on_tick", COMPARE_AND_SWAP)]);
    let second = host.vm(&plugin(&[("on_tick", COMPARE_AND_SWAP)])).unwrap();
    let second_root = second.configure(PluginConfig::new("p", "")).unwrap();
    host.shared_set("", "k", b"0", 0).unwrap();
    let called = Rc::new(Cell::new(0));
    let count = Rc::clone(&called);
    host.before_shared_set(move |_, _| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            second_root.tick().unwrap();
        }
    });
    first_root.tick().unwrap();
    assert_eq!((notes(&first), notes(&second)), (vec![8, 0], vec![0]));
    assert_eq!(called.get(), 2);
}

#[test]
fn queue_wake_ups_reach_the_last_registrants_root_when_delivered() {
    let module = plugin(&[
        ("on_configure", "(drop (call $register_shared_queue 'q' (i32.const 24))) (i32.const 1)"),
        ("on_tick", "(drop (call $enqueue_shared_queue (i32.load (i32.const 24)) 'hello'))"),
        (
            "on_queue_ready",
            "(call $note (local.get $id))
             (call $note (call $dequeue_shared_queue (local.get $queue) (i32.const 16) (i32.const 20)))
             (call $tell)
             (call $note (call $dequeue_shared_queue (local.get $queue) (i32.const 16) (i32.const 20)))",
        ),
    ]);
    let host = Host::new();
    let vms = [host.vm(&module).unwrap(), host.vm(&module).unwrap()];
    let roots = vms.clone().map(|vm| vm.configure(PluginConfig::new("p", "")).unwrap());
    roots[0].tick().unwrap();
    assert_eq!(host.queue_length("", "q"), Some(1));
    assert_eq!(notes(&vms[1]), [], "nothing before delivery");
    vms[0].deliver_queues();
    assert_eq!(host.queue_length("", "q"), Some(1), "not this thread's");
    host.deliver_queues();
    assert_eq!((notes(&vms[0]), notes(&vms[1])), (vec![], vec![1, 0, 7]), "then the queue is empty");
    assert_eq!(told(&host), ["hello"]);
}

#[test]
fn resolving_an_unknown_queue_finds_nothing() {
    let resolve =
        |vm_id: &str| format!("(call $note (call $resolve_shared_queue '{vm_id}' 'q' (i32.const 24)))");
    let body = [
        resolve(""),
        "(drop (call $register_shared_queue 'q' (i32.const 24)))".into(),
        resolve(""),
        resolve("other"),
        "(call $note (call $enqueue_shared_queue (i32.const 99) 'x'))".into(),
    ]
    .concat();
    let (_, vm, root) = started(&[("on_tick", &body)]);
    root.tick().unwrap();
    assert_eq!(notes(&vm), [1, 0, 1, 1]);
}

#[test]
fn gauges_are_shared_by_all_vms() {
    let module = plugin(&[(
        "on_tick",
        "(drop (call $define_metric (i32.const 1) 'in_flight' (i32.const 24)))
         (drop (call $increment_metric (i32.load (i32.const 24)) (i64.const 1)))
         (drop (call $get_metric (i32.load (i32.const 24)) (i32.const 32)))
         (call $note (i32.load (i32.const 32)))",
    )]);
    let host = Host::new();
    let vms = [host.vm(&module).unwrap(), host.vm(&module).unwrap()];
    for vm in &vms {
        vm.configure(PluginConfig::new("p", "")).unwrap().tick().unwrap();
    }
    assert_eq!((notes(&vms[0]), notes(&vms[1])), (vec![1], vec![2]));
    assert_eq!(host.gauge("in_flight"), Some(2));
    assert_eq!(host.metric_names(), ["in_flight"]);
}

#[test]
#[should_panic(expected = "the hook failed for k")]
fn a_panic_of_a_hook_is_the_tests_panic() {
    let (host, _, root) = started(&[("on_tick", COMPARE_AND_SWAP)]);
    host.before_shared_set(|_, key| panic!("the hook failed for {key}"));
    let _ = root.tick();
}
