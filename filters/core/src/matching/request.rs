//! A request, as rules read it.

use crate::vec_set::VecSet;
use std::borrow::Cow;

/// One request, read value by value.
pub trait Request {
    /// A header's first value. Names are in lower case; `:method`, `:path` and `:authority` are headers.
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// Something that the proxy knows about the request.
    fn property(&self, property: &Property) -> Option<Cow<'_, [u8]>>;
}

/// What a proxy can be asked about a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// The client's address with its port, as the proxy sees it.
    SourceAddress,
    /// The name of the route.
    RouteName,
    /// The cluster that the route leads to.
    ClusterName,
    /// A value in the route's metadata, by its path.
    RouteMetadata(Vec<String>),
    /// Whether the listener is an inbound or an outbound one: eight little-endian bytes, 1 or 2.
    Direction,
    /// The URI in the peer's certificate, such as a SPIFFE id.
    PeerIdentity,
    /// Anything else, by its path.
    Path(Vec<String>),
}

/// What a configuration's rules can ask of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Headers by name.
    pub headers: VecSet<String>,
    /// Properties.
    pub properties: VecSet<Property>,
}

impl Needs {
    /// Notes that a header can be asked for.
    pub fn header(&mut self, name: &str) {
        self.headers.insert(name.to_owned());
    }

    /// Notes that a property can be asked for.
    pub fn property(&mut self, property: Property) {
        self.properties.insert(property);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request made of literals.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Sample {
        headers: Vec<(String, Vec<u8>)>,
        properties: Vec<(Property, Vec<u8>)>,
    }

    impl Sample {
        pub(crate) fn get(path: &str) -> Self {
            Self::default().with(":method", "GET").with(":path", path).with(":authority", "shop.example:8080")
        }

        pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
            self.headers.retain(|(known, _)| known != name);
            self.headers.push((name.to_owned(), value.as_ref().to_vec()));
            self
        }

        pub(crate) fn knows(mut self, property: Property, value: impl AsRef<[u8]>) -> Self {
            self.properties.push((property, value.as_ref().to_vec()));
            self
        }
    }

    impl Request for Sample {
        fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
            let found = self.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| Cow::Borrowed(value.as_slice()))
        }

        fn property(&self, property: &Property) -> Option<Cow<'_, [u8]>> {
            let found = self.properties.iter().find(|(known, _)| known == property);
            found.map(|(_, value)| Cow::Borrowed(value.as_slice()))
        }
    }
}
