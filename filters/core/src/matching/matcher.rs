//! All conditions of a rule together.

use super::pattern::{Pattern, RawPattern};
use super::request::{Needs, Property, Request};
use serde::Deserialize;

/// Whether traffic comes in to the workload or goes out from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the workload.
    Inbound,
    /// From the workload.
    Outbound,
}

impl Direction {
    /// How the proxy tells it: eight little-endian bytes.
    const fn wire(self) -> [u8; 8] {
        match self {
            Self::Inbound => 1_u64.to_le_bytes(),
            Self::Outbound => 2_u64.to_le_bytes(),
        }
    }
}

/// Which requests a rule is for. All given fields must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
struct RawMatcher {
    /// One of these methods.
    methods: Option<Vec<String>>,
    /// The path without its query.
    path: Option<Pattern>,
    /// One of these hosts, without port; `*.example.com` is every host below `example.com`.
    hosts: Option<Vec<String>>,
    /// All of these headers.
    headers: Vec<RawHeader>,
    /// The name of the route.
    route: Option<String>,
    /// The cluster that the route leads to.
    cluster: Option<String>,
    /// A text in the route's metadata.
    route_metadata: Option<RawMetadata>,
    /// Which way the listener is turned.
    direction: Option<Direction>,
}

/// A header by name, and one of `exact`, `prefix`, `regex` and `present`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawHeader {
    name: String,
    exact: Option<String>,
    prefix: Option<String>,
    regex: Option<String>,
    present: Option<bool>,
}

/// A text in the route's metadata: a namespace of filter metadata, a key in it, and the text.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawMetadata {
    namespace: String,
    key: String,
    exact: String,
}

/// Compiled conditions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "RawMatcher")]
pub struct Matcher {
    methods: Option<Vec<String>>,
    path: Option<Pattern>,
    hosts: Option<Vec<Host>>,
    headers: Vec<(String, HeaderTest)>,
    properties: Vec<(Property, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum Host {
    Exact(String),
    /// Everything that ends so: with the dot.
    Below(String),
}

#[derive(Clone, Debug)]
enum HeaderTest {
    Matches(Pattern),
    Present(bool),
}

impl Matcher {
    /// Whether the rule is for this request.
    pub fn matches(&self, request: &impl Request) -> bool {
        self.methods.as_ref().is_none_or(|methods| is_one_of(methods, request))
            && self.path.as_ref().is_none_or(|path| path_matches(path, request))
            && self.hosts.as_ref().is_none_or(|hosts| host_matches(hosts, request))
            && self.headers.iter().all(|(name, test)| test.holds(request.header(name).as_deref()))
            && self
                .properties
                .iter()
                .all(|(property, wanted)| request.property(property).is_some_and(|value| *value == **wanted))
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        let pseudo = [
            (self.methods.is_some(), ":method"),
            (self.path.is_some(), ":path"),
            (self.hosts.is_some(), ":authority"),
        ];
        pseudo.iter().filter(|(asked, _)| *asked).for_each(|(_, name)| needs.header(name));
        self.headers.iter().for_each(|(name, _)| needs.header(name));
        self.properties.iter().for_each(|(property, _)| needs.property(property.clone()));
    }
}

impl HeaderTest {
    fn holds(&self, value: Option<&[u8]>) -> bool {
        match self {
            Self::Matches(pattern) => value.is_some_and(|value| pattern.matches(value)),
            Self::Present(wanted) => value.is_some() == *wanted,
        }
    }
}

fn is_one_of(methods: &[String], request: &impl Request) -> bool {
    request.header(":method").is_some_and(|method| methods.iter().any(|wanted| wanted.as_bytes() == &*method))
}

fn path_matches(pattern: &Pattern, request: &impl Request) -> bool {
    request.header(":path").is_some_and(|path| pattern.matches(without_query(&path)))
}

/// A path without its query.
pub(crate) fn without_query(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or(path)
}

/// An authority without its port. The brackets of an IPv6 address keep its colons apart from that of the port.
pub(crate) fn without_port(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !authority.get(colon..).is_some_and(|rest| rest.contains(&b']')) => {
            authority.get(..colon).unwrap_or(authority)
        }
        _ => authority,
    }
}

fn host_matches(hosts: &[Host], request: &impl Request) -> bool {
    let Some(authority) = request.header(":authority") else { return false };
    let host = without_port(&authority).to_ascii_lowercase();
    hosts.iter().any(|wanted| match wanted {
        Host::Exact(name) => host == name.as_bytes(),
        Host::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_bytes()),
    })
}

impl TryFrom<RawMatcher> for Matcher {
    type Error = String;

    fn try_from(raw: RawMatcher) -> Result<Self, String> {
        let mut properties = Vec::new();
        properties.extend(raw.route.map(|name| (Property::RouteName, name.into_bytes())));
        properties.extend(raw.cluster.map(|name| (Property::ClusterName, name.into_bytes())));
        properties.extend(raw.direction.map(|way| (Property::Direction, way.wire().to_vec())));
        properties.extend(raw.route_metadata.map(|metadata| {
            (Property::RouteMetadata(vec![metadata.namespace, metadata.key]), metadata.exact.into_bytes())
        }));
        Ok(Self {
            methods: raw.methods.map(methods).transpose()?,
            path: raw.path,
            hosts: raw.hosts.map(hosts).transpose()?,
            headers: raw.headers.into_iter().map(header).collect::<Result<_, _>>()?,
            properties,
        })
    }
}

fn methods(methods: Vec<String>) -> Result<Vec<String>, String> {
    let wrong = methods
        .iter()
        .find(|method| method.is_empty() || method.bytes().any(|byte| !byte.is_ascii_uppercase()));
    match wrong {
        Some(method) => Err(format!("methods: `{method}` is not a method: write it in capitals, like GET")),
        None if methods.is_empty() => Err("methods: an empty list matches nothing: leave it out".to_owned()),
        None => Ok(methods),
    }
}

fn hosts(hosts: Vec<String>) -> Result<Vec<Host>, String> {
    if hosts.is_empty() {
        return Err("hosts: an empty list matches nothing: leave it out".to_owned());
    }
    hosts.into_iter().map(host).collect()
}

fn host(text: String) -> Result<Host, String> {
    let text = text.to_ascii_lowercase();
    let (name, below) = text.strip_prefix('*').map_or((text.as_str(), false), |rest| (rest, true));
    let wrong =
        name.is_empty() || name.contains('*') || name.contains('/') || (below && !name.starts_with('.'));
    if wrong {
        return Err(format!("hosts: `{text}` is not a host: write `shop.example` or `*.shop.example`"));
    }
    Ok(if below { Host::Below(name.to_owned()) } else { Host::Exact(name.to_owned()) })
}

fn header(raw: RawHeader) -> Result<(String, HeaderTest), String> {
    let name = header_name(&raw.name)?;
    let patterns = [
        raw.exact.map(RawPattern::Exact),
        raw.prefix.map(RawPattern::Prefix),
        raw.regex.map(RawPattern::Regex),
    ];
    let mut tests: Vec<HeaderTest> = Vec::new();
    for pattern in patterns.into_iter().flatten() {
        tests.push(HeaderTest::Matches(Pattern::try_from(pattern)?));
    }
    tests.extend(raw.present.map(HeaderTest::Present));
    match (tests.pop(), tests.is_empty()) {
        (Some(test), true) => Ok((name, test)),
        _ => Err(format!("headers: `{name}` needs exactly one of exact, prefix, regex, present")),
    }
}

/// A header's name in lower case, as the proxy keeps it.
///
/// # Errors
///
/// It is empty or has other characters than a header's name may have (RFC 9110, section 5.6.2), or is a pseudo header.
pub(crate) fn header_name(name: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(format!("`{name}` is not the name of a header"));
    }
    Ok(name.to_ascii_lowercase())
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Matcher {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Matcher".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawMatcher::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
