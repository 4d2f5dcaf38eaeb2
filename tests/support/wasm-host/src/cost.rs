//! What a callback cost.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// The exact cost of one or several callbacks: no time, only counts, the same on every machine and run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cost {
    /// How often the host crossed into the VM, by callback.
    pub callbacks: BTreeMap<&'static str, u64>,
    /// How often the VM called the host, by function, WASI included.
    pub host_calls: BTreeMap<&'static str, u64>,
    /// Wasm instructions executed; known of instrumented modules only.
    pub instructions: Option<u64>,
    /// The same by function, those that executed none left out.
    pub functions: BTreeMap<String, u64>,
}

impl Cost {
    /// All host calls together.
    #[must_use]
    pub fn host_calls_total(&self) -> u64 {
        self.host_calls.values().sum()
    }
}

impl AddAssign<&Self> for Cost {
    fn add_assign(&mut self, other: &Self) {
        add(&mut self.callbacks, &other.callbacks);
        add(&mut self.host_calls, &other.host_calls);
        add(&mut self.functions, &other.functions);
        self.instructions = match (self.instructions, other.instructions) {
            (None, None) => None,
            (mine, theirs) => Some(mine.unwrap_or(0) + theirs.unwrap_or(0)),
        };
    }
}

impl<'a> FromIterator<&'a Self> for Cost {
    fn from_iter<I: IntoIterator<Item = &'a Self>>(costs: I) -> Self {
        let mut sum = Self::default();
        for cost in costs {
            sum += cost;
        }
        sum
    }
}

fn add<K: Clone + Ord>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (name, count) in from {
        *into.entry(name.clone()).or_default() += count;
    }
}
