//! One request, as rules read it.
//!
//! What returns bytes is what costs: one header or the whole map, each about as much. Configuration says at load
//! time what its rules can ask for, so a plan is made once: two or more headers are read as one map, a single one alone, and
//! nothing is read before a rule asks.

use crate::host::{Headers, Host, Map};
use ballast_core::matching::{Needs, Property, Request};
use std::borrow::Cow;
use std::cell::OnceCell;

/// How the requests of one configuration are read.
#[derive(Clone, Debug, Default)]
pub struct ReadPlan {
    whole_map: bool,
    /// The properties that rules may ask for, with the path by which the proxy knows them.
    properties: Vec<(Property, String)>,
}

impl ReadPlan {
    /// The same plan, for a filter that wants the whole map anyway: [`RequestView::into_headers`].
    #[must_use]
    pub fn with_whole_map(self) -> Self {
        Self { whole_map: true, ..self }
    }

    /// The plan for what the rules of a configuration need.
    pub fn new(needs: &Needs) -> Self {
        Self {
            whole_map: needs.headers.len() > 1,
            properties: needs.properties.iter().map(|property| (property.clone(), path(property))).collect(),
        }
    }
}

/// As many properties after the first one as a configuration is likely to ask for.
const REMEMBERED: usize = 5;
/// A value that is read once at the most.
type Value = OnceCell<Option<Vec<u8>>>;

/// The request whose headers have come. Each value is read once at the most.
pub struct RequestView<'a, H: Host> {
    host: &'a H,
    plan: &'a ReadPlan,
    map: OnceCell<Headers>,
    header: Value,
    /// The value of the plan's first property: most configurations ask for one at the most.
    property: Value,
    /// Those of the next ones; more than these are read anew each time.
    properties: OnceCell<Box<[Value; REMEMBERED]>>,
}

impl<'a, H: Host> RequestView<'a, H> {
    /// The view of the stream whose request headers callback runs.
    pub fn new(host: &'a H, plan: &'a ReadPlan) -> Self {
        let (header, property, properties) = Default::default();
        Self { host, plan, map: OnceCell::new(), header, property, properties }
    }

    /// All headers, for keeping: no second read where rules have read them already.
    pub fn into_headers(self) -> Headers {
        let host = self.host;
        self.map.into_inner().unwrap_or_else(|| host.headers(Map::RequestHeaders))
    }
}

impl<H: Host> Request for RequestView<'_, H> {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if self.plan.whole_map {
            let map = self.map.get_or_init(|| self.host.headers(Map::RequestHeaders));
            map.get(name).map(Cow::Borrowed)
        } else {
            // The plan knows of one header at the most, so this is that one.
            let value = self.header.get_or_init(|| self.host.header(Map::RequestHeaders, name));
            value.as_deref().map(Cow::Borrowed)
        }
    }

    fn property(&self, property: &Property) -> Option<Cow<'_, [u8]>> {
        let index = self.plan.properties.iter().position(|(known, _)| known == property)?;
        let (_, path) = self.plan.properties.get(index)?;
        let value = match index.checked_sub(1) {
            None => Some(&self.property),
            Some(next) => self.properties.get_or_init(Box::default).get(next),
        };
        match value {
            Some(value) => value.get_or_init(|| self.host.property(path)).as_deref().map(Cow::Borrowed),
            None => self.host.property(path).map(Cow::Owned),
        }
    }
}

/// Envoy's path of a property, its elements joined by NUL.
fn path(property: &Property) -> String {
    match property {
        Property::SourceAddress => "source\0address".to_owned(),
        Property::RouteName => "xds\0route_name".to_owned(),
        Property::ClusterName => "xds\0cluster_name".to_owned(),
        Property::RouteMetadata(path) => joined("xds\0route_metadata\0filter_metadata", path),
        Property::Direction => "xds\0listener_direction".to_owned(),
        Property::PeerIdentity => "connection\0uri_san_peer_certificate".to_owned(),
        Property::Path(path) => path.join("\0"),
    }
}

fn joined(prefix: &str, path: &[String]) -> String {
    format!("{prefix}\0{}", path.join("\0"))
}
