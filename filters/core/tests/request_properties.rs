//! What holds for every request: nothing in it makes a rule panic, no two keys look alike, and what a client writes
//! wins it no trust.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::http::{accepts_problem, is_grpc};
use ballast_core::key::{KeySpec, MissingPart};
use ballast_core::matching::{Matcher, Needs, Property, Request};
use ballast_core::trust::TrustedHeader;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A request made of arbitrary bytes.
#[derive(Clone, Debug, Default)]
struct Bytes {
    headers: BTreeMap<String, Vec<u8>>,
    properties: BTreeMap<Property, Vec<u8>>,
}

impl Request for Bytes {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.headers.get(name).map(|value| value.as_slice().into())
    }

    fn property(&self, property: &Property) -> Option<Cow<'_, [u8]>> {
        self.properties.get(property).map(|value| value.as_slice().into())
    }
}

fn value_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..24),
        "[a-c=;&?%+,.:/0-9\\[\\]]{0,24}".prop_map(String::into_bytes),
    ]
}

fn request() -> impl Strategy<Value = Bytes> {
    let name = prop::sample::select(vec![
        ":path",
        ":method",
        ":authority",
        "cookie",
        "x-a",
        "x-b",
        "x-plan",
        "x-forwarded-for",
        "accept",
    ]);
    let property = prop::sample::select(vec![
        Property::SourceAddress,
        Property::RouteName,
        Property::PeerIdentity,
        Property::Direction,
        Property::Path(vec!["p".to_owned()]),
    ]);
    (
        prop::collection::btree_map(name.prop_map(str::to_owned), value_bytes(), 0..8),
        prop::collection::btree_map(property, value_bytes(), 0..5),
    )
        .prop_map(|(headers, properties)| Bytes { headers, properties })
}

fn extract(spec: &KeySpec, request: &Bytes) -> (Vec<u8>, Result<(), MissingPart>) {
    let mut material = Vec::new();
    let result = spec.extract(request, &mut material);
    (material, result)
}

fn of<T: serde::de::DeserializeOwned>(config: Value) -> T {
    serde_json::from_value(config).unwrap()
}

/// A key with one part of each kind.
fn every_part() -> KeySpec {
    of(json!([
        "client_address", { "query": "a" }, { "cookie": "a" }, "path", "method", "host", "route", "cluster",
        "peer_identity", { "property": ["p"] }, { "constant": "c" }, { "header": "x-a" },
        { "client_address": { "header": "x-forwarded-for", "trusted_hops": 2 } },
    ]))
}

/// A header that is believed from one network and one trust domain.
fn plan() -> TrustedHeader {
    let trust = json!({ "client_addresses": ["10.0.0.0/8"], "peers": ["spiffe://mesh/*"] });
    of(json!({ "header": "x-plan", "trust": trust }))
}

/// A request that is only asked for what was announced.
struct Watched<'a> {
    request: &'a Bytes,
    needs: &'a Needs,
}

impl Request for Watched<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        assert!(self.needs.headers.contains(name), "{name} was not announced");
        self.request.header(name)
    }

    fn property(&self, property: &Property) -> Option<Cow<'_, [u8]>> {
        assert!(self.needs.properties.contains(property), "{property:?} was not announced");
        self.request.property(property)
    }
}

proptest! {
    #[test]
    fn no_two_keys_look_alike(a in prop::collection::vec(prop::option::of(value_bytes()), 3), b in prop::collection::vec(prop::option::of(value_bytes()), 3)) {
        let spec: KeySpec = of(json!([{ "header": "x-0" }, { "header": "x-1" }, { "header": "x-2" }]));
        let request = |values: &[Option<Vec<u8>>]| Bytes {
            headers: values.iter().enumerate()
                .filter_map(|(at, value)| Some((format!("x-{at}"), value.clone()?))).collect(),
            ..Bytes::default()
        };
        let ((of_a, found), (of_b, _)) = (extract(&spec, &request(&a)), extract(&spec, &request(&b)));
        prop_assert_eq!(of_a == of_b, a == b);
        prop_assert_eq!(found.is_ok(), a.iter().all(Option::is_some));
    }

    #[test]
    fn a_key_never_begins_another_one(request in request(), other in request()) {
        let spec = every_part();
        let ((a, _), (b, _)) = (extract(&spec, &request), extract(&spec, &other));
        prop_assert!(a == b || !a.starts_with(&b));
    }

    #[test]
    fn nothing_is_asked_for_that_needs_do_not_name(request in request()) {
        let matcher: Matcher = of(json!({
            "methods": ["GET"], "path": { "regex": "(/[a-c]*)+" }, "hosts": ["*.b", "[::1]"], "route": "a",
            "headers": [{ "name": "x-a", "prefix": "a" }, { "name": "x-b", "present": false }],
        }));
        let spec = every_part();
        let plan = plan();
        let mut needs = Needs::default();
        matcher.needs(&mut needs);
        spec.needs(&mut needs);
        plan.needs(&mut needs);
        let watched = Watched { request: &request, needs: &needs };
        let _ = plan.value(&watched);
        let _ = spec.extract(&watched, &mut Vec::new());
        if matcher.matches(&watched) {
            prop_assert_eq!(&request.headers[":method"], b"GET");
            prop_assert!(!request.headers.contains_key("x-b"));
        }
    }

    #[test]
    fn any_bytes_say_what_kind_of_client_asks(bytes in value_bytes()) {
        prop_assert!(!is_grpc(Some(&bytes)) || bytes.starts_with(b"application/grpc"));
        let refused = [&*bytes, b", application/problem+json;q=0"].concat();
        let named = bytes.to_ascii_lowercase().windows(7).any(|part| part == b"problem");
        prop_assert!(named || !accepts_problem(Some(&refused)));
    }

    #[test]
    fn no_header_wins_trust(request in request(), forged in value_bytes()) {
        let plan = plan();
        let mut stranger = request;
        stranger.properties.insert(Property::SourceAddress, b"192.0.2.1:5".to_vec());
        stranger.properties.insert(Property::PeerIdentity, b"spiffe://other/a".to_vec());
        stranger.headers.insert("x-plan".to_owned(), b"gold".to_vec());
        for name in ["x-forwarded-for", "x-real-ip", "forwarded", "x-forwarded-client-cert", ":authority"] {
            for value in [&*forged, b"10.0.0.1", b"URI=spiffe://mesh/a"] {
                stranger.headers.insert(name.to_owned(), value.to_vec());
                prop_assert_eq!(plan.value(&stranger), None);
            }
        }
    }

    #[test]
    fn what_a_client_puts_before_the_trusted_hops_changes_no_key(forged in value_bytes(), last: [u8; 4]) {
        let spec: KeySpec = of(json!([{ "client_address": { "header": "x-forwarded-for", "trusted_hops": 1 } }]));
        let [a, b, c, d] = last;
        let with = |before: &[u8]| {
            let line = [before, format!(", {a}.{b}.{c}.{d}").as_bytes()].concat();
            let headers = [("x-forwarded-for".to_owned(), line)].into();
            extract(&spec, &Bytes { headers, ..Bytes::default() })
        };
        prop_assert!(with(b"").1.is_ok());
        prop_assert_eq!(with(&forged), with(b""));
    }
}
