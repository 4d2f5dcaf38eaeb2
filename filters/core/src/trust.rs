//! Whose word counts.
//!
//! # Why
//!
//! A header that raises rights (a plan, a cost, a priority) is only believed from whom the configuration names: by the
//! identity in the peer's certificate, or by address. From anybody else it counts as absent.
//!
//! # Limits
//!
//! No header is read to find out who asks. But the address is the proxy's own idea of the client, and an Envoy without
//! `use_remote_address: true` takes that idea from `x-forwarded-for`: where clients reach such an Envoy directly, trust
//! `peers` only.

use crate::key::source_address;
use crate::matching::{HeaderName, Needs, Property, Request};
use core::net::IpAddr;
use ipnet::IpNet;
use serde::Deserialize;
use std::borrow::Cow;

/// Who is believed: any of these. At least one must be given, or nobody could be.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
struct RawTrust {
    /// URIs in the peer's certificate, such as SPIFFE ids; one that ends in `*` is a prefix.
    peers: Vec<Peer>,
    /// Networks such as `10.0.0.0/8`, or single addresses.
    client_addresses: Vec<Network>,
}

/// Who is believed. Names at least one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawTrust")]
pub struct Trust {
    peers: Vec<Peer>,
    networks: Vec<Network>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String")]
pub(crate) struct Network(IpNet);

impl Network {
    /// Whether an address is one of it.
    pub(crate) fn contains(&self, address: &IpAddr) -> bool {
        self.0.contains(address)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String")]
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
        Ok(Self { peers: raw.peers, networks: raw.client_addresses })
    }
}

impl TryFrom<String> for Peer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(uri) = text.strip_suffix('*') else {
            return if is_uri(&text) { Ok(Self::Exact(text)) } else { Err(wrong(&text)) };
        };
        // With a whole authority: `spiffe://mesh*` would trust `spiffe://mesh.evil.example/` too.
        let whole =
            uri.split_once("://").is_some_and(|(_, rest)| rest.find('/').is_some_and(|slash| slash > 0));
        if is_uri(uri) && whole { Ok(Self::Prefix(uri.to_owned())) } else { Err(wrong(&text)) }
    }
}

/// Roughly: what can never be equal to an identity is a mistake.
fn is_uri(text: &str) -> bool {
    text.contains("://") && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*')
}

fn wrong(text: &str) -> String {
    format!(
        "`{text}` is no identity: write `spiffe://mesh/gateway`, or `spiffe://mesh/*` for all of a trust domain"
    )
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        parsed.ok().and_then(canonical).map(Self).ok_or_else(|| {
            format!("`{text}` is no network: write it like 10.0.0.0/8, with zeros after the prefix")
        })
    }
}

/// A network that can contain the addresses of clients, which are compared as IPv4 addresses wherever they are such.
fn canonical(network: IpNet) -> Option<IpNet> {
    let mapped = matches!(network, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some());
    (!mapped && network.addr() == network.network()).then_some(network)
}

/// A header that is believed from some only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "RawTrustedHeader")]
#[cfg_attr(feature = "schema", schemars(with = "RawTrustedHeader"))]
pub struct TrustedHeader {
    name: HeaderName,
    trust: Trust,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawTrustedHeader {
    /// The header's name.
    header: HeaderName,
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
        Ok(Self { name: HeaderName::try_from(name.to_owned())?, trust })
    }

    /// The header's value, if its sender is believed.
    pub fn value<'r>(&self, request: &'r impl Request) -> Option<Cow<'r, [u8]>> {
        let value = request.header(self.name.as_str())?;
        self.trust.trusts(request).then_some(value)
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        needs.header(self.name.as_str());
        self.trust.needs(needs);
    }
}

impl From<RawTrustedHeader> for TrustedHeader {
    fn from(raw: RawTrustedHeader) -> Self {
        Self { name: raw.header, trust: raw.trust }
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
mod tests;
