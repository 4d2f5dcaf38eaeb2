use super::*;
use crate::matching::Sample;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn header(trust: &str) -> TrustedHeader {
    serde_json::from_str(&format!(r#"{{"header": "X-Plan", "trust": {trust}}}"#)).unwrap()
}

#[test]
fn a_header_counts_only_from_whom_it_is_believed() {
    let request = |source: &str, peer: &str| {
        let request = Sample::get("/").with("x-plan", "gold").with("x-forwarded-for", "10.0.0.1");
        request.knows(Property::SourceAddress, source).knows(Property::PeerIdentity, peer)
    };
    for (trust, source, peer, believed) in [
        (r#"{"client_addresses": ["10.0.0.0/8"]}"#, "10.9.8.7:1", "", true),
        (r#"{"client_addresses": ["10.0.0.0/8"]}"#, "192.0.2.1:1", "", false),
        (r#"{"client_addresses": ["192.0.2.1"]}"#, "192.0.2.1:1", "", true),
        (r#"{"client_addresses": ["10.0.0.0/8"]}"#, "[::ffff:10.0.0.1]:1", "", true),
        (r#"{"peers": ["spiffe://mesh/gateway"]}"#, "10.0.0.1:1", "spiffe://mesh/gateway", true),
        (r#"{"peers": ["spiffe://mesh/gateway"]}"#, "10.0.0.1:1", "spiffe://mesh/gateway2", false),
        (r#"{"peers": ["spiffe://mesh/*"]}"#, "10.0.0.1:1", "spiffe://mesh/any", true),
        (r#"{"peers": ["spiffe://mesh/*"]}"#, "10.0.0.1:1", "spiffe://evil/mesh/", false),
        (r#"{"peers": ["spiffe://mesh/a"], "client_addresses": ["10.0.0.0/8"]}"#, "10.0.0.1:1", "x", true),
    ] {
        let value = header(trust).value(&request(source, peer)).map(Cow::into_owned);
        assert_eq!(value, believed.then(|| b"gold".to_vec()), "{trust} from {source} {peer}");
    }
}

#[test]
fn trust_that_names_nobody_or_nonsense_is_refused() {
    for trust in [
        "{}",
        r#"{"peers": []}"#,
        r#"{"peers": ["*"]}"#,
        r#"{"peers": ["spiffe://a*b"]}"#,
        r#"{"peers": ["spiffe://mesh/**"]}"#,
        r#"{"peers": ["spiffe://mesh*"]}"#,
        r#"{"peers": ["spiffe:///*"]}"#,
        r#"{"peers": ["mesh/gateway"]}"#,
        r#"{"peers": [""]}"#,
        r#"{"client_addresses": ["10.1.2.3/8"]}"#,
        r#"{"client_addresses": ["::ffff:10.0.0.0/104"]}"#,
        r#"{"client_addresses": ["10.0.0.0/33"]}"#,
        r#"{"client_addresses": ["gateway"]}"#,
        r#"{"everybody": true}"#,
    ] {
        assert!(serde_json::from_str::<Trust>(trust).is_err(), "{trust}");
    }
}

#[test]
fn an_error_names_the_very_place() {
    for (trust, place) in [
        (r#"{"client_addresses": ["10.0.0.0/8", "x"]}"#, "client_addresses[1]: `x`"),
        (r#"{"peers": ["spiffe://mesh*"]}"#, "peers[0]: `spiffe://mesh*`"),
    ] {
        let error = crate::config::parse::<Trust>(trust.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(place), "{error}");
    }
}

#[test]
fn whose_address_and_identity_are_unknown_is_not_believed() {
    let trust = r#"{"peers": ["spiffe://mesh/*"], "client_addresses": ["0.0.0.0/0", "::/0"]}"#;
    let nobody = Sample::get("/").with("x-plan", "gold");
    assert_eq!(header(trust).value(&nobody), None);
    let unix = nobody.knows(Property::SourceAddress, "/run/envoy.sock");
    assert_eq!(header(trust).value(&unix), None);
}

#[test]
fn needs_name_the_header_and_what_tells_its_sender() {
    let mut needs = Needs::default();
    header(r#"{"peers": ["spiffe://mesh/a"]}"#).needs(&mut needs);
    assert_eq!(needs.headers, ["x-plan".to_owned()].into());
    assert_eq!(needs.properties, [Property::PeerIdentity].into());
}
