//! Who has failed too often.
//!
//! One shared value remembers from where wrong credentials came: a bounded list of networks with a fixed window each.
//! It is written only when somebody fails, and a full list forgets who has failed the least.

use crate::rewrite::{Edit, Edited};
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use core::net::IpAddr;
use core::time::Duration;

const VERSION: u8 = 1;
/// The most networks that are remembered.
const MOST: usize = 256;

/// How many failures of one network are let pass in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FailureLimit {
    /// So many.
    pub most: u32,
    /// In this time from the first on.
    pub within: Duration,
}

/// One network that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    id: u128,
    since: MonoTime,
    count: u32,
}

/// The networks that have failed lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures(Vec<Network>);

/// The network that an address counts for: an IPv4 address itself, the first 64 bits of an IPv6 address, since a
/// host has all of those. Unknown addresses are one network.
fn network(address: Option<IpAddr>) -> u128 {
    match address.map(|address| address.to_canonical()) {
        None => u128::MAX,
        Some(IpAddr::V4(v4)) => u128::from(v4.to_bits()),
        Some(IpAddr::V6(v6)) => v6.to_bits() >> 64 << 64,
    }
}

impl Failures {
    /// The value in these bytes; what is none is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let mut networks = Vec::new();
        while reader.left() > 0 && networks.len() < MOST {
            let id = reader.u128()?;
            let since = MonoTime::from_nanos(reader.u64()?);
            networks.push(Network { id, since, count: reader.u32()? });
        }
        reader.end(Self(networks))
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(1 + self.0.len() * 28);
        writer.u8(VERSION);
        for network in &self.0 {
            writer.u128(network.id);
            writer.u64(network.since.as_nanos());
            writer.u32(network.count);
        }
        writer.finish()
    }

    fn add(&mut self, id: u128, limit: FailureLimit, now: MonoTime) {
        // One of a time that has not come is of another process.
        self.0.retain(|network| network.since <= now && now.since(network.since) < limit.within);
        if let Some(network) = self.0.iter_mut().find(|network| network.id == id) {
            network.count = network.count.saturating_add(1);
            return;
        }
        if self.0.len() >= MOST
            && let Some(least) = self
                .0
                .iter()
                .enumerate()
                .min_by_key(|(_, network)| (network.count, network.since))
                .map(|(at, _)| at)
        {
            self.0.swap_remove(least);
        }
        self.0.push(Network { id, since: now, count: 1 });
    }
}

/// How long somebody from `address` must wait before a credential is looked at again; `None`: not at all.
pub fn waits(
    bytes: Option<&[u8]>,
    address: Option<IpAddr>,
    limit: FailureLimit,
    now: MonoTime,
) -> Option<Duration> {
    let id = network(address);
    let network = Failures::read(bytes).0.into_iter().find(|network| network.id == id)?;
    let passed = now.since(network.since);
    (network.count >= limit.most && network.since <= now && passed < limit.within)
        .then(|| limit.within - passed)
}

/// Somebody has failed: the edit of the shared value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failed {
    /// From there.
    pub address: Option<IpAddr>,
    /// The limit.
    pub limit: FailureLimit,
    /// Now.
    pub now: MonoTime,
}

impl Edit for Failed {
    type Output = ();

    fn edit(&self, old: Option<&[u8]>) -> Edited<()> {
        let mut failures = Failures::read(old);
        failures.add(network(self.address), self.limit, self.now);
        Edited::Replace(failures.encode(), ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LIMIT: FailureLimit = FailureLimit { most: 3, within: Duration::from_secs(60) };

    fn fail(value: Option<Vec<u8>>, address: &str, second: u64) -> Option<Vec<u8>> {
        let failed = Failed {
            address: address.parse().ok(),
            limit: LIMIT,
            now: MonoTime::from_millis(second * 1_000),
        };
        match failed.edit(value.as_deref()) {
            Edited::Replace(value, ()) => Some(value),
            Edited::Keep(()) => value,
        }
    }

    fn wait(value: Option<&[u8]>, address: &str, second: u64) -> Option<u64> {
        waits(value, address.parse().ok(), LIMIT, MonoTime::from_millis(second * 1_000))
            .map(|wait| wait.as_secs())
    }

    #[test]
    fn who_has_failed_too_often_waits_for_the_end_of_the_window() {
        let mut value = None;
        for second in 0..3 {
            assert_eq!(wait(value.as_deref(), "192.0.2.1", 10 + second), None);
            value = fail(value, "192.0.2.1", 10 + second);
        }
        assert_eq!(wait(value.as_deref(), "192.0.2.1", 12), Some(58));
        assert_eq!(wait(value.as_deref(), "::ffff:192.0.2.1", 12), Some(58));
        assert_eq!(wait(value.as_deref(), "192.0.2.2", 12), None);
        assert_eq!(wait(value.as_deref(), "192.0.2.1", 70), None);
        value = fail(value, "192.0.2.1", 70);
        assert_eq!(wait(value.as_deref(), "192.0.2.1", 70), None, "the window is a new one");
    }

    #[test]
    fn a_host_has_all_of_its_64_bits() {
        let value = (1..=3).fold(None, |value, host| fail(value, &format!("2001:db8::{host}"), 1));
        assert_eq!(wait(value.as_deref(), "2001:db8::ffff", 1), Some(60));
        assert_eq!(wait(value.as_deref(), "2001:db8:0:1::1", 1), None);
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_clears_nobody_who_waits() {
        let mut value = (0..3).fold(None, |value, _| fail(value, "192.0.2.1", 1));
        for host in 0..2_000_u32 {
            value = fail(value, &core::net::Ipv4Addr::from_bits(0x0a00_0000 + host).to_string(), 2);
        }
        assert_eq!(Failures::read(value.as_deref()).0.len(), MOST);
        assert_eq!(wait(value.as_deref(), "192.0.2.1", 3), Some(58));
    }

    #[test]
    fn foreign_bytes_are_nobody() {
        for bytes in [&b""[..], b"foreign", &[2], &[1, 0]] {
            assert_eq!(Failures::read(Some(bytes)), Failures::default());
        }
        let value = fail(None, "192.0.2.1", 5);
        let future = Failures::read(value.as_deref());
        assert_eq!(future.0.len(), 1);
        assert_eq!(wait(value.as_deref(), "192.0.2.1", 1), None, "of another process");
    }
}
