//! Who comes most: the busiest keys of a rule, in fixed memory.
//!
//! # Why
//!
//! Which client or page makes the load is the first question in an incident. Counting each exactly would take memory for
//! every key that anybody can invent.
//!
//! # How
//!
//! A key falls into one of [`PLACES`] places. A place counts all that fall there, and elects one of them by majority vote: the
//! candidate's count grows with each of its own and shrinks with each other, and who comes when it is zero is the next candidate (MV-Sketch,
//! Tang, Huang and Lee, 2019). So a request costs a few additions and no search. Each worker counts for itself, and on a tick what it
//! has counted is [merged](Merging) into a shared value, which fades, so that what counts is about the last minute.
//!
//! # Limits
//!
//! A count is too high by at most the [`error`](Key::error) that stands beside it. Of two busy keys in one place only the busier
//! one is seen: with ten busy keys that happens to one of them in about one case of six.

use crate::rewrite::{Edit, Edited};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use core::time::Duration;
use serde::Serialize;

const VERSION: u8 = 1;

/// Where keys fall.
pub const PLACES: usize = 256;
/// How many keys are shown.
pub const MOST_SHOWN: usize = 16;
/// How long the text of a key may be; longer ones are cut.
pub const MOST_TEXT_BYTES: usize = 128;
/// After so long all counts are halved.
const HALF_LIFE: Duration = Duration::from_secs(30);

/// One place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    /// All that fell here.
    total: u64,
    candidate: Fingerprint,
    /// By how much the candidate leads.
    lead: u64,
    /// Of the candidate's, those that were refused.
    refused: u64,
    /// What the candidate is called, where that is to be shown.
    text: String,
}

/// The busiest keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Busiest {
    /// By place, those that are not empty, in order.
    places: Vec<(u8, Place)>,
    faded: MonoTime,
}

/// What one worker has counted since it was merged last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counting {
    places: Vec<Option<Place>>,
    halved: MonoTime,
}

impl Default for Counting {
    fn default() -> Self {
        Self { places: vec![None; PLACES], halved: MonoTime::ZERO }
    }
}

/// A key that came often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Its fingerprint.
    pub id: String,
    /// What it is called, if that is shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// How often it came, at most.
    pub requests: u64,
    /// By how much that may be too high.
    pub error: u64,
    /// How often it was refused.
    pub limited: u64,
}

impl Place {
    fn of(candidate: Fingerprint) -> Self {
        Self { total: 1, candidate, lead: 1, refused: 0, text: String::new() }
    }

    fn merge(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        if self.candidate == other.candidate {
            self.lead = self.lead.saturating_add(other.lead);
            self.refused = self.refused.saturating_add(other.refused);
            if self.text.is_empty() {
                self.text.clone_from(&other.text);
            }
        } else if other.lead > self.lead {
            let total = self.total;
            let lead = other.lead - self.lead;
            *self = Self { total, lead, ..other.clone() };
        } else {
            self.lead -= other.lead;
        }
    }

    fn halve(&mut self) {
        self.total /= 2;
        self.lead /= 2;
        self.refused /= 2;
    }

    fn shown(&self) -> Key {
        let requests = self.total.midpoint(self.lead);
        Key {
            id: self.candidate.to_string(),
            key: self.text.clone(),
            requests,
            error: requests.saturating_sub(self.lead),
            limited: self.refused.min(requests),
        }
    }
}

fn place_of(key: Fingerprint) -> u8 {
    // The upper bits pick sets of slot tables, the lowest ones places of leases.
    u8::try_from((key.0 >> 40) & 0xff).unwrap_or(0)
}

impl Counting {
    /// A request of this key has come. `true`: the key is a new candidate, whose [text](Self::name) is not known.
    pub fn count(&mut self, key: Fingerprint) -> bool {
        let Some(place) = self.places.get_mut(usize::from(place_of(key))) else { return false };
        match place {
            Some(known) if known.candidate == key => {
                known.total += 1;
                known.lead += 1;
                false
            }
            Some(known) if known.lead > 0 => {
                known.total += 1;
                known.lead -= 1;
                false
            }
            Some(known) => {
                *known = Place { total: known.total + 1, ..Place::of(key) };
                true
            }
            None => {
                *place = Some(Place::of(key));
                true
            }
        }
    }

    /// A request of this key was refused.
    pub fn refused(&mut self, key: Fingerprint) {
        if let Some(known) = self.candidate(key) {
            known.refused += 1;
        }
    }

    /// Says what a key is called.
    pub fn name(&mut self, key: Fingerprint, text: &str) {
        if let Some(known) = self.candidate(key) {
            let end = text.floor_char_boundary(MOST_TEXT_BYTES);
            known.text = text.get(..end).unwrap_or_default().to_owned();
        }
    }

    /// Forgets what was counted.
    pub fn clear(&mut self) {
        self.places.fill(None);
    }

    /// Halves all counts now and then, for as long as nobody wants to see them.
    pub fn fade(&mut self, now: MonoTime) {
        if now.since(self.halved) >= HALF_LIFE {
            self.halved = now;
            self.places.iter_mut().flatten().for_each(Place::halve);
            self.places.iter_mut().for_each(|place| {
                place.take_if(|known| known.total == 0);
            });
        }
    }

    /// Takes what was counted.
    pub fn take(&mut self) -> Busiest {
        let places =
            self.places.iter_mut().zip(0..=u8::MAX).filter_map(|(place, at)| Some((at, place.take()?)));
        Busiest { places: places.collect(), faded: MonoTime::ZERO }
    }

    fn candidate(&mut self, key: Fingerprint) -> Option<&mut Place> {
        self.places.get_mut(usize::from(place_of(key)))?.as_mut().filter(|known| known.candidate == key)
    }
}

impl Busiest {
    /// Reads a sketch; what cannot be read is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }

    /// The sketch in these bytes, if it is one: places in order, none twice, none empty.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let faded = MonoTime::from_nanos(reader.u64()?);
        let count = reader.u16()?;
        let mut places: Vec<(u8, Place)> = Vec::new();
        for _ in 0..count {
            let at = reader.u8()?;
            let (total, candidate) = (reader.u64()?, Fingerprint(reader.u128()?));
            let (lead, refused) = (reader.u64()?, reader.u64()?);
            let text = core::str::from_utf8(reader.bytes()?).ok()?.to_owned();
            let in_order = places.last().is_none_or(|(last, _)| *last < at);
            let fits = total > 0 && lead <= total && text.len() <= MOST_TEXT_BYTES;
            (in_order && fits).then_some(())?;
            places.push((at, Place { total, candidate, lead, refused, text }));
        }
        reader.end(Self { places, faded })
    }

    /// The sketch as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(11 + 48 * self.places.len());
        writer.u8(VERSION);
        writer.u64(self.faded.as_nanos());
        writer.u16(u16::try_from(self.places.len()).unwrap_or(u16::MAX));
        for (at, place) in &self.places {
            writer.u8(*at);
            writer.u64(place.total);
            writer.u128(place.candidate.0);
            writer.u64(place.lead);
            writer.u64(place.refused);
            writer.bytes(place.text.as_bytes());
        }
        writer.finish()
    }

    /// The busiest first.
    pub fn top(&self) -> Vec<Key> {
        let mut top: Vec<Key> = Vec::with_capacity(MOST_SHOWN + 1);
        for key in self.places.iter().map(|(_, place)| place.shown()) {
            let at = top.partition_point(|busier| (key.requests, &busier.id) < (busier.requests, &key.id));
            top.insert(at, key);
            top.truncate(MOST_SHOWN);
        }
        top
    }

    /// Whether nothing was counted.
    pub const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn merge(&mut self, other: &Self) {
        for (at, place) in &other.places {
            match self.places.binary_search_by_key(at, |(at, _)| *at) {
                Ok(found) => {
                    if let Some((_, known)) = self.places.get_mut(found) {
                        known.merge(place);
                    }
                }
                Err(before) => self.places.insert(before, (*at, place.clone())),
            }
        }
    }

    fn fade(&mut self, now: MonoTime) {
        // A time that has not come is damage.
        if now.since(self.faded) < HALF_LIFE && self.faded <= now {
            return;
        }
        self.faded = now;
        self.places.iter_mut().for_each(|(_, place)| place.halve());
        self.places.retain(|(_, place)| place.total > 0);
    }
}

/// Merges what a worker has counted into what all have. Ends with that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Merging {
    /// What it has counted.
    pub counted: Busiest,
    /// What the clock shows.
    pub now: MonoTime,
}

impl Edit for Merging {
    type Output = Busiest;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Busiest> {
        let mut all = Busiest::read(old);
        if all.is_empty() {
            all.faded = self.now;
        }
        all.fade(self.now);
        all.merge(&self.counted);
        Edited::Replace(all.encode(), all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// A key in a place.
    const fn key(place: u128, number: u128) -> Fingerprint {
        Fingerprint(place << 40 | number)
    }

    fn counted(counts: &[(Fingerprint, u64)]) -> Counting {
        let mut counting = Counting::default();
        counts.iter().for_each(|(key, times)| (0..*times).for_each(|_| _ = counting.count(*key)));
        counting
    }

    fn top(busiest: &Busiest) -> Vec<(u64, u64)> {
        busiest.top().iter().map(|key| (key.requests, key.error)).collect()
    }

    #[test]
    fn alone_in_its_place_a_key_is_counted_exactly() {
        let mut counting = counted(&[(key(1, 1), 7), (key(2, 1), 9)]);
        counting.refused(key(2, 1));
        counting.name(key(2, 1), "192.0.2.1");
        counting.name(key(2, 2), "somebody else");
        let shown = counting.take().top();
        assert_eq!((shown[0].requests, shown[0].error, shown[0].limited), (9, 0, 1));
        assert_eq!((shown[0].key.as_str(), shown[1].key.as_str()), ("192.0.2.1", ""));
    }

    #[test]
    fn the_busier_of_two_in_a_place_is_seen_with_the_error() {
        let mut counting = counted(&[(key(1, 1), 10), (key(1, 2), 3)]);
        // 10 of 13: at most (13 + 7) / 2, by at most 3 too many.
        assert_eq!(top(&counting.take()), [(10, 3)]);
        let mut other = counted(&[(key(1, 1), 2), (key(1, 2), 9)]);
        assert_eq!(other.take().top()[0].id, key(1, 2).to_string());
    }

    #[test]
    fn what_workers_counted_comes_together_and_fades() {
        let merge = |old: Option<&[u8]>, counts: &[(Fingerprint, u64)], seconds: u64| {
            let counted = counted(counts).take();
            let now = MonoTime::from_millis(seconds * 1_000);
            match (Merging { counted, now }).edit(old) {
                Edited::Replace(bytes, all) => (bytes, all),
                Edited::Keep(_) => panic!("must be merged"),
            }
        };
        let (one, _) = merge(None, &[(key(1, 1), 10), (key(3, 1), 1)], 1);
        let (both, all) = merge(Some(&one), &[(key(1, 1), 5), (key(2, 9), 8)], 2);
        assert_eq!(top(&all), [(15, 0), (8, 0), (1, 0)]);
        let (_, faded) = merge(Some(&both), &[], 31);
        assert_eq!(top(&faded), [(7, 0), (4, 0)]);
    }

    #[test]
    fn a_lone_worker_forgets_too() {
        let mut counting = counted(&[(key(1, 1), 4), (key(2, 1), 1)]);
        counting.fade(MonoTime::from_millis(30_000));
        counting.fade(MonoTime::from_millis(31_000));
        assert_eq!(top(&counting.take()), [(2, 0)]);
    }

    #[test]
    fn only_one_form_of_a_sketch_is_read() {
        let bytes = counted(&[(key(1, 1), 4), (key(2, 1), 1)]).take().encode();
        assert_eq!(Busiest::decode(&bytes).map(|busiest| busiest.encode()), Some(bytes.clone()));
        for length in 0..bytes.len() {
            assert_eq!(Busiest::decode(&bytes[..length]), None, "cut to {length}");
        }
        // Another version; the second place before the first; a lead that is more than all.
        for (at, wrong) in [(0, 2), (11, 2), (36, 9)] {
            let mut bytes = bytes.clone();
            bytes[at] = wrong;
            assert_eq!(Busiest::decode(&bytes), None, "byte {at} as {wrong}");
        }
    }
}
