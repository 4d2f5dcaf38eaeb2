//! What the proxy's own administration interface says, as far as it matters here.
//!
//! CPU and disk are not among it: no filter and no interface of the proxy shows them.

use crate::time::MonoTime;
use serde_json::{Map, Value, json};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The proxy's memory.
    Memory,
    /// Its version and state.
    Server,
    /// Connections of clients, and connections and requests of pools.
    Stats,
    /// Hosts that are ejected or unhealthy.
    Clusters,
}

impl Looked {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Server, Self::Stats, Self::Clusters];

    /// Where it is.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Memory => "/memory",
            Self::Server => "/server_info",
            Self::Stats => {
                "/stats?format=json&filter=%5E(http%5C..%2B%5C.(downstream_cx_active%7Cdownstream_rq_%5B1-5%5Dxx%7C\
                 downstream_rq_time)%7Ccluster%5C..%2B%5C.(upstream_cx_active%7Cupstream_rq_active%7Cupstream_rq_pending_active%7C\
                 circuit_breakers%5C.default%5C.(cx_open%7Crq_open%7Crq_pending_open)))%24"
            }
            Self::Clusters => "/clusters?format=json",
        }
    }
}

/// Takes an answer of the interface into what was seen so far. What cannot be read leaves that as it is.
pub fn take_in(seen: &mut Value, looked: Looked, body: &[u8], now: MonoTime) {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return };
    if !seen.is_object() {
        *seen = json!({});
    }
    let Value::Object(fields) = seen else { return };
    fields.insert("looked_at_mono_ns".to_owned(), now.as_nanos().into());
    match looked {
        Looked::Memory => {
            fields.insert("memory_allocated_bytes".to_owned(), bytes(&answer, "allocated"));
            fields.insert("memory_heap_bytes".to_owned(), bytes(&answer, "heap_size"));
        }
        Looked::Server => {
            for name in ["version", "state", "hot_restart_version"] {
                fields.insert(name.to_owned(), answer.get(name).cloned().unwrap_or(Value::Null));
            }
        }
        Looked::Stats => {
            let (connections, pools) = stats(&answer);
            fields.insert("connections".to_owned(), connections.into());
            fields.insert("pools".to_owned(), pools);
            fields.insert("http".to_owned(), listeners(&answer));
        }
        Looked::Clusters => {
            fields.insert("hosts".to_owned(), hosts(&answer));
        }
    }
}

/// The interface writes such numbers as text.
fn bytes(answer: &Value, name: &str) -> Value {
    let text = answer.get(name).and_then(Value::as_str);
    text.and_then(|text| text.parse::<u64>().ok()).into()
}

/// Connections of clients together, and each cluster's pool.
fn stats(answer: &Value) -> (u64, Value) {
    let mut connections = 0_u64;
    let mut pools: Map<String, Value> = Map::new();
    for stat in answer.get("stats").and_then(Value::as_array).into_iter().flatten() {
        let (Some(name), Some(value)) =
            (stat.get("name").and_then(Value::as_str), stat.get("value").and_then(Value::as_u64))
        else {
            continue;
        };
        if let Some(prefix) =
            name.strip_prefix("http.").and_then(|rest| rest.strip_suffix(".downstream_cx_active"))
        {
            // Whoever looks at the interface, or at the endpoints of a listener that is named so, is no client.
            if !prefix.ends_with("admin") {
                connections = connections.saturating_add(value);
            }
            continue;
        }
        let Some(rest) = name.strip_prefix("cluster.") else { continue };
        let known = [
            "upstream_cx_active",
            "upstream_rq_active",
            "upstream_rq_pending_active",
            "cx_open",
            "rq_open",
            "rq_pending_open",
        ];
        let Some(known) = known.iter().find(|known| rest.ends_with(&format!(".{known}"))) else { continue };
        let cluster =
            rest.trim_end_matches(known).trim_end_matches(".circuit_breakers.default.").trim_end_matches('.');
        let pool = pools.entry(cluster.to_owned()).or_insert_with(|| json!({}));
        if let Value::Object(pool) = pool {
            pool.insert((*known).to_owned(), value.into());
        }
    }
    (connections, Value::Object(pools))
}

/// By the name that a listener counts under: answers by class, and how long clients waited in the proxy's last interval.
fn listeners(answer: &Value) -> Value {
    let mut listeners: Map<String, Value> = Map::new();
    let mut put = |prefix: &str, part: &str, name: &str, value: Value| {
        if prefix.ends_with("admin") {
            return;
        }
        let listener =
            listeners.entry(prefix.to_owned()).or_insert_with(|| json!({ "requests": {}, "latency_ms": {} }));
        if let Some(Value::Object(fields)) = listener.get_mut(part) {
            fields.insert(name.to_owned(), value);
        }
    };
    let stats = answer.get("stats").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for stat in stats {
        if let Some(quantiles) = stat.pointer("/histograms/supported_quantiles").and_then(Value::as_array) {
            let computed = stat.pointer("/histograms/computed_quantiles").and_then(Value::as_array);
            for histogram in computed.into_iter().flatten() {
                let name = histogram.get("name").and_then(Value::as_str).unwrap_or_default();
                let prefix =
                    name.strip_prefix("http.").and_then(|rest| rest.strip_suffix(".downstream_rq_time"));
                let values = histogram.get("values").and_then(Value::as_array);
                let (Some(prefix), Some(values)) = (prefix, values) else { continue };
                for (quantile, value) in quantiles.iter().zip(values) {
                    let shown = [(50.0, "p50"), (95.0, "p95"), (99.0, "p99")];
                    let shown = shown.iter().find(|(wanted, _)| quantile.as_f64() == Some(*wanted));
                    if let Some((_, shown)) = shown {
                        put(
                            prefix,
                            "latency_ms",
                            shown,
                            value.get("interval").cloned().unwrap_or(Value::Null),
                        );
                    }
                }
            }
        }
        let (Some(name), Some(value)) = (stat.get("name").and_then(Value::as_str), stat.get("value")) else {
            continue;
        };
        let counted = name.strip_prefix("http.").and_then(|rest| rest.rsplit_once(".downstream_rq_"));
        if let Some((prefix, class)) = counted.filter(|(_, class)| class.ends_with("xx")) {
            put(prefix, "requests", class, value.clone());
        }
    }
    Value::Object(listeners)
}

/// Hosts by cluster: how many there are, and which are not to be used.
fn hosts(answer: &Value) -> Value {
    let mut clusters: Map<String, Value> = Map::new();
    for cluster in answer.get("cluster_statuses").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = cluster.get("name").and_then(Value::as_str) else { continue };
        let hosts =
            cluster.get("host_statuses").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let is = |host: &Value, field: &str| {
            host.pointer(&format!("/health_status/{field}")).and_then(Value::as_bool).unwrap_or(false)
        };
        let ejected = hosts.iter().filter(|host| is(host, "failed_outlier_check")).count();
        let failed = hosts.iter().filter(|host| is(host, "failed_active_health_check")).count();
        clusters.insert(
            name.to_owned(),
            json!({ "hosts": hosts.len(), "ejected": ejected, "failed_health_check": failed }),
        );
    }
    Value::Object(clusters)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_the_interface_says_becomes_figures() {
        let mut seen = Value::Null;
        let now = MonoTime::from_nanos(7);
        take_in(&mut seen, Looked::Memory, br#"{"allocated": "100", "heap_size": "200", "x": "3"}"#, now);
        take_in(
            &mut seen,
            Looked::Server,
            br#"{"version": "v", "state": "LIVE", "node": {"secret": 1}}"#,
            now,
        );
        let stats = br#"{"stats": [
            {"name": "http.ingress.downstream_cx_active", "value": 3}, {"name": "http.admin.downstream_cx_active", "value": 9},
            {"name": "http.ballast_admin.downstream_cx_active", "value": 9},
            {"name": "cluster.up.upstream_cx_active", "value": 2},
            {"name": "cluster.up.circuit_breakers.default.rq_open", "value": 1},
            {"name": "http.ingress.downstream_rq_5xx", "value": 4}, {"name": "http.admin.downstream_rq_2xx", "value": 9},
            {"histograms": {"supported_quantiles": [0, 50, 99.5, 95, 99], "computed_quantiles": [
                {"name": "http.ingress.downstream_rq_time",
                 "values": [{"interval": 1, "cumulative": 2}, {"interval": 3, "cumulative": 4}, {"interval": 5},
                            {"interval": null, "cumulative": 6}, {"interval": 7.5}]}]}}]}"#;
        take_in(&mut seen, Looked::Stats, stats, now);
        let clusters = br#"{"cluster_statuses": [{"name": "up", "host_statuses": [
            {"health_status": {"failed_outlier_check": true}}, {"health_status": {"eds_health_status": "HEALTHY"}}]}]}"#;
        take_in(&mut seen, Looked::Clusters, clusters, now);
        take_in(&mut seen, Looked::Clusters, b"no JSON", now);
        assert_eq!(
            seen,
            json!({
                "looked_at_mono_ns": 7, "memory_allocated_bytes": 100, "memory_heap_bytes": 200,
                "version": "v", "state": "LIVE", "hot_restart_version": null, "connections": 3,
                "http": { "ingress": { "requests": { "5xx": 4 },
                                       "latency_ms": { "p50": 3, "p95": null, "p99": 7.5 } } },
                "pools": { "up": { "upstream_cx_active": 2, "rq_open": 1 } },
                "hosts": { "up": { "hosts": 2, "ejected": 1, "failed_health_check": 0 } },
            })
        );
    }
}
