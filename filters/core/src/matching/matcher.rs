//! All conditions of a rule together.

use super::host::{Host, host_of};
use super::pattern::{Pattern, RawPattern};
use super::request::{Needs, Property, Request};
use super::text::{HeaderName, Method, Text};
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
    methods: Option<Vec<Method>>,
    /// The path without its query. The prefix `/` is every request.
    path: Option<Pattern>,
    /// One of these hosts, without port; `*.example.com` is every host below `example.com`.
    hosts: Option<Vec<Host>>,
    /// All of these headers.
    headers: Vec<HeaderRule>,
    /// The name of the route.
    route: Option<Text>,
    /// The cluster that the route leads to.
    cluster: Option<Text>,
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
    /// Its name.
    name: HeaderName,
    /// The whole value.
    exact: Option<String>,
    /// The beginning of the value.
    prefix: Option<String>,
    /// An expression that matches the whole value.
    regex: Option<String>,
    /// Whether the request has it at all.
    present: Option<bool>,
}

/// A text in the route's metadata: a namespace of filter metadata, a key in it, and the text.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawMetadata {
    /// The namespace of the filter metadata, such as `ballast`.
    namespace: Text,
    /// The key in it.
    key: Text,
    /// The whole value.
    exact: Text,
}

/// Compiled conditions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "RawMatcher")]
pub struct Matcher {
    methods: Option<Vec<Method>>,
    path: Option<Pattern>,
    hosts: Option<Vec<Host>>,
    headers: Vec<HeaderRule>,
    properties: Vec<(Property, Vec<u8>)>,
}

/// A condition on one header.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "RawHeader"))]
#[serde(try_from = "RawHeader")]
pub struct HeaderRule {
    name: HeaderName,
    test: HeaderTest,
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
            && self.headers.iter().all(|rule| rule.test.holds(request.header(rule.name.as_str()).as_deref()))
            && self
                .properties
                .iter()
                .all(|(property, wanted)| request.property(property).is_some_and(|value| *value == **wanted))
    }

    /// Whether all requests it lets through have the same value of a property.
    pub fn fixes(&self, property: &Property) -> bool {
        self.properties.iter().any(|(fixed, _)| fixed == property)
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        let pseudo = [
            (self.methods.is_some(), ":method"),
            (self.path.is_some(), ":path"),
            (self.hosts.is_some(), ":authority"),
        ];
        pseudo.iter().filter(|(asked, _)| *asked).for_each(|(_, name)| needs.header(name));
        self.headers.iter().for_each(|rule| needs.header(rule.name.as_str()));
        self.properties.iter().for_each(|(property, _)| needs.property(property.clone()));
    }
}

impl HeaderRule {
    /// The header's name, in lower case.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Whether a header with this value (`None`: there is none) meets the condition.
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        self.test.holds(value)
    }

    /// Whether it only asks that the header is there.
    pub const fn is_presence(&self) -> bool {
        matches!(self.test, HeaderTest::Present(true))
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

fn is_one_of(methods: &[Method], request: &impl Request) -> bool {
    request
        .header(":method")
        .is_some_and(|method| methods.iter().any(|Method(wanted)| wanted.as_bytes() == &*method))
}

fn path_matches(pattern: &Pattern, request: &impl Request) -> bool {
    request.header(":path").is_some_and(|path| pattern.matches(without_query(&path)))
}

/// A path without its query.
pub(crate) fn without_query(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or(path)
}

fn host_matches(hosts: &[Host], request: &impl Request) -> bool {
    let Some(authority) = request.header(":authority") else { return false };
    let host = host_of(&authority);
    hosts.iter().any(|wanted| wanted.matches(&host))
}

impl TryFrom<RawMatcher> for Matcher {
    type Error = String;

    fn try_from(raw: RawMatcher) -> Result<Self, String> {
        let mut properties = Vec::new();
        properties.extend(raw.route.map(|Text(name)| (Property::RouteName, name.into_bytes())));
        properties.extend(raw.cluster.map(|Text(name)| (Property::ClusterName, name.into_bytes())));
        properties.extend(raw.direction.map(|way| (Property::Direction, way.wire().to_vec())));
        properties.extend(raw.route_metadata.map(|metadata| {
            (
                Property::RouteMetadata(vec![metadata.namespace.0, metadata.key.0]),
                metadata.exact.0.into_bytes(),
            )
        }));
        Ok(Self {
            methods: filled("methods", raw.methods)?,
            path: raw.path.filter(|path| !path.is_every_path()),
            hosts: filled("hosts", raw.hosts)?,
            headers: raw.headers,
            properties,
        })
    }
}

fn filled<T>(field: &str, list: Option<Vec<T>>) -> Result<Option<Vec<T>>, String> {
    match list {
        Some(list) if list.is_empty() => Err(format!("{field}: an empty list matches nothing: leave it out")),
        list => Ok(list),
    }
}

impl TryFrom<RawHeader> for HeaderRule {
    type Error = String;

    fn try_from(raw: RawHeader) -> Result<Self, String> {
        let patterns = [
            raw.exact.map(RawPattern::Exact),
            raw.prefix.map(RawPattern::Prefix),
            raw.regex.map(RawPattern::Regex),
        ];
        let patterns = patterns.into_iter().flatten().map(Pattern::try_from);
        let mut tests =
            patterns.map(|pattern| pattern.map(HeaderTest::Matches)).collect::<Result<Vec<_>, _>>()?;
        tests.extend(raw.present.map(HeaderTest::Present));
        match (tests.pop(), tests.is_empty()) {
            (Some(test), true) => Ok(Self { name: raw.name, test }),
            _ => Err(format!("`{}` needs exactly one of exact, prefix, regex, present", raw.name.as_str())),
        }
    }
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
