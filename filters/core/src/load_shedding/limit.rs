//! How many requests the upstream can take at once.
//!
//! # How
//!
//! A [`Limit`] goes from window to window: what [`Samples`] of one window say, and the algorithm, make the next limit.
//! [`gradient2`] and [`vegas`] compare the latency with the one of an upstream that has nothing to do, [`aimd`] only looks
//! at drops, and a fixed limit stays.
//!
//! # Limits
//!
//! No algorithm grows a limit that the traffic does not use: fewer than half of it in flight says nothing about more.

pub mod aimd;
pub mod gradient2;
pub mod vegas;

use super::samples::Samples;
use crate::wire::{Reader, Writer};
use aimd::Aimd;
use gradient2::Gradient2;
use vegas::Vegas;

/// From this share of dropped requests on a window says that there was too much.
const DROPS_OF_A_WINDOW: f64 = 0.05;

/// Above this share of clients that left what is in flight upstream is more than is known.
const LEFT_OF_A_WINDOW: f64 = 0.1;

/// How a limit is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    /// The latency against its floor.
    Gradient2(Gradient2),
    /// The queue that latencies tell of.
    Vegas(Vegas),
    /// Drops and time-outs.
    Aimd(Aimd),
    /// It is what `initial` says.
    Fixed,
}

/// A limit's configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How it is found.
    pub algorithm: Algorithm,
    /// Before anything is known.
    pub initial: u32,
    /// Never below.
    pub min: u32,
    /// Never above.
    pub max: u32,
}

/// One window, as algorithms see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// The latency in nanoseconds at the configured percentile.
    pub latency: f64,
    /// The mean latency in nanoseconds.
    pub mean: f64,
    /// How many were in flight on average.
    pub in_flight: f64,
    /// How many were in flight at the most.
    pub most_in_flight: f64,
    /// Whether enough were dropped to say that there was too much.
    pub dropped: bool,
    /// Which share was dropped, 0 to 1.
    pub drop_share: f64,
    /// Whether clients left before they were answered: then the upstream works for nobody, and is slower than what is in
    /// flight explains.
    pub left: bool,
}

impl Window {
    /// What samples say at a percentile (0 to 1); `None` if there are none.
    pub fn of(samples: &Samples, percentile: f64) -> Option<Self> {
        if samples.total() == 0 {
            return None;
        }
        let drops = f64::from(samples.drops()) / f64::from(samples.total());
        let latency = samples.percentile(percentile).map(|latency| latency.as_nanos() as f64);
        Some(Self {
            // Where nothing was answered the drops are what counts.
            latency: latency.unwrap_or(0.0),
            mean: samples.mean().map_or(0.0, |mean| mean.as_nanos() as f64),
            in_flight: samples.mean_in_flight(),
            most_in_flight: f64::from(samples.most_in_flight()),
            dropped: drops >= DROPS_OF_A_WINDOW,
            drop_share: drops,
            left: f64::from(samples.clients_left().saturating_add(samples.drops()))
                > LEFT_OF_A_WINDOW * f64::from(samples.total()),
        })
    }

    /// Whether the traffic used so little of the limit that it says nothing about more.
    pub fn is_app_limited(&self, limit: f64) -> bool {
        self.in_flight * 2.0 < limit
    }
}

/// A limit with what its algorithm remembers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    value: f64,
    memory: Memory,
}

/// What the algorithms remember.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Memory {
    Gradient2(gradient2::Memory),
    Vegas(vegas::Memory),
    /// Nothing.
    None,
}

impl Limit {
    /// The limit before anything is known.
    pub fn initial(settings: &Settings) -> Self {
        let memory = match settings.algorithm {
            Algorithm::Gradient2(_) => Memory::Gradient2(gradient2::Memory::default()),
            Algorithm::Vegas(_) => Memory::Vegas(vegas::Memory::default()),
            Algorithm::Aimd(_) | Algorithm::Fixed => Memory::None,
        };
        Self { value: f64::from(settings.initial), memory }
    }

    /// How many may be in flight now.
    pub fn allowed(&self, settings: &Settings) -> u32 {
        if settings.algorithm == Algorithm::Fixed {
            return settings.initial;
        }
        let value = match self.memory {
            Memory::Gradient2(memory) => memory.allowed(self.value),
            Memory::Vegas(_) | Memory::None => self.value,
        };
        whole(value).clamp(settings.min, settings.max)
    }

    /// The limit after a window. `noise` are random bits.
    #[must_use]
    pub fn step(self, settings: &Settings, window: &Window, noise: u64) -> Self {
        let (value, memory) = match (&settings.algorithm, self.memory) {
            (Algorithm::Gradient2(algorithm), memory) => {
                let memory = if let Memory::Gradient2(memory) = memory { memory } else { Default::default() };
                let (value, memory) = algorithm.step(self.value, memory, window, settings);
                (value, Memory::Gradient2(memory))
            }
            (Algorithm::Vegas(algorithm), memory) => {
                let memory = if let Memory::Vegas(memory) = memory { memory } else { Default::default() };
                let (value, memory) = algorithm.step(self.value, memory, window, noise);
                (value, Memory::Vegas(memory))
            }
            (Algorithm::Aimd(algorithm), _) => (algorithm.step(self.value, window), Memory::None),
            (Algorithm::Fixed, _) => (f64::from(settings.initial), Memory::None),
        };
        Self { value: bounded(value, settings), memory }
    }

    /// What an idle upstream's latency is thought to be, in nanoseconds.
    pub const fn floor(&self) -> Option<f64> {
        match self.memory {
            Memory::Gradient2(memory) => memory.floor(),
            Memory::Vegas(memory) => memory.floor(),
            Memory::None => None,
        }
    }

    /// Appends the limit.
    pub fn encode(&self, writer: &mut Writer) {
        match &self.memory {
            Memory::None => {
                writer.u8(0);
                number(writer, self.value);
            }
            Memory::Gradient2(memory) => {
                writer.u8(1);
                number(writer, self.value);
                memory.encode(writer);
            }
            Memory::Vegas(memory) => {
                writer.u8(2);
                number(writer, self.value);
                memory.encode(writer);
            }
        }
    }

    /// Reads one limit.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let kind = reader.u8()?;
        let value = positive(reader)?;
        let memory = match kind {
            0 => Memory::None,
            1 => Memory::Gradient2(gradient2::Memory::decode(reader)?),
            2 => Memory::Vegas(vegas::Memory::decode(reader)?),
            _ => return None,
        };
        Some(Self { value, memory })
    }
}

fn bounded(value: f64, settings: &Settings) -> f64 {
    let (min, max) = (f64::from(settings.min), f64::from(settings.max));
    if value.is_nan() { min } else { value.clamp(min, max) }
}

/// Rounded down, but never below one for want of a hair.
fn whole(value: f64) -> u32 {
    // The cast saturates.
    (value + 1e-6) as u32
}

fn number(writer: &mut Writer, value: f64) {
    writer.u64(value.to_bits());
}

/// A number from zero up.
fn positive(reader: &mut Reader<'_>) -> Option<f64> {
    Some(f64::from_bits(reader.u64()?)).filter(|value| value.is_finite() && *value >= 0.0)
}
