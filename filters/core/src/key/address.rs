//! A client's address.

use crate::matching::{HeaderName, Needs, Property, Request};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use ipnet::IpNet;
use serde::Deserialize;
use std::borrow::Cow;

/// Where a client's address is taken from, and how much of it counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
struct RawAddress {
    /// Leading bits of an IPv4 address that count, 1 to 32.
    ipv4_prefix: u8,
    /// Leading bits of an IPv6 address that count, 1 to 128. 64 by default: that is what one customer gets.
    ipv6_prefix: u8,
    /// Take the address from this header instead of the proxy's own idea of the client. It must be one whose lines the
    /// proxy joins, which Envoy does for `x-forwarded-for`, or one that a proxy in front overwrites.
    header: Option<HeaderName>,
    /// Which address of the header, counted from its right end: 1 is what the nearest trusted proxy has added.
    trusted_hops: Option<u8>,
}

impl Default for RawAddress {
    fn default() -> Self {
        Self { ipv4_prefix: 32, ipv6_prefix: 64, header: None, trusted_hops: None }
    }
}

/// Which address a client is known by, and how much of it counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawAddress")]
pub struct ClientAddress {
    ipv4_prefix: u8,
    ipv6_prefix: u8,
    header: Option<(HeaderName, usize)>,
}

impl Default for ClientAddress {
    fn default() -> Self {
        Self { ipv4_prefix: 32, ipv6_prefix: 64, header: None }
    }
}

impl ClientAddress {
    /// The part of the client's address that counts.
    pub fn network(&self, request: &impl Request) -> Option<IpNet> {
        let address = match &self.header {
            None => source_address(request)?,
            Some((name, hops)) => forwarded_address(&request.header(name.as_str())?, *hops)?,
        };
        let prefix = if address.is_ipv4() { self.ipv4_prefix } else { self.ipv6_prefix };
        IpNet::new(address, prefix).ok().map(|network| network.trunc())
    }

    /// The network of an address that somebody has written, or of a network, as it is shown.
    pub(super) fn network_of(&self, text: &str) -> Option<IpNet> {
        let address = text.split('/').next().and_then(parse)?;
        let prefix = if address.is_ipv4() { self.ipv4_prefix } else { self.ipv6_prefix };
        IpNet::new(address, prefix).ok().map(|network| network.trunc())
    }

    /// The text that alone decides the network: the proxy's idea of the address, without the port. What the header
    /// says is not such a text, since clients write into it as they like.
    pub(super) fn sole_value<'r>(&self, request: &'r impl Request) -> Option<Cow<'r, [u8]>> {
        if self.header.is_some() {
            return None;
        }
        match request.property(&Property::SourceAddress)? {
            Cow::Borrowed(text) => Some(Cow::Borrowed(without_port(text))),
            Cow::Owned(text) => Some(Cow::Owned(without_port(&text).to_vec())),
        }
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        match &self.header {
            None => needs.property(Property::SourceAddress),
            Some((name, _)) => needs.header(name.as_str()),
        }
    }
}

/// The client's address as the proxy sees it. An IPv4 address in IPv6 clothes is an IPv4 address.
pub fn source_address(request: &impl Request) -> Option<IpAddr> {
    let bytes = request.property(&Property::SourceAddress)?;
    let text = core::str::from_utf8(&bytes).ok()?;
    parse(text)
}

/// An address without its port. An IPv6 address without brackets has none, and what comes behind its last colon counts.
fn without_port(text: &[u8]) -> &[u8] {
    let colon = text.iter().rposition(|byte| *byte == b':');
    let host = colon.and_then(|colon| text.get(..colon));
    host.filter(|host| host.ends_with(b"]") || !host.contains(&b':')).unwrap_or(text)
}

/// The address that is `hops` from the right end of a list.
fn forwarded_address(list: &[u8], hops: usize) -> Option<IpAddr> {
    // Only this element must be text: the others may be anything, since clients write them.
    let element = list.rsplit(|byte| *byte == b',').nth(hops.checked_sub(1)?)?;
    parse(core::str::from_utf8(element.trim_ascii()).ok()?)
}

/// An address with or without port, an IPv6 address with or without brackets.
fn parse(text: &str) -> Option<IpAddr> {
    // What nearly every request brings; that the port is a number is the proxy's business.
    let ipv4 = || text.rsplit_once(':')?.0.parse::<Ipv4Addr>().ok();
    if let Some(address) = ipv4() {
        return Some(address.into());
    }
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let address = with_port().or_else(bracketed).or_else(|| text.parse().ok())?;
    Some(address.to_canonical())
}

/// Appends a network with its length in front: its address (4 or 16 bytes) and its prefix length.
pub(super) fn append(network: IpNet, material: &mut Vec<u8>) {
    let mut with_length = |octets: &[u8]| {
        let length = u32::try_from(octets.len() + 1).unwrap_or(u32::MAX);
        material.extend_from_slice(&length.to_le_bytes());
        material.extend_from_slice(octets);
    };
    match network.addr() {
        IpAddr::V4(address) => with_length(&address.octets()),
        IpAddr::V6(address) => with_length(&address.octets()),
    }
    material.push(network.prefix_len());
}

/// A network as [`append`] has written it, without the length in front.
pub(super) fn shown(bytes: &[u8]) -> String {
    let network = bytes.split_last().and_then(|(prefix, octets)| {
        let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
        let address = four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()?;
        IpNet::new(address, *prefix).ok()
    });
    network.map_or_else(String::new, |network| network.to_string())
}

impl TryFrom<RawAddress> for ClientAddress {
    type Error = String;

    fn try_from(raw: RawAddress) -> Result<Self, String> {
        let RawAddress { ipv4_prefix, ipv6_prefix, header, trusted_hops } = raw;
        if !(1..=32).contains(&ipv4_prefix) {
            return Err(format!("ipv4_prefix: `{ipv4_prefix}` is not a prefix length: 1 to 32"));
        }
        if !(1..=128).contains(&ipv6_prefix) {
            return Err(format!("ipv6_prefix: `{ipv6_prefix}` is not a prefix length: 1 to 128"));
        }
        let header = match (header, trusted_hops) {
            (None, None) => None,
            (Some(name), Some(hops)) if hops > 0 => Some((name, hops.into())),
            (Some(_), _) => {
                return Err("trusted_hops: must be at least 1 with header: which of its addresses is true?"
                    .to_owned());
            }
            (None, Some(_)) => return Err("trusted_hops: goes with header".to_owned()),
        };
        Ok(Self { ipv4_prefix, ipv6_prefix, header })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ClientAddress {
    fn schema_name() -> Cow<'static, str> {
        "ClientAddress".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawAddress::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Sample;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn network(config: &str, request: &Sample) -> Option<String> {
        let config: ClientAddress = serde_json::from_str(config).unwrap();
        config.network(request).map(|network| network.to_string())
    }

    #[test]
    fn an_address_is_cut_to_its_prefix() {
        for (config, source, expected) in [
            ("{}", "192.0.2.7:40000", "192.0.2.7/32"),
            (r#"{"ipv4_prefix": 24}"#, "192.0.2.7:40000", "192.0.2.0/24"),
            ("{}", "[2001:db8:1:2:3::4]:40000", "2001:db8:1:2::/64"),
            (r#"{"ipv6_prefix": 128}"#, "[2001:db8::4]:40000", "2001:db8::4/128"),
            ("{}", "[::ffff:192.0.2.7]:40000", "192.0.2.7/32"),
        ] {
            let request = Sample::get("/").knows(Property::SourceAddress, source);
            assert_eq!(network(config, &request).as_deref(), Some(expected), "{source}");
        }
    }

    #[test]
    fn a_header_is_counted_from_the_right_so_that_what_a_client_adds_is_never_read() {
        let forwarded = |hops, list: &str| {
            let config = format!(r#"{{"header": "X-Forwarded-For", "trusted_hops": {hops}}}"#);
            network(&config, &Sample::get("/").with("x-forwarded-for", list))
        };
        assert_eq!(forwarded(1, "203.0.113.9, 192.0.2.7").as_deref(), Some("192.0.2.7/32"));
        assert_eq!(forwarded(2, "6.6.6.6, 203.0.113.9,192.0.2.7").as_deref(), Some("203.0.113.9/32"));
        let forged = Sample::get("/").with("x-forwarded-for", b"\xff, 192.0.2.7");
        let nearest = r#"{"header": "x-forwarded-for", "trusted_hops": 1}"#;
        assert_eq!(network(nearest, &forged).as_deref(), Some("192.0.2.7/32"));
        assert_eq!(forwarded(3, "203.0.113.9, 192.0.2.7"), None, "too few hops");
        assert_eq!(forwarded(1, "2001:db8::1").as_deref(), Some("2001:db8::/64"));
        assert_eq!(forwarded(1, "[2001:db8::1]").as_deref(), Some("2001:db8::/64"));
        assert_eq!(forwarded(1, "[2001:db8::1]:443").as_deref(), Some("2001:db8::/64"));
        for list in ["unknown", "", "192.0.2.7,", "1.2.3", "[192.0.2.7]", "192.0.2.7 198.51.100.1"] {
            assert_eq!(forwarded(1, list), None, "{list:?}");
        }
    }

    #[test]
    fn the_port_is_no_part_of_what_decides_the_network() {
        for (source, expected) in [
            ("192.0.2.7:40000", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:db8::4]:40000", "[2001:db8::4]"),
            ("[2001:db8::4]", "[2001:db8::4]"),
            ("2001:db8::4", "2001:db8::4"),
            ("2001:db8::5", "2001:db8::5"),
            ("", ""),
        ] {
            let request = Sample::get("/").knows(Property::SourceAddress, source);
            let value = ClientAddress::default().sole_value(&request);
            assert_eq!(value.as_deref(), Some(expected.as_bytes()), "{source}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for config in [
            r#"{"ipv4_prefix": 0}"#,
            r#"{"ipv4_prefix": 33}"#,
            r#"{"ipv6_prefix": 129}"#,
            r#"{"header": "x-forwarded-for"}"#,
            r#"{"header": "x-forwarded-for", "trusted_hops": 0}"#,
            r#"{"trusted_hops": 1}"#,
            r#"{"header": "x forwarded", "trusted_hops": 1}"#,
        ] {
            assert!(serde_json::from_str::<ClientAddress>(config).is_err(), "{config}");
        }
    }
}
