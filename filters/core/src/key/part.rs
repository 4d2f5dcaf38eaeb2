//! The parts of a key.

mod text;

use super::address::{self, ClientAddress};
use crate::matching::{HeaderName, Matcher, Needs, Property, Request, Text, host_of, without_query};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use sha2::{Digest, Sha256};
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
    Header(HeaderName),
    /// A parameter of the query, decoded as forms are: `+` is a space.
    Query(Text),
    /// A cookie's value.
    Cookie(Text),
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
    Property(
        #[serde(deserialize_with = "property")]
        #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
        Property,
    ),
    /// Always the same: tells apart rules that share a namespace.
    Constant(String),
}

/// Marks the kind of a missing part.
const MISSING: u8 = 0x80;

/// The longest value of a part, in bytes, that [`KeySpec::describe`] tells as it is.
pub const LONGEST_TOLD: usize = 128;

/// What is written as an object, since it needs a value.
const WITH_VALUE: [&str; 5] = ["header", "query", "cookie", "property", "constant"];

impl KeySpec {
    /// Whether all requests are counted together.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that tells clusters apart.
    pub fn cluster() -> Self {
        Self(vec![Part(KeyPart::Cluster)])
    }

    /// Whether all requests that a matcher lets through have the same key.
    pub fn is_fixed_by(&self, matcher: &Matcher) -> bool {
        self.0.iter().all(|Part(part)| match part {
            KeyPart::Cluster => matcher.fixes(&Property::ClusterName),
            KeyPart::Route => matcher.fixes(&Property::RouteName),
            KeyPart::Constant(_) => true,
            _ => false,
        })
    }

    /// Appends the request's key to `material`. Of a missing part, that it is missing.
    ///
    /// # Errors
    ///
    /// The first part that is missing. `material` is complete all the same, for [`OnMissingKey::Shared`].
    pub fn extract(&self, request: &impl Request, material: &mut Vec<u8>) -> Result<(), MissingPart> {
        let mut missing = None;
        for Part(part) in &self.0 {
            if part.append(request, material).is_none() {
                material.push(part.kind() | MISSING);
                missing = missing.or_else(|| Some(MissingPart(part.to_string())));
            }
        }
        missing.map_or(Ok(()), Err)
    }

    /// The bytes that alone decide what [`KeySpec::extract`] comes to, where they can be had without working on them:
    /// of a key whose only part is a header, the proxy's idea of the client's address, or the like.
    pub fn sole_value<'r>(&self, request: &'r impl Request) -> Option<Cow<'r, [u8]>> {
        let [Part(part)] = self.0.as_slice() else { return None };
        match part {
            KeyPart::ClientAddress(address) => address.sole_value(request),
            KeyPart::Header(name) => request.header(name.as_str()),
            KeyPart::PeerIdentity => known(request, &Property::PeerIdentity),
            _ => None,
        }
    }

    /// Tells each part that the request has, by name and as text.
    ///
    /// What is no text, or longer than [`LONGEST_TOLD`], is told as its SHA-256: clients write it, and somebody keeps it.
    pub fn describe(&self, request: &impl Request, mut tell: impl FnMut(String, String)) {
        for Part(part) in &self.0 {
            if let Some(value) = part.told(request) {
                tell(part.label(), value);
            }
        }
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        for Part(part) in &self.0 {
            match part {
                KeyPart::ClientAddress(address) => address.needs(needs),
                KeyPart::Header(name) => needs.header(name.as_str()),
                KeyPart::Query(_) | KeyPart::Path => needs.header(":path"),
                KeyPart::Cookie(_) => needs.header("cookie"),
                KeyPart::Method => needs.header(":method"),
                KeyPart::Host => needs.header(":authority"),
                KeyPart::Route => needs.property(Property::RouteName),
                KeyPart::Cluster => needs.property(Property::ClusterName),
                KeyPart::PeerIdentity => needs.property(Property::PeerIdentity),
                KeyPart::Property(property) => needs.property(property.clone()),
                KeyPart::Constant(_) => {}
            }
        }
    }
}

impl KeyPart {
    /// A number for its kind, below [`MISSING`].
    const fn kind(&self) -> u8 {
        match self {
            Self::ClientAddress(_) => 1,
            Self::Header(_) => 2,
            Self::Query(_) => 3,
            Self::Cookie(_) => 4,
            Self::Path => 5,
            Self::Method => 6,
            Self::Host => 7,
            Self::Route => 8,
            Self::Cluster => 9,
            Self::PeerIdentity => 10,
            Self::Property(_) => 11,
            Self::Constant(_) => 12,
        }
    }

    /// Appends its kind, its length and its value. `None`: the request lacks it, and nothing is appended.
    fn append(&self, request: &impl Request, material: &mut Vec<u8>) -> Option<()> {
        let mut put = |value: &[u8]| {
            material.push(self.kind());
            material.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
            material.extend_from_slice(value);
        };
        match self {
            Self::ClientAddress(config) => {
                let network = config.network(request)?;
                material.push(self.kind());
                address::append(network, material);
            }
            Self::Header(name) => put(&request.header(name.as_str())?),
            Self::Query(Text(name)) => put(&query(&request.header(":path")?, name)?),
            Self::Cookie(Text(name)) => put(&cookie(&request.header("cookie")?, name)?),
            Self::Path => put(without_query(&request.header(":path")?)),
            Self::Method => put(&request.header(":method")?),
            Self::Host => put(&host_of(&request.header(":authority")?)),
            Self::Route => put(&known(request, &Property::RouteName)?),
            Self::Cluster => put(&known(request, &Property::ClusterName)?),
            Self::PeerIdentity => put(&known(request, &Property::PeerIdentity)?),
            Self::Property(property) => put(&request.property(property)?),
            Self::Constant(text) => put(text.as_bytes()),
        }
        Some(())
    }
}

impl KeyPart {
    /// How others know it.
    fn label(&self) -> String {
        let with = |kind: &str, name: &str| format!("{kind}.{name}");
        match self {
            Self::ClientAddress(_) => "client_address".to_owned(),
            Self::Header(name) => with("header", name.as_str()),
            Self::Query(Text(name)) => with("query", name),
            Self::Cookie(Text(name)) => with("cookie", name),
            Self::Path => "path".to_owned(),
            Self::Method => "method".to_owned(),
            Self::Host => "host".to_owned(),
            Self::Route => "route".to_owned(),
            Self::Cluster => "cluster".to_owned(),
            Self::PeerIdentity => "peer_identity".to_owned(),
            Self::Property(Property::Path(path)) => with("property", &path.join(".")),
            Self::Property(_) => "property".to_owned(),
            Self::Constant(_) => "constant".to_owned(),
        }
    }

    /// Its value as text. `None`: the request lacks it.
    fn told(&self, request: &impl Request) -> Option<String> {
        if let Self::ClientAddress(config) = self {
            let network = config.network(request)?;
            let whole = network.prefix_len() == network.max_prefix_len();
            return Some(if whole { network.addr().to_string() } else { network.to_string() });
        }
        let mut material = Vec::new();
        self.append(request, &mut material)?;
        // Behind the kind and the length.
        let value = material.get(5..)?;
        let text = core::str::from_utf8(value).ok().filter(|text| text.len() <= LONGEST_TOLD);
        Some(text.map_or_else(|| digest(value), str::to_owned))
    }
}

fn digest(value: &[u8]) -> String {
    use core::fmt::Write;
    Sha256::digest(value).iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A property that is not empty.
fn known<'r>(request: &'r impl Request, property: &Property) -> Option<Cow<'r, [u8]>> {
    request.property(property).filter(|value| !value.is_empty())
}

/// The first parameter of this name, decoded.
fn query(path: &[u8], name: &str) -> Option<Vec<u8>> {
    let at = path.iter().position(|byte| *byte == b'?')?;
    let mut pairs = path.get(at + 1..)?.split(|byte| *byte == b'&').map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
    });
    let (_, value) = pairs.find(|(key, _)| decoded(key).eq(name.bytes()))?;
    Some(decoded(value).collect())
}

/// All spellings of a value are the same value, or a client would have a key for each.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    // `+` first: `%2B` is a plus, and no space.
    let parts = text.split(|byte| *byte == b'+').enumerate();
    parts.flat_map(|(index, part)| {
        let space = (index > 0).then_some(b' ');
        space.into_iter().chain(percent_encoding::percent_decode(part))
    })
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
            Self::Header(name) => write!(f, "header {}", name.as_str()),
            Self::Query(Text(name)) => write!(f, "query parameter {name}"),
            Self::Cookie(Text(name)) => write!(f, "cookie {name}"),
            Self::Path => f.write_str("path"),
            Self::Method => f.write_str("method"),
            Self::Host => f.write_str("host"),
            Self::Route => f.write_str("route name"),
            Self::Cluster => f.write_str("cluster"),
            Self::PeerIdentity => f.write_str("peer identity"),
            Self::Property(Property::Path(path)) => write!(f, "property {}", path.join(".")),
            Self::Property(_) => f.write_str("property"),
            Self::Constant(_) => f.write_str("constant"),
        }
    }
}

fn property<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Property, D::Error> {
    let path = Vec::<String>::deserialize(deserializer)?;
    if path.is_empty() || path.iter().any(String::is_empty) {
        return Err(D::Error::custom("a property is written as a list, like [source, port]"));
    }
    Ok(Property::Path(path))
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
                if WITH_VALUE.contains(&word) {
                    return Err(E::custom(format!("`{word}` needs a value: write `{{ {word}: … }}`")));
                }
                KeyPart::deserialize(serde::de::value::StrDeserializer::new(word)).map(Part)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
                KeyPart::deserialize(MapAccessDeserializer::new(map)).map(Part)
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
