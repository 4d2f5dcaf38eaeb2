//! How a filter's own log lines look is the same configuration for every filter.

use super::shipped::SHIPPED;
use ballast_contract::{configure, encode_struct, filter};
use ballast_wasm_host::{Host, LogLevel};
use serde_json::Value;

/// A configuration with these fields added.
fn with(configuration: &str, fields: Value) -> String {
    let mut value: Value = serde_json::from_str(configuration).unwrap();
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    value.as_object_mut().unwrap().extend(fields);
    value.to_string()
}

#[test]
fn every_filter_takes_a_format_and_a_level_in_both_forms() {
    for module in SHIPPED {
        let text = with(module.configuration, serde_json::json!({"log_format": "json", "log_level": "warn"}));
        for bytes in [text.as_bytes().to_vec(), encode_struct(&text)] {
            let vm = Host::new().vm(&filter(module.name)).unwrap();
            assert!(configure(&vm, bytes).is_ok(), "{}: {:?}", module.name, vm.host().logs());
        }
    }
}

#[test]
fn a_refusal_of_a_configuration_looks_as_that_configuration_asks() {
    for module in SHIPPED {
        for (fields, place) in [
            (serde_json::json!({"log_format": "json", "no_such_field": 1}), "no_such_field"),
            (serde_json::json!({"log_format": "json", "log_level": "loud"}), "log_level"),
        ] {
            let vm = Host::new().vm(&filter(module.name)).unwrap();
            assert!(configure(&vm, with(module.configuration, fields)).is_err());
            let logs = vm.host().logs();
            let line = logs.iter().find(|line| line.level == LogLevel::Error).unwrap();
            let said: Value = serde_json::from_str(&line.message).unwrap();
            assert_eq!(said["level"], "error");
            assert_eq!(said["filter"], module.filter_name());
            assert_eq!(said["namespace"], "test", "the plugin's name");
            let message = said["message"].as_str().unwrap();
            assert!(message.starts_with(&format!("invalid configuration: {place}: ")), "{message}");
        }
    }
}
