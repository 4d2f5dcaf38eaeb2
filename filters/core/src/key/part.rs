//! The parts of a key.

use super::address::{self, ClientAddress};
use crate::matching::{Needs, Property, Request, header_name, without_port, without_query};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What happens when a part of the key is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnMissingKey {
    /// The rule does not apply.
    #[default]
    Skip,
    /// All requests without it share one key.
    Shared,
    /// The request is refused.
    Deny,
}

/// A part of the key that the request lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request has no {0}")]
pub struct MissingPart(pub String);

/// Whom a rule counts separately: the parts of its key, in order. Without parts all requests are counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct KeySpec(Vec<Part>);

/// A part as it is written: a word, or an object with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part(KeyPart);

/// One part of a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum KeyPart {
    /// The client's address, or a prefix of it.
    ClientAddress(ClientAddress),
    /// A header's value.
    Header(String),
    /// A parameter of the query, decoded.
    Query(String),
    /// A cookie's value.
    Cookie(String),
    /// The path without its query.
    Path,
    /// The method.
    Method,
    /// The host without its port, in lower case.
    Host,
    /// The name of the route.
    Route,
    /// The cluster that the route leads to.
    Cluster,
    /// The URI in the peer's certificate.
    PeerIdentity,
    /// Anything else that the proxy knows, by its path.
    Property(Vec<String>),
    /// Always the same: tells apart rules that share a namespace.
    Constant(String),
}

const PRESENT: u8 = 1;
const MISSING: u8 = 0;

impl KeySpec {
    /// Whether all requests are counted together.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the request's key to `material`. Of a missing part, that it is missing.
    ///
    /// # Errors
    ///
    /// The first part that is missing. `material` is complete all the same, for [`OnMissingKey::Shared`].
    pub fn extract(&self, request: &impl Request, material: &mut Vec<u8>) -> Result<(), MissingPart> {
        let mut missing = None;
        for Part(part) in &self.0 {
            match part.value(request) {
                Some(value) => {
                    material.push(PRESENT);
                    material.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
                    material.extend_from_slice(&value);
                }
                None => {
                    material.push(MISSING);
                    missing = missing.or_else(|| Some(MissingPart(part.to_string())));
                }
            }
        }
        missing.map_or(Ok(()), Err)
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        for Part(part) in &self.0 {
            match part {
                KeyPart::ClientAddress(address) => address.needs(needs),
                KeyPart::Header(name) => needs.header(name),
                KeyPart::Query(_) | KeyPart::Path => needs.header(":path"),
                KeyPart::Cookie(_) => needs.header("cookie"),
                KeyPart::Method => needs.header(":method"),
                KeyPart::Host => needs.header(":authority"),
                KeyPart::Route => needs.property(Property::RouteName),
                KeyPart::Cluster => needs.property(Property::ClusterName),
                KeyPart::PeerIdentity => needs.property(Property::PeerIdentity),
                KeyPart::Property(path) => needs.property(Property::Path(path.clone())),
                KeyPart::Constant(_) => {}
            }
        }
    }
}

impl KeyPart {
    /// With its header's name as the proxy keeps it, and nothing empty.
    fn checked(self) -> Result<Self, String> {
        match self {
            Self::Header(name) => header_name(&name).map(Self::Header),
            Self::Query(name) | Self::Cookie(name) if name.is_empty() => {
                Err("a name cannot be empty".to_owned())
            }
            Self::Property(path) if path.is_empty() || path.iter().any(String::is_empty) => {
                Err("property: write its path as a list, like [source, port]".to_owned())
            }
            part => Ok(part),
        }
    }

    fn value<'r>(&'r self, request: &'r impl Request) -> Option<Cow<'r, [u8]>> {
        match self {
            Self::ClientAddress(config) => {
                let (octets, length, prefix) = address::bytes(config.network(request)?);
                let mut value = octets.get(..length)?.to_vec();
                value.push(prefix);
                Some(value.into())
            }
            Self::Header(name) => request.header(name),
            Self::Query(name) => query(&request.header(":path")?, name).map(Cow::Owned),
            Self::Cookie(name) => cookie(&request.header("cookie")?, name).map(Cow::Owned),
            Self::Path => Some(without_query(&request.header(":path")?).to_vec().into()),
            Self::Method => request.header(":method"),
            Self::Host => Some(without_port(&request.header(":authority")?).to_ascii_lowercase().into()),
            Self::Route => request.property(&Property::RouteName),
            Self::Cluster => request.property(&Property::ClusterName),
            Self::PeerIdentity => request.property(&Property::PeerIdentity),
            Self::Property(path) => request.property(&Property::Path(path.clone())),
            Self::Constant(text) => Some(text.as_bytes().into()),
        }
    }
}

/// The first parameter of this name, decoded.
fn query(path: &[u8], name: &str) -> Option<Vec<u8>> {
    let at = path.iter().position(|byte| *byte == b'?')?;
    let query = path.get(at + 1..)?;
    let pairs =
        query.split(|byte| *byte == b'&').map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(equals) => {
                (pair.get(..equals).unwrap_or_default(), pair.get(equals + 1..).unwrap_or_default())
            }
            None => (pair, Default::default()),
        });
    let mut found = pairs.filter(|(key, _)| *decoded(key) == *name.as_bytes());
    found.next().map(|(_, value)| decoded(value).into_owned())
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode(text).into()
}

/// The first cookie of this name.
fn cookie(header: &[u8], name: &str) -> Option<Vec<u8>> {
    header.split(|byte| *byte == b';').find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.to_vec())
    })
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientAddress(_) => f.write_str("client address"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Path => f.write_str("path"),
            Self::Method => f.write_str("method"),
            Self::Host => f.write_str("host"),
            Self::Route => f.write_str("route name"),
            Self::Cluster => f.write_str("cluster"),
            Self::PeerIdentity => f.write_str("peer identity"),
            Self::Property(path) => write!(f, "property {}", path.join(".")),
            Self::Constant(_) => f.write_str("constant"),
        }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;

        impl<'de> Visitor<'de> for PartVisitor {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part of a key, like `client_address` or `{ header: x-api-key }`")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Part, E> {
                if word == "client_address" {
                    return Ok(Part(KeyPart::ClientAddress(ClientAddress::default())));
                }
                KeyPart::deserialize(serde::de::value::StrDeserializer::new(word)).map(Part)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
                let part = KeyPart::deserialize(MapAccessDeserializer::new(map))?;
                part.checked().map(Part).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(PartVisitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Part {
    fn schema_name() -> Cow<'static, str> {
        "KeyPart".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let object = generator.subschema_for::<KeyPart>();
        schemars::json_schema!({ "anyOf": [{ "const": "client_address" }, object] })
    }
}

#[cfg(test)]
mod tests;
