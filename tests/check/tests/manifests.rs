//! Every Kubernetes manifest is what its API asks for, and what it configures is what the filters accept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use ballast_check::{check, values};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Kinds that are not Kubernetes' own: their schemas are written from the published APIs.
const SCHEMAS: [(&str, &str); 5] = [
    ("WasmPlugin", include_str!("schemas/WasmPlugin.json")),
    ("TrafficExtension", include_str!("schemas/TrafficExtension.json")),
    ("EnvoyFilter", include_str!("schemas/EnvoyFilter.json")),
    ("EnvoyExtensionPolicy", include_str!("schemas/EnvoyExtensionPolicy.json")),
    ("ServiceMonitor", include_str!("schemas/ServiceMonitor.json")),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All manifests: the YAML below `envoy/istio`.
fn manifests() -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(root().join("envoy/istio")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// What is wrong with one object.
fn faults(object: &Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    if let Some((_, schema)) = SCHEMAS.iter().find(|(name, _)| *name == kind) {
        let schema: Value = serde_json::from_str(schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        return validator
            .iter_errors(object)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
    }
    match kind {
        "Deployment" => round_trip::<Deployment>(object),
        "Service" => round_trip::<Service>(object),
        "ConfigMap" => round_trip::<ConfigMap>(object),
        "HorizontalPodAutoscaler" => round_trip::<HorizontalPodAutoscaler>(object),
        "PodDisruptionBudget" => round_trip::<PodDisruptionBudget>(object),
        other => vec![format!("no schema for the kind `{other}`")],
    }
}

/// A field that the API does not know is lost on the way through its type.
fn round_trip<T: DeserializeOwned + Serialize>(object: &Value) -> Vec<String> {
    match serde_json::from_value::<T>(object.clone()) {
        Err(error) => vec![error.to_string()],
        Ok(typed) => lost(object, &serde_json::to_value(typed).unwrap(), ""),
    }
}

fn lost(written: &Value, read: &Value, at: &str) -> Vec<String> {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => written
            .iter()
            .flat_map(|(name, value)| match read.get(name) {
                Some(read) => lost(value, read, &format!("{at}.{name}")),
                None => vec![format!("{at}.{name}: no such field")],
            })
            .collect(),
        (Value::Array(written), Value::Array(read)) => written
            .iter()
            .zip(read)
            .enumerate()
            .flat_map(|(number, (written, read))| lost(written, read, &format!("{at}[{number}]")))
            .collect(),
        (written, read) if written == read => Vec::new(),
        (written, read) => vec![format!("{at}: {written} is read as {read}")],
    }
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_manifest_is_what_its_api_asks_for() {
    let mut kinds = BTreeSet::new();
    for (path, text) in manifests() {
        for object in values(&text).unwrap() {
            assert_eq!(faults(&object), Vec::<String>::new(), "{}", shown(&path));
            kinds.insert(object["kind"].as_str().unwrap().to_owned());
        }
    }
    let all = SCHEMAS.map(|(kind, _)| kind);
    let builtin = ["Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"];
    for kind in all.into_iter().chain(builtin) {
        assert!(kinds.contains(kind), "no manifest shows a {kind}");
    }
}

#[test]
fn every_plugin_configuration_is_what_the_filter_accepts() {
    let mut configurations = 0;
    for (path, text) in manifests() {
        let checked = check(&text, None);
        assert_eq!(checked.findings, [], "{}", shown(&path));
        configurations += checked.configurations;
    }
    assert!(configurations >= 16, "{configurations}");
}

#[test]
fn a_wrong_manifest_is_refused() {
    let text = std::fs::read_to_string(root().join("envoy/istio/rate-limit.yaml")).unwrap();
    let right = values(&text).unwrap().remove(0);
    for (pointer, value) in [
        ("/spec/phase", json!("LATE")),
        ("/spec/priority", json!("40")),
        ("/spec/failStrategy", json!("RELOAD")),
        ("/spec/match/0/mode", json!("INBOUND")),
        ("/spec/url", json!("")),
        ("/apiVersion", json!("extensions.istio.io/v1")),
    ] {
        let mut wrong = right.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        assert!(faults(&wrong).iter().all(|fault| fault.starts_with(pointer)), "{:?}", faults(&wrong));
        assert_ne!(faults(&wrong), Vec::<String>::new(), "{pointer}");
    }
    let mut unknown = right;
    unknown["spec"]["pluginConfiguration"] = json!({});
    assert_eq!(faults(&unknown).len(), 1);
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "a" }, "spec": { "portz": [] } });
    assert_eq!(faults(&service), [".spec.portz: no such field"]);
    assert_eq!(faults(&json!({ "kind": "Pie" })), ["no schema for the kind `Pie`"]);
}
