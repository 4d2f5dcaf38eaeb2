//! Whose word counts.
//!
//! A header that raises rights (a plan, a cost, a priority) is only believed from whom the configuration names: by the
//! identity in the peer's certificate, or by address. From anybody else it counts as absent. The address is the proxy's own idea of
//! the client, never a header that a client can write.

use crate::key::source_address;
use crate::matching::{Needs, Property, Request, header_name};
use ipnet::IpNet;
use serde::Deserialize;
use std::borrow::Cow;

/// Who is believed: any of these. At least one must be given, or nobody could be.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
struct RawTrust {
    /// URIs in the peer's certificate, such as SPIFFE ids; one that ends in `*` is a prefix.
    peers: Vec<String>,
    /// Networks such as `10.0.0.0/8`, or single addresses.
    client_addresses: Vec<String>,
}

/// A valid [`RawTrust`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawTrust")]
pub struct Trust {
    peers: Vec<Peer>,
    networks: Vec<IpNet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Peer {
    Exact(String),
    Prefix(String),
}

impl Trust {
    /// Whether the sender of this request is believed.
    pub fn trusts(&self, request: &impl Request) -> bool {
        self.trusts_peer(request) || self.trusts_address(request)
    }

    fn trusts_peer(&self, request: &impl Request) -> bool {
        if self.peers.is_empty() {
            return false;
        }
        request.property(&Property::PeerIdentity).is_some_and(|identity| {
            self.peers.iter().any(|peer| match peer {
                Peer::Exact(uri) => *identity == *uri.as_bytes(),
                Peer::Prefix(uri) => identity.starts_with(uri.as_bytes()),
            })
        })
    }

    fn trusts_address(&self, request: &impl Request) -> bool {
        if self.networks.is_empty() {
            return false;
        }
        source_address(request)
            .is_some_and(|address| self.networks.iter().any(|network| network.contains(&address)))
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        if !self.peers.is_empty() {
            needs.property(Property::PeerIdentity);
        }
        if !self.networks.is_empty() {
            needs.property(Property::SourceAddress);
        }
    }
}

impl TryFrom<RawTrust> for Trust {
    type Error = String;

    fn try_from(raw: RawTrust) -> Result<Self, String> {
        if raw.peers.is_empty() && raw.client_addresses.is_empty() {
            return Err("nobody is trusted: name peers or client_addresses".to_owned());
        }
        let peers = raw.peers.into_iter().map(peer).collect::<Result<_, _>>()?;
        let networks = raw.client_addresses.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
        Ok(Self { peers, networks })
    }
}

fn peer(text: String) -> Result<Peer, String> {
    let (uri, prefix) = text.strip_suffix('*').map_or((text.as_str(), false), |uri| (uri, true));
    if uri.is_empty() || uri.contains('*') {
        return Err(format!("peers: `{text}` is no identity: write a URI, with `*` at its end only"));
    }
    Ok(if prefix { Peer::Prefix(uri.to_owned()) } else { Peer::Exact(uri.to_owned()) })
}

fn network(text: &str) -> Result<IpNet, String> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<core::net::IpAddr>().map(IpNet::from));
    parsed.map_err(|_| format!("client_addresses: `{text}` is no network: write it like 10.0.0.0/8"))
}

/// A header that is believed from some only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "RawTrustedHeader")]
#[cfg_attr(feature = "schema", schemars(with = "RawTrustedHeader"))]
pub struct TrustedHeader {
    name: String,
    trust: Trust,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawTrustedHeader {
    /// The header's name.
    header: String,
    /// From whom it is believed.
    trust: Trust,
}

impl TrustedHeader {
    /// A header by name, believed from whom `trust` names.
    ///
    /// # Errors
    ///
    /// The name is not one of a header.
    pub fn new(name: &str, trust: Trust) -> Result<Self, String> {
        Ok(Self { name: header_name(name)?, trust })
    }

    /// The header's value, if its sender is believed.
    pub fn value<'r>(&self, request: &'r impl Request) -> Option<Cow<'r, [u8]>> {
        let value = request.header(&self.name)?;
        self.trust.trusts(request).then_some(value)
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        needs.header(&self.name);
        self.trust.needs(needs);
    }
}

impl TryFrom<RawTrustedHeader> for TrustedHeader {
    type Error = String;

    fn try_from(raw: RawTrustedHeader) -> Result<Self, String> {
        Self::new(&raw.header, raw.trust)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Trust {
    fn schema_name() -> Cow<'static, str> {
        "Trust".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawTrust::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
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
            (
                r#"{"peers": ["spiffe://mesh/a"], "client_addresses": ["10.0.0.0/8"]}"#,
                "10.0.0.1:1",
                "x",
                true,
            ),
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
            r#"{"peers": ["a*b"]}"#,
            r#"{"client_addresses": ["10.0.0.0/33"]}"#,
            r#"{"client_addresses": ["gateway"]}"#,
            r#"{"everybody": true}"#,
        ] {
            assert!(serde_json::from_str::<Trust>(trust).is_err(), "{trust}");
        }
    }
}
