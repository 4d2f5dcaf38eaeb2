//! A VM's life: configuration, ticks and clocks, death and restart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test support fails loudly"
)]

mod support;

use std::time::Duration;

use ballast_wasm_host::{Host, LoadError, LogLevel, Module, PluginConfig, RefusalReason, VmConfig};
use support::{notes, plugin, plugin_bytes, started, told};

const READ_CONFIGURATION: &str = "
    (call $note (call $get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 1000) (i32.const 16) (i32.const 20)))";

#[test]
fn configuring_creates_starts_and_configures_a_root_each_time() {
    let module = plugin(&[
        ("on_context_create", "(call $note (i32.add (i32.const 100) (local.get $id)))"),
        ("on_vm_start", "(call $note (i32.add (i32.const 200) (local.get $size))) (i32.const 1)"),
        ("on_configure", "(call $note (i32.add (i32.const 300) (local.get $size))) (i32.const 1)"),
    ]);
    let vm = Host::new()
        .vm_with(&module, VmConfig { configuration: b"vm".into(), ..VmConfig::default() })
        .unwrap();
    let first = vm.configure(PluginConfig::new("p", "abc")).unwrap();
    let second = vm.configure(PluginConfig::new("p", "abcd")).unwrap();
    assert_eq!(notes(&vm), [101, 202, 303, 102, 202, 304]);
    assert_eq!((first.id(), second.id()), (1, 2));
}

#[test]
fn a_plugins_configuration_can_be_read_only_while_it_is_configured() {
    let (host, vm, root) = started(&[
        ("on_vm_start", &format!("{READ_CONFIGURATION} (i32.const 1)")),
        ("on_configure", &format!("{READ_CONFIGURATION} (call $tell) (i32.const 1)")),
        ("on_tick", READ_CONFIGURATION),
    ]);
    root.tick().unwrap();
    vm.configure(PluginConfig::new("q", "the configuration")).unwrap();
    assert_eq!(notes(&vm), [1, 0, 1, 1, 0]);
    let lines = host.logs();
    assert_eq!((lines[1].message.as_str(), lines[1].plugin.as_str()), ("the configuration", "q"));
    assert_eq!(lines[1].level, LogLevel::Info);
}

#[test]
fn a_refusal_tells_who_refused_and_what_was_logged() {
    let log = "(drop (call $log (i32.const 4) 'invalid configuration: limits: empty'))";
    let refusal = |callback: &str, body: &str| {
        let vm = Host::new().vm(&plugin(&[(callback, body)])).unwrap();
        vm.configure(PluginConfig::new("p", "{}")).unwrap_err()
    };
    let refused = refusal("on_configure", &format!("{log} (i32.const 0)"));
    assert_eq!(refused.reason, RefusalReason::Configure);
    assert!(refused.says("limits: empty"), "{refused}");
    assert_eq!(refusal("on_vm_start", "(i32.const 0)").reason, RefusalReason::VmStart);
    assert!(matches!(refusal("on_configure", "(unreachable)").reason, RefusalReason::Trap(_)));
}

#[test]
fn ticks_come_when_due_and_each_root_has_its_own() {
    let tick = "(call $note (i32.const 1))";
    let start = "(drop (call $set_tick_period_milliseconds (i32.mul (local.get $size) (i32.const 100)))) (i32.const 1)";
    let host = Host::new();
    let vm = host.vm(&plugin(&[("on_configure", start), ("on_tick", tick)])).unwrap();
    let roots = ["x", "xx"].map(|size| vm.configure(PluginConfig::new("p", size)).unwrap());
    assert_eq!(roots[1].tick_period(), Some(Duration::from_millis(200)));
    host.advance(Duration::from_millis(99));
    assert_eq!(notes(&vm).len(), 0);
    host.advance(Duration::from_millis(1));
    assert_eq!(notes(&vm).len(), 1);
    host.advance(Duration::from_millis(900));
    assert_eq!(notes(&vm).len(), 15);
    roots[0].shut_down().unwrap();
    host.advance(Duration::from_secs(1));
    assert_eq!(notes(&vm).len(), 20);
}

#[test]
fn a_tick_can_change_its_period_and_sees_the_moment_it_was_due() {
    let clock = "(drop (call $clock (i32.const 1) (i64.const 0) (i32.const 32)))";
    let tick = format!(
        "{clock} (call $note (i32.wrap_i64 (i64.div_u (i64.sub (i64.load (i32.const 32)) (i64.load (i32.const 40))) (i64.const 1000000))))
         (drop (call $set_tick_period_milliseconds (i32.const 50)))"
    );
    let start = format!(
        "{clock} (i64.store (i32.const 40) (i64.load (i32.const 32)))
         (drop (call $set_tick_period_milliseconds (i32.const 10))) (i32.const 1)"
    );
    let (host, vm, _root) = started(&[("on_configure", &start), ("on_tick", &tick)]);
    host.advance(Duration::from_millis(120));
    assert_eq!(notes(&vm), [12, 64, 116], "rounded up to steps of 4 ms");

    let (host, vm, _root) = started(&[("on_configure", &start), ("on_tick", &tick)]);
    host.set_timer_step(Duration::from_millis(1));
    vm.configure(PluginConfig::new("fine", "")).unwrap();
    host.advance(Duration::from_millis(11));
    assert_eq!(notes(&vm), [10]);
}

#[test]
fn the_wall_clock_jumps_alone() {
    let read = "(drop (call $get_current_time_nanoseconds (i32.const 32)))
        (call $note (i32.wrap_i64 (i64.div_u (i64.load (i32.const 32)) (i64.const 1000000000))))
        (call $note (call $clock (i32.const 2) (i64.const 0) (i32.const 32)))";
    let (host, vm, root) = started(&[("on_tick", read)]);
    let monotonic = host.monotonic_nanos();
    host.set_wall_nanos(5_000_000_000);
    root.tick().unwrap();
    host.advance(Duration::from_secs(2));
    root.tick().unwrap();
    assert_eq!(notes(&vm), [5, 58, 7, 58]);
    assert_eq!(host.monotonic_nanos() - monotonic, 2_000_000_000);
}

#[test]
fn randomness_is_the_same_in_every_run_and_depends_on_the_seed() {
    let draw = |seed: u64| {
        let host = Host::with_seed(seed);
        let body = "(drop (call $random (i32.const 32) (i32.const 12)))";
        let vm = host.vm(&plugin(&[("on_tick", body)])).unwrap();
        vm.configure(PluginConfig::new("p", "")).unwrap().tick().unwrap();
        vm.memory(32, 12)
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert_ne!(draw(1), [0; 12]);
}

#[test]
fn a_trap_kills_one_vm_and_a_fresh_one_takes_its_place() {
    let module = plugin(&[
        ("on_configure", "(drop (call $register_shared_queue 'q' (i32.const 24))) (i32.const 1)"),
        ("on_request_headers", "(if (local.get $end) (then (unreachable))) (i32.const 0)"),
        ("on_queue_ready", "(call $note (local.get $queue))"),
        ("on_log", "(drop (call $log (i32.const 2) 'logged'))"),
    ]);
    let host = Host::new();
    let vms = [host.vm(&module).unwrap(), host.vm(&module).unwrap()];
    let [other, doomed] = vms.clone().map(|vm| vm.configure(PluginConfig::new("p", "")).unwrap());
    let (fatal, bystander) = (doomed.stream(), doomed.stream());
    bystander.request_headers(&[(":path", "/")], false).unwrap();
    let death = fatal.request_headers(&[(":path", "/")], true).unwrap_err();
    assert!(death.0.contains("proxy_on_request_headers"), "{death}");
    assert_eq!(fatal.local_reply().unwrap().details, "wasm_fail_stream");

    assert_eq!(bystander.response_headers(&[(":status", "200")], true), Err(death.clone()));
    assert_eq!(bystander.response().headers.text(":status"), Some("503"));
    assert_eq!(bystander.finish(), Err(death.clone()));
    assert_eq!(doomed.tick(), Err(death.clone()));
    assert!(vms[1].configure(PluginConfig::new("p", "")).is_err());
    assert!(!told(&host).contains(&"logged".to_owned()));
    other.stream().request_headers(&[(":path", "/")], false).unwrap();

    let fresh = vms[1].restart().unwrap();
    fresh.configure(PluginConfig::new("p", "")).unwrap().stream().finish().unwrap();
    assert_eq!(told(&host).last().map(String::as_str), Some("logged"));
    assert_eq!(fresh.thread(), vms[1].thread());
}

#[test]
fn a_killed_vm_is_as_dead_as_one_that_trapped() {
    let module = plugin(&[("on_log", "(drop (call $log (i32.const 2) 'logged'))")]);
    let host = Host::new();
    let start = || host.vm(&module).unwrap().configure(PluginConfig::new("p", "")).unwrap();
    let roots = [start(), start()];
    let in_flight = roots[0].stream();
    in_flight.request_headers(&[(":path", "/")], true).unwrap();
    roots[0].vm().kill();
    assert!(roots[0].vm().is_dead() && !roots[1].vm().is_dead());
    assert!(in_flight.finish().is_err() && roots[0].tick().is_err());
    assert!(!told(&host).contains(&"logged".to_owned()));
    roots[1].stream().finish().unwrap();
    roots[0].vm().restart().unwrap().configure(PluginConfig::new("p", "")).unwrap();
}

#[test]
fn a_wake_up_for_a_dead_vm_reaches_its_successor() {
    let module = plugin(&[
        ("on_configure", "(drop (call $register_shared_queue 'q' (i32.const 24))) (i32.const 1)"),
        (
            "on_request_headers",
            "(drop (call $enqueue_shared_queue (i32.load (i32.const 24)) 'm')) (i32.const 0)",
        ),
        ("on_tick", "(unreachable)"),
        ("on_queue_ready", "(call $note (local.get $queue))"),
    ]);
    let host = Host::new();
    let vm = host.vm(&module).unwrap();
    let root = vm.configure(PluginConfig::new("p", "")).unwrap();
    root.stream().request_headers(&[(":path", "/")], true).unwrap();
    assert!(root.tick().is_err());
    host.deliver_queues();
    let fresh = vm.restart().unwrap();
    fresh
        .configure(PluginConfig::new("p", ""))
        .unwrap()
        .stream()
        .request_headers(&[(":path", "/")], true)
        .unwrap();
    host.deliver_queues();
    assert_eq!(notes(&fresh), [1]);
    assert_eq!(host.queue_length("", "q"), Some(2), "messages survive");
}

#[test]
fn shutting_down_can_be_put_off_until_done() {
    let (_, vm, root) = started(&[
        ("on_done", "(call $note (call $done)) (i32.const 0)"),
        ("on_tick", "(call $note (call $done))"),
        ("on_delete", "(call $note (i32.const 9))"),
    ]);
    root.shut_down().unwrap();
    assert!(root.is_alive());
    root.tick().unwrap();
    assert_eq!(notes(&vm), [1, 0, 9]);
    assert!(!root.is_alive());
}

#[test]
fn what_cannot_be_loaded_says_why() {
    let host = Host::new();
    assert!(matches!(Module::new(b"junk"), Err(LoadError::Invalid(_))));
    let bare = wat::parse_str("(module)").unwrap();
    assert!(matches!(Module::new(&bare), Err(LoadError::NotAProxyModule)));
    let deaf = wat::parse_str(r#"(module (func (export "proxy_abi_version_0_2_1")))"#).unwrap();
    assert!(matches!(Module::new(&deaf), Err(LoadError::NoAllocator)));

    let foreign = wat::parse_str(
        r#"(module (import "env" "no_such_thing" (func)) (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1")) (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#,
    )
    .unwrap();
    let link = host.vm(&Module::new(&foreign).unwrap()).unwrap_err();
    assert!(matches!(&link, LoadError::Link(text) if text.contains("no_such_thing")), "{link}");
    assert_eq!(ballast_wasm_host::imports(&foreign).unwrap(), ["env.no_such_thing"]);
    assert_eq!(ballast_wasm_host::exports(&bare).unwrap(), [""; 0]);
}

#[test]
fn while_starting_a_module_may_log_but_not_use_shared_data() {
    let start = |body: &str| Host::new().vm(&plugin(&[("start", body)])).map(|_| ());
    assert!(start("(drop (call $log (i32.const 2) 'hello'))").is_ok());
    let refused = start("(drop (call $set_shared_data 'k' 'v' (i32.const 0)))").unwrap_err();
    assert!(
        matches!(&refused, LoadError::Start(text) if text.contains("proxy_set_shared_data")),
        "{refused}"
    );
}

#[test]
fn instrumented_plugins_count_their_instructions_by_callback() {
    let bytes = plugin_bytes(&[
        ("on_tick", "(drop (i32.add (i32.const 1) (i32.const 2)))"),
        ("on_log", "(call $note (i32.const 5))"),
    ]);
    let counting = ballast_modules::instrument(&bytes).unwrap();
    let host = Host::new();
    let vm = host.vm(&Module::instrumented(&counting.wasm, counting.counters).unwrap()).unwrap();
    let root = vm.configure(PluginConfig::new("p", "")).unwrap();
    for _ in 0..2 {
        let _ = vm.take_cost();
        root.tick().unwrap();
        root.stream().finish().unwrap();
        let costs = vm.take_costs_by_callback();
        assert_eq!(costs["proxy_on_tick"].instructions, Some(4));
        let log = &costs["proxy_on_log"];
        assert_eq!((log.instructions, log.functions["note"]), (Some(2 + 14), 14));
    }
}
