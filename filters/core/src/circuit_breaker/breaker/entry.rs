//! A breaker as an entry of a slot table.

use super::{Breaker, Closed, FORGOTTEN_AFTER, State};
use crate::circuit_breaker::window::Window;
use crate::permits::Holders;
use crate::slots::Entry;
use crate::time::{MonoTime, nanos};
use crate::wire::{Reader, Writer};
use core::time::Duration;

impl Entry for Breaker {
    const KIND: u8 = 16;

    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.since.as_nanos());
        writer.u16(self.openings);
        writer.u64(nanos(self.last_wait));
        match &self.state {
            State::Closed(closed) => {
                writer.u8(0);
                writer.u32(closed.consecutive);
                writer.u64(closed.retry_after.as_nanos());
                writer.u64(closed.gathered);
                closed.window.encode(writer);
            }
            State::Open { until } => {
                writer.u8(1);
                writer.u64(until.as_nanos());
            }
            State::HalfOpen { until, successes, probes } => {
                writer.u8(2);
                writer.u64(until.as_nanos());
                writer.u32(*successes);
                writer.bytes(&probes.encode());
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (since, openings) = (MonoTime::from_nanos(reader.u64()?), reader.u16()?);
        let last_wait = Duration::from_nanos(reader.u64()?);
        let state = match reader.u8()? {
            0 => State::Closed(Closed {
                consecutive: reader.u32()?,
                retry_after: MonoTime::from_nanos(reader.u64()?),
                gathered: reader.u64()?,
                window: Window::decode(reader)?,
            }),
            1 => State::Open { until: MonoTime::from_nanos(reader.u64()?) },
            2 => State::HalfOpen {
                until: MonoTime::from_nanos(reader.u64()?),
                successes: reader.u32()?,
                probes: Holders::decode(reader.bytes()?)?,
            },
            _ => return None,
        };
        Some(Self { since, openings, last_wait, state })
    }

    fn fresh_at(&self) -> MonoTime {
        match &self.state {
            State::Closed(closed) => {
                let relapse =
                    if self.openings > 0 { self.since.after(self.last_wait) } else { MonoTime::ZERO };
                closed.window.empty_at(FORGOTTEN_AFTER).max(closed.retry_after).max(relapse)
            }
            State::Open { until } | State::HalfOpen { until, .. } => until.after(FORGOTTEN_AFTER),
        }
    }

    /// Closed and without failures goes first, then closed, and what is not closed last.
    fn weight(&self) -> u8 {
        match &self.state {
            State::Closed(closed) => u8::from(closed.consecutive > 0 || closed.window.has_faults()),
            _ => 2,
        }
    }
}
