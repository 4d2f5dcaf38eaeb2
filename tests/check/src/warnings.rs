//! What works and is probably not what was meant.
//!
//! Each warning says what follows from the setting and what to write instead. What has a default is judged with it.
#![allow(clippy::indexing_slicing, reason = "a field that a JSON value does not have reads as null")]

use crate::file::{Map, Understood, finding};
use crate::filters::Filter;
use crate::place::{Place, field, text};
use crate::report::{Finding, Severity};
use ballast_core::units::Share;
use serde_json::Value;
use std::collections::BTreeMap;

/// Looks at the settings of one configuration.
pub fn of_settings(filter: &Filter, value: &Value, map: &Map<'_>, findings: &mut Vec<Finding>) {
    let mut warn = |path: &str, message: String| {
        findings.push(finding(Severity::Warning, map.place(path), filter.name, path, message));
    };
    if value["mode"] == "disabled" {
        warn("mode", "the filter does nothing while `mode` is `disabled`".to_owned());
    }
    let rules = value[filter.rules].as_array().map(Vec::as_slice).unwrap_or_default();
    let works_without = matches!(filter.name, "load-shedding" | "admin");
    if rules.is_empty() && !works_without {
        warn("", format!("`{}` is empty: the filter does nothing", filter.rules));
    }
    let mut takes_all: Option<&str> = None;
    for (number, rule) in rules.iter().enumerate() {
        let path = format!("{}[{number}]", filter.rules);
        let name = rule["name"].as_str().unwrap_or_default();
        if let Some(before) = takes_all.filter(|_| filter.first_match_wins) {
            warn(&path, format!("`{name}` is never reached: `{before}` before it matches every request"));
        }
        if takes_all.is_none() && rule["match"].as_object().is_none_or(serde_json::Map::is_empty) {
            takes_all = Some(name);
        }
        if share(&rule["enforce_share"]) == Some(0.0) {
            warn(&format!("{path}.enforce_share"), "0% enforces nothing: `mode: shadow` says so".to_owned());
        }
        match filter.name {
            "rate-limit" => limit(rule, &path, &mut warn),
            "retry-policy" => policy(rule, &path, &mut warn),
            "circuit-breaker" => breaker(rule, &path, &mut warn),
            "response-cache" => cache(rule, &path, &mut warn),
            _ => {}
        }
    }
}

fn limit(rule: &Value, path: &str, warn: &mut impl FnMut(&str, String)) {
    // Envoy's own bound on requests of a cluster, unless its thresholds say otherwise.
    const ENVOYS_BOUND: u64 = 1_024;
    if let Some(most) = rule["max_concurrent"].as_u64().filter(|most| *most >= ENVOYS_BOUND) {
        let message = format!(
            "{most} in flight is never reached where the cluster's `max_requests` is Envoy's default of {ENVOYS_BOUND}"
        );
        warn(&format!("{path}.max_concurrent"), message);
    }
    if let Some(plans) = rule["tiers"]["plans"].as_object() {
        let unlimited = |plan: &Value| plan["unlimited"] == Value::Bool(true);
        if !plans.is_empty() && plans.values().all(unlimited) && rule["rate"].is_null() {
            warn(
                &format!("{path}.tiers.plans"),
                "every plan is unlimited: the limit can never trip".to_owned(),
            );
        }
    }
    let raises = [("tiers", &rule["tiers"]["by"]), ("cost", &rule["cost"])];
    for (what, header) in raises {
        if header["header"].is_string() && header["trust"].as_object().is_none_or(serde_json::Map::is_empty) {
            warn(
                &format!("{path}.{what}"),
                "without `trust` nobody is believed: the header has no effect".to_owned(),
            );
        }
    }
}

fn policy(rule: &Value, path: &str, warn: &mut impl FnMut(&str, String)) {
    if share(&rule["budget"]["ratio"]).is_some_and(|ratio| ratio >= 1.0) {
        let message = "a budget of 100% or more is none: an outage doubles the load; 20% is usual".to_owned();
        warn(&format!("{path}.budget.ratio"), message);
    }
    let unsafe_methods = ["POST", "PATCH"];
    let asks = |method: &&str| {
        rule["methods"].as_array().is_some_and(|methods| methods.iter().any(|asked| asked == method))
    };
    if let Some(method) = unsafe_methods.iter().find(|method| asks(method)) {
        let message = format!(
            "{method} is not idempotent: a retry may do it twice; `idempotency_key` retries only requests that carry one"
        );
        warn(&format!("{path}.methods"), message);
    }
    if rule["max_attempts"] == 1 {
        warn(&format!("{path}.max_attempts"), "one attempt is no retry".to_owned());
    }
}

fn breaker(rule: &Value, path: &str, warn: &mut impl FnMut(&str, String)) {
    if rule["initial_state"] == "forced_closed" {
        warn(&format!("{path}.initial_state"), "`forced_closed` never trips".to_owned());
    }
}

fn cache(rule: &Value, path: &str, warn: &mut impl FnMut(&str, String)) {
    if rule["key"]["host"] == Value::Bool(false) {
        let message = "without the host in the key all hosts share one answer".to_owned();
        warn(&format!("{path}.key.host"), message);
    }
    if !rule["override_ttl"].is_null() {
        let message =
            "`override_ttl` keeps what the origin forbids to keep; `default_ttl` only fills in".to_owned();
        warn(&format!("{path}.override_ttl"), message);
    }
}

/// Looks at how the plugins of each chain stand to each other and to what is around them.
pub fn of_chains(plugins: &[Understood<'_>], findings: &mut Vec<Finding>) {
    let mut chains: BTreeMap<usize, Vec<&Understood<'_>>> = BTreeMap::new();
    for understood in plugins {
        chains.entry(understood.plugin.chain).or_default().push(understood);
        of_surroundings(understood, findings);
    }
    for chain in chains.values() {
        of_chain(chain, findings);
    }
}

fn of_chain(chain: &[&Understood<'_>], findings: &mut Vec<Finding>) {
    let mut warn = |understood: &Understood<'_>, message: String| {
        let plugin = understood.plugin;
        findings.push(finding(Severity::Warning, plugin.place, plugin.filter.name, "", message));
    };
    for pair in chain.windows(2) {
        let [outer, inner] = pair else { continue };
        let (outside, inside) = (outer.plugin.filter, inner.plugin.filter);
        if inside.position() < outside.position() {
            let message = format!("stands inside `{}`; the recommended order has it outside", outside.name);
            warn(inner, message);
        }
        if outer.plugin.native && outer.plugin.vm_id != inner.plugin.vm_id {
            let named = |plugin: &Understood<'_>| plugin.plugin.vm_id.unwrap_or_default().to_owned();
            let message = format!(
                "`vm_id` is `{}` and `{}` has `{}`: they do not know of each other's state",
                named(inner),
                outside.name,
                named(outer)
            );
            warn(inner, message);
        }
    }
    for (number, understood) in chain.iter().enumerate() {
        let plugin = understood.plugin;
        let same = |other: &&&Understood<'_>| {
            other.plugin.filter.name == plugin.filter.name
                && other.plugin.name == plugin.name
                && other.value["namespace"] == understood.value["namespace"]
        };
        if chain.iter().take(number).any(|other| same(&other)) {
            warn(
                understood,
                "is there twice under one name: both share one state and count a request twice".to_owned(),
            );
        }
    }
}

/// Looks at what is around a plugin in Envoy's own configuration.
fn of_surroundings(understood: &Understood<'_>, findings: &mut Vec<Finding>) {
    let plugin = understood.plugin;
    let mut warn = |place: Place, message: &str| {
        findings.push(finding(Severity::Warning, place, plugin.filter.name, "", message.to_owned()));
    };
    if plugin.native && plugin.failure.is_none() {
        let message =
            "without `failure_policy: FAIL_RELOAD` a VM that crashed answers 503 until the proxy restarts";
        warn(plugin.place, message);
    }
    let Some(manager) = plugin.manager else { return };
    let by_address = understood.value.to_string().contains("\"client_address\"");
    let from_peer = field(manager, "use_remote_address").and_then(|value| value.data.as_bool());
    if by_address && from_peer != Some(true) {
        let message = "a key by `client_address` believes the client's own x-forwarded-for without `use_remote_address: true`";
        warn(plugin.place, message);
    }
    let parks = matches!(plugin.filter.name, "admin" | "load-shedding" | "response-cache" | "retry-policy");
    if parks && text(manager, "stream_idle_timeout").is_none() {
        let message = "requests that wait in a VM that crashes hang for five minutes without a `stream_idle_timeout`; 15s is usual";
        warn(plugin.place, message);
    }
}

/// A share such as `20%`, from 0 to 1.
fn share(value: &Value) -> Option<f64> {
    let text = value.as_str()?;
    serde_json::from_value::<Share>(Value::String(text.to_owned())).ok()?;
    text.trim_end_matches('%').parse::<f64>().ok().map(|percent| percent / 100.0)
}
