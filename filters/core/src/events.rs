//! Events: what filters decided that an operator wants to know of, in one shared ring.
//!
//! # Why
//!
//! A breaker that opens, a level that changes or a purge is rare and matters to whoever looks at an incident. Log lines of
//! several workers and filters are scattered; this is one list in the order in which things became known.
//!
//! # How
//!
//! A root [notes](Notebook::note) an event in its own memory, at most some per second, and adds what it has noted to the
//! shared [`Ring`] on its tick, in one compare-and-swap ([`Noting`]). The ring numbers events, so that a reader that
//! comes again knows what is new and what it has missed.
//!
//! # Limits
//!
//! The last [`MOST_EVENTS`] are kept. What a root notes too fast, or cannot write, is dropped and counted. Of two workers
//! the later to tick is the later in the ring, whatever happened first: each event has its own time.

mod burst;
mod notebook;

pub use burst::{BURST_SPAN, Burst};
pub use notebook::{BURST, Notebook, PER_SECOND};

use crate::rewrite::{Edit, Edited};
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use std::collections::VecDeque;

const VERSION: u8 = 1;

/// How many events are kept.
pub const MOST_EVENTS: usize = 256;
/// Longer names are cut to this many bytes.
pub const MOST_NAME_BYTES: usize = 64;
/// Longer texts are cut to this many bytes.
pub const MOST_TEXT_BYTES: usize = 256;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Event {
    /// Its place among all events ever, from 1; given by the ring.
    pub number: u64,
    /// When it happened.
    pub at: MonoTime,
    /// The filter that says so.
    pub filter: String,
    /// That filter's namespace.
    pub namespace: String,
    /// The rule it is about; empty if it is about the whole filter.
    pub rule: String,
    /// What kind of event, in snake case.
    pub kind: String,
    /// The details, for people.
    pub what: String,
    /// Who brought it about: the name of an operator's credential, empty if nobody did.
    pub who: String,
}

impl Event {
    /// The event with texts of bounded length.
    #[must_use]
    fn cut(mut self) -> Self {
        for (text, most) in [
            (&mut self.filter, MOST_NAME_BYTES),
            (&mut self.namespace, MOST_NAME_BYTES),
            (&mut self.rule, MOST_NAME_BYTES),
            (&mut self.kind, MOST_NAME_BYTES),
            (&mut self.what, MOST_TEXT_BYTES),
            (&mut self.who, MOST_NAME_BYTES),
        ] {
            text.truncate(text.floor_char_boundary(most));
        }
        self
    }

    fn texts(&self) -> [&str; 6] {
        [&self.filter, &self.namespace, &self.rule, &self.kind, &self.what, &self.who]
    }
}

/// The last events, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ring {
    last: u64,
    events: VecDeque<Event>,
}

impl Ring {
    /// Reads a ring; what cannot be read is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }

    /// The ring in these bytes, if it is one: numbered one after the other up to the last.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let last = reader.u64()?;
        let count = u64::from(reader.u16()?);
        let first = last.checked_sub(count)?;
        let mut events = VecDeque::new();
        for number in 1..=count {
            let at = MonoTime::from_nanos(reader.u64()?);
            let mut text = || core::str::from_utf8(reader.bytes()?).ok().map(str::to_owned);
            let (filter, namespace, rule) = (text()?, text()?, text()?);
            let (kind, what, who) = (text()?, text()?, text()?);
            let number = first.checked_add(number)?;
            let event = Event { number, at, filter, namespace, rule, kind, what, who };
            if event.clone().cut() != event {
                return None;
            }
            events.push_back(event);
        }
        reader.end(Self { last, events }).filter(|ring| ring.events.len() <= MOST_EVENTS)
    }

    /// The ring as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(11 + 128 * self.events.len());
        writer.u8(VERSION);
        writer.u64(self.last);
        writer.u16(u16::try_from(self.events.len()).unwrap_or(u16::MAX));
        for event in &self.events {
            writer.u64(event.at.as_nanos());
            event.texts().iter().for_each(|text| writer.bytes(text.as_bytes()));
        }
        writer.finish()
    }

    /// The events, the oldest first.
    pub fn into_events(self) -> Vec<Event> {
        self.events.into()
    }

    /// How many events there ever were.
    pub const fn last(&self) -> u64 {
        self.last
    }

    fn add(&mut self, event: Event) {
        // Nothing is added after the last number there is, which no process lives to see.
        let Some(number) = self.last.checked_add(1) else { return };
        self.last = number;
        self.events.push_back(Event { number, ..event }.cut());
        if self.events.len() > MOST_EVENTS {
            self.events.pop_front();
        }
    }
}

/// Adds these events to the ring. Ends with the number of the last one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Noting(pub Vec<Event>);

impl Edit for Noting {
    type Output = u64;

    fn edit(&self, old: Option<&[u8]>) -> Edited<u64> {
        let mut ring = Ring::read(old);
        if self.0.is_empty() {
            return Edited::Keep(ring.last);
        }
        self.0.iter().cloned().for_each(|event| ring.add(event));
        Edited::Replace(ring.encode(), ring.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn event(what: &str) -> Event {
        let (filter, kind) = ("circuit-breaker".to_owned(), "breaker_opened".to_owned());
        Event { at: MonoTime::from_millis(5), filter, kind, what: what.to_owned(), ..Event::default() }
    }

    fn note(old: Option<&[u8]>, count: usize) -> Vec<u8> {
        let Edited::Replace(bytes, _) = Noting(vec![event("failure_rate"); count]).edit(old) else {
            panic!("must be added")
        };
        bytes
    }

    #[test]
    fn the_last_events_are_kept_and_numbered() {
        let bytes = note(Some(&note(None, 3)), MOST_EVENTS);
        let ring = Ring::decode(&bytes).unwrap();
        assert_eq!(ring.last(), 3 + 256);
        let events = ring.into_events();
        let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
        assert_eq!(numbers, (4..=259).collect::<Vec<_>>());
        assert_eq!(events.last(), Some(&Event { number: 259, ..event("failure_rate") }));
    }

    #[test]
    fn nothing_to_add_writes_nothing_and_damage_is_written_over() {
        assert_eq!(Noting(Vec::new()).edit(Some(&note(None, 2))), Edited::Keep(2));
        assert_eq!(note(Some(b"foreign"), 1), note(None, 1));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = Event { rule: "ä".repeat(40), what: "x".repeat(300), ..event("") }.cut();
        assert_eq!((long.rule.len(), long.what.len()), (64, 256));
        let odd = Event { rule: format!("x{}", "ä".repeat(40)), ..event("") }.cut();
        assert_eq!(odd.rule.len(), 63);
    }

    #[test]
    fn only_one_form_of_a_ring_is_read() {
        let bytes = note(None, 2);
        assert_eq!(Ring::decode(&bytes).map(|ring| ring.encode()), Some(bytes.clone()));
        for length in 0..bytes.len() {
            assert_eq!(Ring::decode(&bytes[..length]), None, "cut to {length}");
        }
        // Another version; more events than there ever were.
        for (at, wrong) in [(0, 2), (1, 1)] {
            let mut bytes = bytes.clone();
            bytes[at] = wrong;
            assert_eq!(Ring::decode(&bytes), None, "byte {at} as {wrong}");
        }
    }
}
