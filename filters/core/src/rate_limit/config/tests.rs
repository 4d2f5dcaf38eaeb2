use super::*;
use crate::config::parse;
use crate::matching::{Property, Sample};
use crate::random::Fixed;
use crate::rate_limit::global::{Counting, Lease, Otherwise};
use crate::rate_limit::{Algorithm, Ask, Charge};
use core::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECRET: Secret = Secret([1; 16]);

fn read(json: &str) -> Result<Config, String> {
    parse(json.as_bytes()).map_err(|error: ConfigError| error.to_string())
}

/// One limit with these fields besides its name.
fn limit(fields: &str) -> Result<Config, String> {
    read(&format!(r#"{{"limits": [{{"name": "a", {fields}}}]}}"#))
}

fn asks(config: &Config, request: &Sample) -> Vec<Ask> {
    let mut asking = Asking::default();
    config.ask(request, &SECRET, &mut Fixed(0), &mut asking).unwrap();
    asking.asks().to_vec()
}

#[test]
fn what_operators_write_becomes_limits() {
    let config = read(
        r#"{
            "mode": "enforce", "headers": "draft-11",
            "limits": [
                {"name": "per-client", "match": {"path": {"prefix": "/api/"}}, "key": ["client_address"],
                 "rate": "100/s", "burst": 200},
                {"name": "per-plan", "key": [{"header": "x-api-key"}], "rate": "10/s", "burst": 50,
                 "tiers": {"by": {"header": "x-plan", "trust": {"peers": ["spiffe://mesh/gateway"]}},
                           "plans": {"gold": {"rate": "1000/s", "burst": 2000}, "internal": {"unlimited": true}}},
                 "cost": {"header": "x-cost", "default": 1, "max": 50, "trust": {"client_addresses": ["10.0.0.0/8"]}}},
                {"name": "failed-logins", "match": {"path": {"exact": "/login"}, "methods": ["POST"]},
                 "key": ["client_address"], "algorithm": "sliding_window", "rate": "5/m",
                 "charge_when": {"status": [401, 403]}},
                {"name": "expensive-in-flight", "algorithm": "concurrency", "match": {"path": {"prefix": "/reports"}},
                 "key": [{"header": "x-tenant"}], "max_concurrent": 4}
            ]
        }"#,
    )
    .unwrap();
    let most: Vec<u64> = config.limits.iter().map(|limit| limit.algorithm.most()).collect();
    assert_eq!(most, [200, 50, 5, 4]);
    assert!(config.limits[2].counts(Some(401)) && !config.limits[2].counts(Some(200)));
    assert!(!config.limits[2].counts(None) && config.limits[0].counts(None));
    assert_eq!((config.status, config.headers), (429, HeaderStyle::Draft11));
    assert_eq!(config.name_of(3), "expensive-in-flight");
    let mut needs = Needs::default();
    config.needs(&mut needs);
    assert!(needs.headers.contains("x-cost") && needs.properties.contains(&Property::PeerIdentity));
}

#[test]
fn an_elastic_limit_and_its_plans_tighten_with_the_level_and_recover_slowly() {
    let mut config = read(
        r#"{"limits": [
            {"name": "stiff", "rate": "10/s"},
            {"name": "a", "rate": "100/s", "elastic": {"level_1": "80%", "level_2": "50%", "level_3": "20%"},
             "tiers": {"by": {"header": "x-plan", "trust": {"peers": ["spiffe://a"]}},
                       "plans": {"gold": {"rate": "1000/s"}, "free": {"unlimited": true}}},
             "cost": {"header": "x-cost", "max": 30, "trust": {"peers": ["spiffe://a"]}}},
            {"name": "b", "algorithm": "sliding_window", "rate": "9/m", "elastic": {"level_2": "50%", "recover_over": "0s"}},
            {"name": "c", "algorithm": "fixed_window", "rate": "9/m", "elastic": {"level_1": "1%"}},
            {"name": "d", "algorithm": "concurrency", "max_concurrent": 4, "elastic": {"level_3": "25%"}}
        ]}"#,
    )
    .unwrap();
    assert!(config.is_elastic() && !limit(r#""rate": "1/s""#).unwrap().is_elastic());
    let gold = Sample::get("/").knows(Property::PeerIdentity, "spiffe://a").with("x-plan", "gold");
    let mut most = |millis, overload| {
        let mut changed = Vec::new();
        config.follow(overload, MonoTime::from_millis(millis), |limit, share| {
            changed.push((limit, share.to_string()));
        });
        let most: Vec<u64> = config.limits.iter().map(|limit| limit.algorithm.most()).collect();
        let plan = asks(&config, &gold).iter().find(|ask| ask.limit == 1).map(|ask| ask.algorithm.most());
        (most, plan.unwrap(), changed.len())
    };
    for (millis, overload, expected) in [
        (0, Overload::None, (vec![10, 100, 9, 9, 4], 1_000, 4)),
        (100, Overload::None, (vec![10, 100, 9, 9, 4], 1_000, 0)),
        (200, Overload::Elevated, (vec![10, 80, 9, 1, 4], 800, 2)),
        (300, Overload::High, (vec![10, 50, 4, 1, 4], 500, 2)),
        // What one request may cost can always pass.
        (400, Overload::Critical, (vec![10, 30, 4, 1, 1], 200, 2)),
        (500, Overload::None, (vec![10, 30, 9, 1, 1], 200, 1)),
        // A token takes a whole number of nanoseconds, rounded up: the strict side.
        (5_500, Overload::None, (vec![10, 69, 9, 4, 3], 699, 3)),
        (60_000, Overload::None, (vec![10, 100, 9, 9, 4], 1_000, 3)),
    ] {
        assert_eq!(most(millis, overload), expected, "at {millis} ms, {overload:?}");
    }
}

#[test]
fn wrong_limits_are_refused_by_path_value_and_what_is_allowed() {
    let trust = r#""trust": {"peers": ["spiffe://a"]}"#;
    for (fields, expected) in [
        (r#""burst": 3"#, "limits[0].rate: missing"),
        (r#""rate": "1/s", "elastic": {}"#, "limits[0].elastic: `{}` tightens nothing: name a level"),
        (
            r#""rate": "1/s", "elastic": {"level_2": "0.5%"}"#,
            "limits[0].elastic.level_2: `0.50%` lets hardly anything through: at least 1%",
        ),
        (
            r#""rate": "1/s", "elastic": {"level_1": "50%", "level_3": "60%"}"#,
            "limits[0].elastic.level_3: `60%` is more than at the level below, which has 50%",
        ),
        (
            r#""rate": "1/s", "elastic": {"level_1": "50%", "recover_over": "2h"}"#,
            "limits[0].elastic.recover_over: `2h` is more than 1h",
        ),
        (r#""rate": "1/s", "elastic": {"level_4": "5%"}"#, "unknown field `level_4`"),
        (r#""rate": "100""#, "limits[0].rate: `100` is not a rate"),
        (r#""rate": "1/s", "burst": 0"#, "limits[0].burst: `0` lets nothing through: at least 1"),
        (r#""rate": "1/d", "burst": 99999999"#, "limits[0].burst: `99999999` at `1/d` takes longer"),
        (
            r#""rate": "1/s", "max_concurrent": 2"#,
            "limits[0].max_concurrent: `2` needs algorithm `concurrency`",
        ),
        (
            r#""rate": "5/m", "burst": 9, "algorithm": "sliding_window""#,
            "limits[0].burst: `9` needs algorithm",
        ),
        (
            r#""rate": "5000000000/m", "algorithm": "fixed_window""#,
            "limits[0].rate: `5000000000/m` is too much",
        ),
        (r#""algorithm": "concurrency""#, "limits[0].max_concurrent: missing"),
        (r#""algorithm": "concurrency", "max_concurrent": 0"#, "limits[0].max_concurrent: `0` lets nothing"),
        (
            r#""algorithm": "concurrency", "max_concurrent": 4, "rate": "5/s""#,
            "limits[0].rate: `5/s` is not for algorithm `concurrency`",
        ),
        (
            r#""algorithm": "concurrency", "max_concurrent": 4, "charge_when": {"status": [401]}"#,
            "limits[0].charge_when: not with algorithm `concurrency`",
        ),
        (r#""rate": "1/s", "charge_when": {"status": []}"#, "limits[0].charge_when.status: `[]` would never"),
        (r#""rate": "1/s", "charge_when": {"status": [42]}"#, "limits[0].charge_when.status"),
        (r#""rate": "1/s", "max_keys": 0"#, "limits[0].max_keys: `0` is not 1 to 16777216"),
        (r#""rate": "1/s", "enforce_share": 5"#, "limits[0].enforce_share"),
        (r#""rate": "1/s", "algorithm": "leaky""#, "limits[0].algorithm: unknown variant `leaky`"),
        (r#""rate": "1/s", "colour": "red""#, "limits[0].colour: unknown field `colour`"),
        (r#""rate": "1/s", "key": ["client_adress"]"#, "limits[0].key[0]"),
        (
            &format!(r#""rate": "5/s", "cost": {{"header": "x-cost", "max": 6, {trust}}}"#),
            "limits[0].cost.max: `6` can never pass: 1 to 5",
        ),
        (
            &format!(r#""rate": "5/s", "cost": {{"header": "x-cost", "default": 0, {trust}}}"#),
            "limits[0].cost.default: `0` is not 1 to 5",
        ),
        (r#""rate": "5/s", "cost": {"header": "x-cost"}"#, "limits[0].cost: missing field `trust`"),
        (
            &format!(
                r#""rate": "5/s", "tiers": {{"by": {{"header": "p", {trust}}}, "plans": {{"g": {{}}}}}}"#
            ),
            "limits[0].tiers.plans.g.rate: missing",
        ),
        (
            &format!(
                r#""rate": "5/s", "tiers": {{"by": {{"header": "p", {trust}}},
                   "plans": {{"g": {{"unlimited": true, "burst": 3}}}}}}"#
            ),
            "limits[0].tiers.plans.g.unlimited: `true` leaves nothing",
        ),
        (
            &format!(r#""rate": "5/s", "tiers": {{"by": {{"header": "p", {trust}}}, "plans": {{}}}}"#),
            "limits[0].tiers.plans: `{}` has no plan",
        ),
    ] {
        let error = limit(fields).unwrap_err();
        assert!(error.contains(expected), "{fields}: {error}");
    }
}

#[test]
fn wrong_configurations_are_refused_by_path() {
    let same = r#"{"name": "a", "rate": "1/s"}"#;
    for (json, expected) in [
        (format!(r#"{{"limits": [{same}, {same}]}}"#), "limits[1].name: `a` is the name of limits[0] too"),
        (r#"{"limits": [{"name": "A", "rate": "1/s"}]}"#.to_owned(), "limits[0].name: `A` is not a name"),
        (r#"{"limits": [{"rate": "1/s"}]}"#.to_owned(), "limits[0]: missing field `name`"),
        (r#"{"status": 200}"#.to_owned(), "status: `200` refuses nothing: 400 to 599"),
        (r#"{"headers": "draft-10"}"#.to_owned(), "headers: unknown variant `draft-10`"),
        (r#"{"namespace": true}"#.to_owned(), "namespace: invalid type: boolean `true`"),
        (r#"{"retry_after_jitter": "200%"}"#.to_owned(), "retry_after_jitter: `200%` is not a share"),
        (r#"{"response": {"headers": {"a b": "c"}}}"#.to_owned(), "response.headers.a b"),
        (
            r#"{"response": {"headers": {"a": "b\r\nc"}}}"#.to_owned(),
            "response.headers.a: control characters",
        ),
        (r#"{"namespace": "x/y"}"#.to_owned(), "namespace: `x/y` is not a name"),
    ] {
        let error = read(&json).unwrap_err();
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn limits_are_asked_that_match_and_know_the_client() {
    let config = read(
        r#"{"exempt": [{"path": {"exact": "/health"}}], "limits": [
            {"name": "all", "rate": "1/s"},
            {"name": "api", "match": {"path": {"prefix": "/api/"}}, "rate": "1/s"},
            {"name": "skips", "key": [{"header": "k"}], "rate": "1/s"},
            {"name": "shares", "key": [{"header": "k"}], "on_missing_key": "shared", "rate": "1/s"},
            {"name": "shadow", "mode": "shadow", "rate": "1/s"},
            {"name": "share", "enforce_share": "0%", "rate": "1/s"},
            {"name": "gone", "mode": "disabled", "rate": "1/s"}
        ]}"#,
    )
    .unwrap();
    let asked = |request: &Sample| -> Vec<(u16, bool)> {
        asks(&config, request).iter().map(|ask| (ask.limit, ask.enforced)).collect()
    };
    assert_eq!(asked(&Sample::get("/health")), []);
    assert_eq!(asked(&Sample::get("/")), [(0, true), (3, true), (4, false), (5, false)]);
    let known = Sample::get("/api/x").with("k", "v");
    assert_eq!(asked(&known).iter().map(|(limit, _)| *limit).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let clients: Vec<_> = asks(&config, &known).iter().map(|ask| ask.client).collect();
    assert_ne!(clients[0], clients[1], "limits do not share clients");
}

#[test]
fn a_missing_key_is_denied_only_by_limits_that_are_enforced() {
    let fields = r#""key": [{"header": "k"}], "on_missing_key": "deny", "rate": "1/s""#;
    let denied = limit(fields)
        .unwrap()
        .ask(&Sample::get("/"), &SECRET, &mut Fixed(0), &mut Asking::default())
        .unwrap_err();
    assert_eq!((denied.limit, denied.missing.to_string()), (0, "the request has no header k".to_owned()));
    let shadow = limit(&format!(r#"{fields}, "mode": "shadow""#)).unwrap();
    assert_eq!(asks(&shadow, &Sample::get("/")), []);
}

#[test]
fn plans_and_costs_are_believed_from_the_trusted_only() {
    let trust = r#""trust": {"client_addresses": ["10.0.0.0/8"]}"#;
    let config = limit(&format!(
        r#""rate": "10/s", "key": [{{"header": "k"}}],
           "tiers": {{"by": {{"header": "plan", {trust}}},
                      "plans": {{"gold": {{"rate": "99/s"}}, "free": {{"unlimited": true}}}}}},
           "cost": {{"header": "cost", "default": 2, "max": 7, {trust}}}"#
    ))
    .unwrap();
    let ask = |from: &str, plan: &str, cost: &str| {
        let request = Sample::get("/").with("k", "v").with("plan", plan).with("cost", cost);
        let asks = asks(&config, &request.knows(Property::SourceAddress, from));
        asks.first().map(|ask| (ask.algorithm.most(), ask.cost))
    };
    for (cost, expected) in
        [("5", 5), ("0", 1), ("8", 7), ("99999999999999999999999", 7), ("-3", 2), ("1e3", 2), ("", 2)]
    {
        assert_eq!(ask("10.1.1.1:5", "", cost), Some((10, expected)), "{cost}");
        assert_eq!(ask("192.0.2.1:5", "", cost), Some((10, 2)), "{cost} from anybody");
    }
    assert_eq!(ask("10.1.1.1:5", "gold", "1"), Some((99, 1)));
    assert_eq!(ask("10.1.1.1:5", "lead", "1"), Some((10, 1)));
    assert_eq!(ask("10.1.1.1:5", "free", "1"), None);
    assert_eq!(ask("192.0.2.1:5", "free", "1"), Some((10, 2)));
}

#[test]
fn only_limits_with_a_condition_wait_for_the_answer() {
    let refundable = |fields| asks(&limit(fields).unwrap(), &Sample::get("/"))[0].refundable;
    assert!(!refundable(r#""rate": "1/s""#));
    assert!(refundable(r#""rate": "1/s", "charge_when": {"status": ["400-499"]}"#));
    let permits = limit(r#""algorithm": "concurrency", "max_concurrent": 3"#).unwrap();
    assert_eq!(asks(&permits, &Sample::get("/"))[0].algorithm, Algorithm::Concurrency { most: 3 });
    let nothing: Vec<Charge> = Vec::new();
    let settle = permits.settle(Charges::new(nothing), None, &mut Leases::default(), MonoTime::ZERO);
    assert!(settle.is_empty());
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_names_every_field() {
    let schema = serde_json::to_string(&schemars::schema_for!(Config)).unwrap();
    for field in
        ["limits", "enforce_share", "charge_when", "max_concurrent", "retry_after_jitter", "draft-11"]
    {
        assert!(schema.contains(&format!("\"{field}\"")), "{field}");
    }
}

#[test]
fn a_limit_that_a_service_counts_needs_no_numbers() {
    let config = limit(
        r#""key": ["client_address"], "global": {"cluster": "ratelimit", "mode": "leased", "timeout": "30ms",
            "lease": {"size": 20, "max_age": "2s"}, "local": {"rate": "20/s", "burst": 5}}"#,
    )
    .unwrap();
    let global = config.limits[0].global.clone().unwrap();
    assert_eq!((global.cluster.as_str(), global.domain.as_str()), ("ratelimit", "ballast"));
    assert_eq!(global.timeout, Duration::from_millis(30));
    assert_eq!(global.counting, Counting::Leased(Lease { size: 20, max_age: Duration::from_secs(2) }));
    let Otherwise::Local(local) = global.otherwise else { panic!("must be local") };
    assert_eq!(local.most(), 5);
    let exact = limit(r#""global": {"cluster": "r", "on_error": "deny"}"#).unwrap();
    let global = exact.limits[0].global.as_ref().unwrap();
    assert_eq!((global.counting, &global.otherwise), (Counting::Exact, &Otherwise::Deny));
}

#[test]
fn wrong_global_limits_are_refused_by_path_value_and_what_is_allowed() {
    let long = "c".repeat(124);
    for (global, expected) in [
        (r#""cluster": """#, "cluster: `` is not 1 to 123 bytes long"),
        (&format!(r#""cluster": "{long}""#), "cluster: `ccc"),
        (r#""domain": "d""#, "global: missing field `cluster`"),
        (r#""cluster": "r", "domain": """#, "domain: `` is not 1 to 255 bytes long"),
        (r#""cluster": "r", "timeout": "0ms""#, "timeout: `0s` is not 1ms to 10s in whole milliseconds"),
        (r#""cluster": "r", "timeout": "1500us""#, "timeout: `1500us` is not 1ms to 10s"),
        (r#""cluster": "r", "timeout": "11s""#, "timeout: `11s` is not 1ms to 10s"),
        (r#""cluster": "r", "lease": {"size": 5}"#, "lease: needs mode `leased`"),
        (r#""cluster": "r", "mode": "leased", "lease": {"size": 0}"#, "lease.size: `0` is not 1 to 1000000"),
        (r#""cluster": "r", "mode": "leased", "lease": {"max_age": "1ms"}"#, "lease.max_age: `1ms` is not"),
        (r#""cluster": "r""#, "local: missing: on_error `local` needs it"),
        (r#""cluster": "r", "on_error": "allow", "local": {"rate": "1/s"}"#, "local: needs on_error `local`"),
        (r#""cluster": "r", "local": {"rate": "1/s", "burst": 0}"#, "local.burst: `0` at `1/s` is not"),
    ] {
        let error = limit(&format!(r#""global": {{{global}}}"#)).unwrap_err();
        assert!(error.starts_with("limits[0].global") && error.contains(expected), "{global}: {error}");
    }
}

#[test]
fn what_a_service_counts_has_nothing_that_only_a_process_can_do() {
    for (field, expected) in [
        (r#""rate": "1/s""#, "limits[0].rate: not with `global`: the service's configuration"),
        (r#""burst": 1"#, "limits[0].burst: not with"),
        (r#""max_concurrent": 1"#, "limits[0].max_concurrent: not with"),
        (r#""algorithm": "fixed_window""#, "limits[0].algorithm: not with"),
        (r#""charge_when": {"status": [401]}"#, "limits[0].charge_when: not with `global`: what a service"),
        (
            r#""tiers": {"by": {"header": "p", "trust": {"peers": ["spiffe://a/b"]}}, "plans": {"x": {"unlimited": true}}}"#,
            "limits[0].tiers: not with `global`: make the plan",
        ),
    ] {
        let error =
            limit(&format!(r#"{field}, "global": {{"cluster": "r", "on_error": "allow"}}"#)).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_service_is_asked_last_and_told_the_key() {
    let config = read(
        r#"{"limits": [
            {"name": "each", "key": ["path"], "global": {"cluster": "r", "on_error": "allow"}},
            {"name": "own", "rate": "1/s"},
            {"name": "ahead", "global": {"cluster": "r", "mode": "leased", "on_error": "allow"}}]}"#,
    )
    .unwrap();
    let mut asking = Asking::default();
    let request = Sample::get("/a?b");
    config.ask(&request, &SECRET, &mut Fixed(0), &mut asking).unwrap();
    let own: Vec<(u16, bool)> = asking.asks().iter().map(|ask| (ask.limit, ask.refundable)).collect();
    assert_eq!(own, [(1, true)], "it can be taken back");
    assert_eq!(asking.remote().iter().map(|ask| ask.limit).collect::<Vec<_>>(), [2, 0], "leased ones first");
    let told: Vec<(String, String)> =
        config.limits[0].descriptor(&request).into_iter().map(|entry| (entry.key, entry.value)).collect();
    assert_eq!(told, [("limit", "each"), ("path", "/a")].map(|(key, value)| (key.into(), value.into())));
}
