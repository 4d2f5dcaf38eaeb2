//! Metrics: by name for the whole process, by id for each VM.

use std::collections::BTreeMap;

use crate::status::Status;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

impl Kind {
    pub(crate) fn from_abi(kind: u32) -> Option<Self> {
        [Self::Counter, Self::Gauge, Self::Histogram].get(kind as usize).copied()
    }
}

/// A metric of the process: counter, gauge and histogram of one name are three metrics.
pub(crate) type Key = (Kind, String);

/// The metrics that one VM has defined. The kind is in the lowest two bits of the id.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    keys: BTreeMap<u32, Key>,
    defined: [u32; 3],
}

impl Ids {
    /// Defining a name again gives another id for the same metric.
    pub(crate) fn define(&mut self, kind: Kind, name: &str) -> u32 {
        self.defined[kind as usize] += 1;
        let id = self.defined[kind as usize] * 4 + kind as u32;
        self.keys.insert(id, (kind, name.trim_end_matches('.').to_owned()));
        id
    }

    fn key(&self, id: u32) -> Result<&Key, Status> {
        Kind::from_abi(id % 4).ok_or(Status::BadArgument)?;
        self.keys.get(&id).ok_or(Status::NotFound)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    values: BTreeMap<Key, u64>,
    recorded: BTreeMap<String, Vec<u64>>,
}

impl Metrics {
    pub(crate) fn define(&mut self, kind: Kind, name: &str) {
        let name = name.trim_end_matches('.').to_owned();
        match kind {
            Kind::Histogram => drop(self.recorded.entry(name).or_default()),
            Kind::Counter | Kind::Gauge => _ = self.values.entry((kind, name)).or_default(),
        }
    }

    /// A gauge wraps below zero; a counter takes no step of zero or less.
    pub(crate) fn increment(&mut self, ids: &Ids, id: u32, offset: i64) -> Result<(), Status> {
        let (Kind::Counter | Kind::Gauge, _) = ids.key(id)? else { return Err(Status::BadArgument) };
        let key = ids.key(id)?;
        if key.0 == Kind::Counter && offset <= 0 {
            return Err(Status::BadArgument);
        }
        let value = self.values.entry(key.clone()).or_default();
        *value = value.wrapping_add_signed(offset);
        Ok(())
    }

    /// Recording on a counter adds.
    pub(crate) fn record(&mut self, ids: &Ids, id: u32, value: u64) -> Result<(), Status> {
        let key = ids.key(id).map_err(|_| Status::NotFound)?;
        match key.0 {
            Kind::Histogram => self.recorded.entry(key.1.clone()).or_default().push(value),
            Kind::Gauge => _ = self.values.insert(key.clone(), value),
            Kind::Counter => {
                let counter = self.values.entry(key.clone()).or_default();
                *counter = counter.wrapping_add(value);
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, ids: &Ids, id: u32) -> Result<u64, Status> {
        match ids.key(id)? {
            (Kind::Histogram, _) => Err(Status::BadArgument),
            key => Ok(self.values.get(key).copied().unwrap_or_default()),
        }
    }

    pub(crate) fn value(&self, kind: Kind, name: &str) -> Option<u64> {
        self.values.get(&(kind, name.to_owned())).copied()
    }

    pub(crate) fn recorded(&self, name: &str) -> Option<Vec<u64>> {
        self.recorded.get(name).cloned()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.values.keys().map(|(_, name)| name).chain(self.recorded.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::{Ids, Kind, Metrics};
    use crate::status::Status;

    #[test]
    fn counters_gauges_and_histograms_answer_as_in_envoy() {
        let (mut ids, mut metrics) = (Ids::default(), Metrics::default());
        let counter = ids.define(Kind::Counter, "n");
        let gauge = ids.define(Kind::Gauge, "n");
        let histogram = ids.define(Kind::Histogram, "n");

        for (offset, answer) in [(3, Ok(())), (0, Err(Status::BadArgument)), (-1, Err(Status::BadArgument))] {
            assert_eq!(metrics.increment(&ids, counter, offset), answer, "counter {offset}");
        }
        metrics.record(&ids, counter, 4).unwrap();
        assert_eq!(metrics.get(&ids, counter), Ok(7));

        metrics.increment(&ids, gauge, 2).unwrap();
        metrics.increment(&ids, gauge, -5).unwrap();
        assert_eq!(metrics.get(&ids, gauge), Ok(u64::MAX - 2), "wraps below zero");
        metrics.record(&ids, gauge, 9).unwrap();
        assert_eq!(metrics.value(Kind::Gauge, "n"), Some(9));

        assert_eq!(metrics.increment(&ids, histogram, 1), Err(Status::BadArgument));
        assert_eq!(metrics.get(&ids, histogram), Err(Status::BadArgument));
        metrics.record(&ids, histogram, 5).unwrap();
        assert_eq!(metrics.recorded("n"), Some(vec![5]));

        assert_eq!(metrics.get(&ids, 400), Err(Status::NotFound));
        assert_eq!(metrics.get(&ids, 403), Err(Status::BadArgument), "no such kind");
        assert_eq!(metrics.record(&ids, 403, 1), Err(Status::NotFound));
    }

    #[test]
    fn two_vms_and_two_definitions_share_one_metric() {
        let (mut first, mut second, mut metrics) = (Ids::default(), Ids::default(), Metrics::default());
        let ids = [first.define(Kind::Gauge, "g"), first.define(Kind::Gauge, "g.")];
        let other = second.define(Kind::Gauge, "g");
        assert_ne!(ids[0], ids[1]);
        metrics.increment(&first, ids[0], 1).unwrap();
        metrics.increment(&first, ids[1], 1).unwrap();
        metrics.increment(&second, other, 1).unwrap();
        assert_eq!(metrics.value(Kind::Gauge, "g"), Some(3));
    }
}
