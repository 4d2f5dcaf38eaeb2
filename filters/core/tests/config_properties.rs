//! What holds for every configuration: nothing makes reading it panic, both encodings say the same, and what a unit
//! displays can be read back.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::config::{Mode, Name, OnError, parse};
use ballast_core::http::{StatusSet, retry_after_seconds};
use ballast_core::key::{KeySpec, OnMissingKey};
use ballast_core::matching::Matcher;
use ballast_core::random::Fixed;
use ballast_core::trust::TrustedHeader;
use ballast_core::units::{ByteSize, Rate, Share, Span};
use core::time::Duration;
use proptest::prelude::*;
use prost::Message;
use prost_types::value::Kind;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A configuration with one of everything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Everything {
    mode: Mode,
    on_error: OnError,
    namespace: Option<Name>,
    wait: Option<Span>,
    size: Option<ByteSize>,
    rate: Option<Rate>,
    enforce_share: Option<Share>,
    r#match: Option<Matcher>,
    key: Option<KeySpec>,
    on_missing_key: OnMissingKey,
    plan: Option<TrustedHeader>,
    status: Option<StatusSet>,
    most: Option<u64>,
}

/// Texts near enough to what is meant that some of them are.
fn word() -> impl Strategy<Value = String> {
    let near = [
        "enforce",
        "off",
        "client_address",
        "host",
        "x-plan",
        "GET",
        "100/s",
        "250ms",
        "64KiB",
        "20%",
        "",
        "/api/",
        "a)|(b",
        "[a-z]+",
        "10.0.0.0/8",
        "::ffff:1.2.3.4/96",
        "spiffe://mesh/*",
        "*.shop.example",
        "[::1]",
        "500-599",
        "401",
        "18446744073709551616s",
        "99999999999999999999",
        "inbound",
    ];
    prop_oneof![4 => prop::sample::select(near.to_vec()).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn field() -> impl Strategy<Value = String> {
    let known = [
        "mode",
        "on_error",
        "namespace",
        "wait",
        "size",
        "rate",
        "enforce_share",
        "match",
        "key",
        "on_missing_key",
        "plan",
        "status",
        "most",
        "methods",
        "path",
        "hosts",
        "headers",
        "route",
        "cluster",
        "route_metadata",
        "direction",
        "exact",
        "prefix",
        "regex",
        "present",
        "name",
        "header",
        "query",
        "cookie",
        "property",
        "constant",
        "client_address",
        "ipv4_prefix",
        "ipv6_prefix",
        "trusted_hops",
        "trust",
        "peers",
        "client_addresses",
        "key",
    ];
    prop_oneof![8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => word()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-600_i64..600).prop_map(Value::from),
        (-MOST_EXACT..=MOST_EXACT).prop_map(Value::from),
        (-600_i32..600).prop_map(|quarters| json!(f64::from(quarters) + 0.25)),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner).prop_map(Value::Object),
        ]
    })
}

fn object(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(field(), values, 0..4).prop_map(|fields| fields.into_iter().collect())
}

/// Up to here a double holds every whole number.
const MOST_EXACT: i64 = 1 << 53;

fn encoded(fields: &Map<String, Value>) -> prost_types::Struct {
    let fields = fields.iter().map(|(name, value)| (name.clone(), encoded_value(value)));
    prost_types::Struct { fields: fields.collect() }
}

fn encoded_value(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(list) => {
            Kind::ListValue(prost_types::ListValue { values: list.iter().map(encoded_value).collect() })
        }
        Value::Object(fields) => Kind::StructValue(encoded(fields)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// The error without the place in the text, which only one of the encodings has.
fn without_line(error: impl ToString) -> String {
    let error = error.to_string();
    error.rsplit_once(" at line ").map_or(error.clone(), |(before, _)| before.to_owned())
}

proptest! {
    #[test]
    fn reading_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse::<Everything>(&bytes);
        let _ = parse::<Value>(&bytes);
        // The same behind what makes a Struct or a JSON text of it.
        let _ = parse::<Value>(&[b"\x0a", &*bytes].concat());
        let _ = parse::<Value>(&[b"{", &*bytes].concat());
    }

    #[test]
    fn a_damaged_encoding_never_panics(
        fields in object(value()), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), to: u8,
    ) {
        for mut bytes in [encoded(&fields).encode_to_vec(), Value::Object(fields).to_string().into_bytes()] {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = to;
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            let _ = parse::<Everything>(&bytes);
            let _ = parse::<Value>(&bytes);
        }
    }

    #[test]
    fn both_encodings_say_the_same(fields in object(value())) {
        let text = Value::Object(fields.clone()).to_string();
        let encoded = encoded(&fields).encode_to_vec();
        prop_assert_eq!(parse::<Value>(text.as_bytes()).unwrap(), parse::<Value>(&encoded).unwrap());
        let (text, encoded) = (parse::<Everything>(text.as_bytes()), parse::<Everything>(&encoded));
        prop_assert_eq!(text.as_ref().err().map(without_line), encoded.as_ref().err().map(without_line));
        if let (Ok(text), Ok(encoded)) = (text, encoded) {
            prop_assert_eq!(format!("{text:?}"), format!("{encoded:?}"));
        }
    }

    #[test]
    fn what_a_unit_displays_is_read_as_the_same(nanos: u64, bytes: u64, count in 1_u64.., points in 0_u16..=10_000) {
        for span in [Span(Duration::from_nanos(nanos)), Span(Duration::from_secs(nanos >> 32))] {
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
        for size in [ByteSize(bytes), ByteSize(bytes >> 20 << 20)] {
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
        let rate: Rate = format!("{count}/h").parse().unwrap();
        prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        let share = Share::from_basis_points(points);
        prop_assert_eq!(share.to_string().parse(), Ok(share));
    }

    #[test]
    fn only_what_has_a_unit_is_read(text in "[0-9.]{0,8}[ a-zA-Z/%µ-]{0,4}") {
        let has_unit = text.bytes().any(|byte| !byte.is_ascii_digit() && byte != b'.');
        let read = [
            text.parse::<Span>().is_ok(), text.parse::<ByteSize>().is_ok(),
            text.parse::<Rate>().is_ok(), text.parse::<Share>().is_ok(),
        ];
        prop_assert!(has_unit || read == [false; 4], "{}", text);
    }

    #[test]
    fn a_larger_share_admits_whatever_a_smaller_one_does(a in 0_u16..=10_000, b in 0_u16..=10_000, bits: u64, n: u64) {
        let (less, more) = (Share::from_basis_points(a.min(b)), Share::from_basis_points(a.max(b)));
        prop_assert!(!less.admits(bits) || more.admits(bits));
        prop_assert!(less.of(n) <= more.of(n) && more.of(n) <= n);
    }

    #[test]
    fn nobody_is_told_to_come_back_too_early(nanos: u64, points in 0_u16..=10_000, bits: u64) {
        let wait = Duration::from_nanos(nanos);
        let seconds = retry_after_seconds(wait, Share::from_basis_points(points), &mut Fixed(bits));
        prop_assert!(seconds >= 1 && Duration::from_secs(seconds) >= wait);
        let most = wait.as_secs() + 1;
        prop_assert!(seconds <= most + Share::from_basis_points(points).of(most).max(1));
    }
}

#[test]
fn a_configuration_with_one_of_everything_is_read() {
    let config = json!({
        "mode": "shadow", "on_error": "deny", "namespace": "edge", "wait": "250ms", "size": "64KiB", "rate": "100/s",
        "enforce_share": "5%",
        "match": { "methods": ["GET"], "path": { "prefix": "/" }, "hosts": ["*.a"], "direction": "inbound" },
        "key": ["client_address", { "header": "x-api-key" }], "on_missing_key": "shared",
        "plan": { "header": "x-plan", "trust": { "peers": ["spiffe://mesh/gateway"] } },
        "status": [401, "500-599"], "most": 50,
    });
    let Value::Object(fields) = &config else { panic!("an object") };
    for bytes in [config.to_string().into_bytes(), encoded(fields).encode_to_vec()] {
        let read = parse::<Everything>(&bytes).unwrap();
        assert_eq!((read.mode, read.most), (Mode::Shadow, Some(50)));
        assert!(read.status.unwrap().contains(503));
    }
}
