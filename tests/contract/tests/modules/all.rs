//! The module with all filters: its plugins are told apart by their `root_id`.

use super::shipped::SHIPPED;
use ballast_contract::{VM_ID, filter};
use ballast_wasm_host::{Host, Module, PluginConfig, Refusal, Root, Vm, VmConfig};
use std::sync::LazyLock;

static ALL: LazyLock<Module> = LazyLock::new(|| filter("all"));

fn vm() -> Vm {
    let environment = vec![("BALLAST_PURGE_TOKEN".to_owned(), "example-token".to_owned())];
    Host::new()
        .vm_with(&ALL, VmConfig { vm_id: VM_ID.to_owned(), environment, ..VmConfig::default() })
        .unwrap()
}

fn plugin(vm: &Vm, root_id: &str, configuration: &str) -> Result<Root, Refusal> {
    let root_id = root_id.to_owned();
    vm.configure(PluginConfig { root_id, ..PluginConfig::new("test", configuration) })
}

#[test]
fn each_filter_takes_its_own_configuration_under_its_own_name_beside_the_others() {
    let vm = vm();
    for module in SHIPPED {
        for root_id in [module.filter_name().to_owned(), format!("{}-ingress", module.filter_name())] {
            let configured = plugin(&vm, &root_id, module.configuration);
            assert!(configured.is_ok(), "{root_id}: {:?}", vm.host().logs());
        }
    }
    assert_eq!(vm.death(), None);
}

#[test]
fn plugins_of_one_vm_are_the_filters_that_they_are_called() {
    let vm = vm();
    let limit = r#"{"limits": [{"name": "a", "rate": "1/d", "burst": 1}]}"#;
    let limits = plugin(&vm, "rate-limit", limit).unwrap();
    let breakers = r#"{"breakers": [{"name": "a", "key": [], "initial_state": "forced_open"}]}"#;
    let breaker = plugin(&vm, "circuit-breaker", breakers).unwrap();
    let asked = |root: &Root| {
        let stream = root.stream();
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        stream.request_headers(&headers, true).unwrap();
        let status = stream.local_reply().map(|reply| reply.status);
        stream.finish().unwrap();
        status
    };
    assert_eq!([asked(&limits), asked(&limits)], [None, Some(429)]);
    assert_eq!(asked(&breaker), Some(503));
}

#[test]
fn a_root_id_that_names_no_filter_is_refused_with_those_that_do() {
    for root_id in ["", "ratelimit", "my-rate-limit"] {
        let refusal = plugin(&vm(), root_id, "{}").unwrap_err();
        assert!(
            refusal
                .says(&format!("root_id `{root_id}` names no filter: it is one of admin, circuit-breaker,")),
            "{refusal}"
        );
    }
}
