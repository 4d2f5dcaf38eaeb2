//! Which metrics there are, so that another filter can read them.
//!
//! # Why
//!
//! The proxy lets a module read the value of a metric that it has defined, and cannot list metrics. Whoever renders them
//! all (the admin filter) must know each name and its kind: two modules that define one name share one metric.
//!
//! # How
//!
//! Each root adds the names that it has defined to its filter's shared [`Catalogue`]. Counters and gauges are then read
//! from the proxy. A histogram can be written to the proxy and not read back, so what is recorded is gathered a second time
//! in [`Buckets`]: each root for itself, and added to a shared value on a tick.
//!
//! # Limits
//!
//! A name is never taken off: the proxy keeps the metric, too. What a root has recorded into a histogram and not yet added
//! is lost with it.

mod buckets;
mod name;

pub use buckets::{BOUNDS, Buckets, Gathering};
pub use name::{Name, label, metric_name, parse_name};

use crate::rewrite::{Edit, Edited};
use crate::vec_map::VecMap;
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;

/// How many bytes the names of one filter and namespace may take together.
pub const MOST_BYTES: usize = 256 * 1024;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// One value.
    Gauge,
    /// A distribution.
    Histogram,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Counter, Self::Gauge, Self::Histogram];

    const fn code(self) -> u8 {
        match self {
            Self::Counter => 0,
            Self::Gauge => 1,
            Self::Histogram => 2,
        }
    }
}

/// One metric and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its name in the proxy, labels included: see [`parse_name`].
    pub name: String,
    /// What it says, over all workers.
    pub value: Value,
}

/// What a metric says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge; below zero where more was subtracted than added.
    Gauge(i64),
    /// Of a histogram.
    Histogram(Box<Buckets>),
}

/// The metrics of one filter and namespace by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Catalogue(VecMap<String, Kind>);

impl Catalogue {
    /// Reads a catalogue; what cannot be read is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }

    /// The catalogue in these bytes, if it is one: names in order, none twice.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION || bytes.len() > MOST_BYTES {
            return None;
        }
        let count = reader.u32()?;
        let mut names = VecMap::new();
        for _ in 0..count {
            let kind = *Kind::ALL.get(usize::from(reader.u8()?))?;
            let name = core::str::from_utf8(reader.bytes()?).ok()?;
            if names.last_key_value().is_some_and(|(last, _): (&String, _)| last.as_str() >= name) {
                return None;
            }
            names.insert(name.to_owned(), kind);
        }
        reader.end(Self(names))
    }

    /// The catalogue as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.size());
        writer.u8(VERSION);
        writer.u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        for (name, kind) in &self.0 {
            writer.u8(kind.code());
            writer.bytes(name.as_bytes());
        }
        writer.finish()
    }

    /// Adds a metric; `true`: it was not there.
    pub fn add(&mut self, name: &str, kind: Kind) -> bool {
        let is_new = !self.0.contains_key(name);
        if is_new {
            self.0.insert(name.to_owned(), kind);
        }
        is_new
    }

    /// The metrics by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.0.iter().map(|(name, kind)| (name.as_str(), *kind))
    }

    fn size(&self) -> usize {
        5 + self.0.keys().map(|name| 5 + name.len()).sum::<usize>()
    }
}

/// Adds the metrics that a root has defined. Ends with whether all of them are in: a full catalogue takes no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing(pub Catalogue);

impl Edit for Listing {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        let mut all = Catalogue::read(old);
        let mut size = all.size();
        let (mut is_changed, mut fits) = (false, true);
        for (name, kind) in self.0.iter() {
            let grown = size.saturating_add(5 + name.len());
            if all.0.contains_key(name) {
                continue;
            }
            if grown > MOST_BYTES {
                fits = false;
                continue;
            }
            (size, is_changed) = (grown, true);
            all.add(name, kind);
        }
        if is_changed { Edited::Replace(all.encode(), fits) } else { Edited::Keep(fits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn of(names: &[(&str, Kind)]) -> Catalogue {
        Catalogue(names.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect())
    }

    #[test]
    fn what_several_roots_define_comes_together() {
        let one = of(&[("b", Kind::Gauge), ("c", Kind::Histogram)]);
        let Edited::Replace(bytes, true) = Listing(one).edit(None) else { panic!("must be listed") };
        let two = of(&[("a", Kind::Counter), ("b", Kind::Gauge)]);
        let Edited::Replace(bytes, true) = Listing(two.clone()).edit(Some(&bytes)) else {
            panic!("must be listed")
        };
        let all: Vec<_> = Catalogue::read(Some(&bytes)).iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(all, ["a", "b", "c"]);
        assert_eq!(Listing(two).edit(Some(&bytes)), Edited::Keep(true));
    }

    #[test]
    fn a_full_catalogue_takes_no_more_and_says_so() {
        let long = "x".repeat(MOST_BYTES - 20);
        let Edited::Replace(bytes, false) =
            Listing(of(&[(&long, Kind::Counter), ("y-too-long", Kind::Gauge), ("z", Kind::Gauge)]))
                .edit(None)
        else {
            panic!("one does not fit")
        };
        assert_eq!(Catalogue::decode(&bytes).map(|all| all.0.len()), Some(2));
    }

    #[test]
    fn only_one_form_of_a_catalogue_is_read() {
        let bytes = of(&[("a", Kind::Counter), ("b", Kind::Gauge)]).encode();
        assert_eq!(Catalogue::decode(&bytes).map(|all| all.encode()), Some(bytes.clone()));
        for length in 0..bytes.len() {
            assert_eq!(Catalogue::decode(&bytes[..length]), None, "cut to {length}");
        }
        for (at, wrong) in [(0, 2), (1, 1), (5, 3), (10, b'b'), (10, b'c'), (10, 0xff)] {
            let mut bytes = bytes.clone();
            bytes[at] = wrong;
            assert_eq!(Catalogue::decode(&bytes), None, "byte {at} as {wrong}");
        }
    }
}
