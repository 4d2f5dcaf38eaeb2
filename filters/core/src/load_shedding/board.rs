//! What all workers know together.
//!
//! # How
//!
//! Each worker counts for itself and on its tick adds its [`Report`] to the one shared [`Board`], in one
//! compare-and-swap. Whoever finds a window complete takes the limit's next step; whoever finds that it is time to looks at
//! the load. What comes out is what every worker decides by until its next tick, so a request asks nobody.
//!
//! # Limits
//!
//! A worker decides by what was known a tick ago.

use super::admission::{History, Tally};
use super::fairness::Sketch;
use super::gate::{Gate, TOLERATED};
use super::level::Level;
use super::limit::{Limit, Window};
use super::priority::Mix;
use super::samples::Samples;
use super::settings::Settings;
use crate::plane::Overload;
use crate::rewrite::{Edit, Edited, Rewrite};
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use core::time::Duration;

const VERSION: u8 = 2;

/// How often the load is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A window without samples begins anew after this long.
const STALE_WINDOW: Duration = Duration::from_secs(5);
/// What counts of the past is multiplied by this at each look.
const FADE: f64 = 0.75;
/// From this share of refused requests on who waits is hurried.
const OVERLOADED: f64 = 0.15;
/// Below this load there is room that the gate must not keep empty.
const ROOM: f64 = 0.75;
/// The part of the excess that the gate takes; the rest is the queue's.
const PART_OF_GATE: f64 = 0.8;
/// How fast an upstream's own signal closes the gate: for each look, in proportion to how far it is over.
const SIGNAL_GAIN: f64 = 0.1;
/// How much wider the gate is at each look without a signal.
const SIGNAL_RELEASE: f64 = 0.02;
/// The upstream's own signal refuses so much at the most: without requests it could not say that it is well again.
const SIGNAL_MOST: f64 = 0.95;

/// What one worker has seen since its last report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Latencies and drops.
    pub samples: Samples,
    /// Requests that asked to be in flight.
    pub arrived: u32,
    /// Those of them that were refused.
    pub refused: u32,
    /// What classes they were of.
    pub mix: Mix,
    /// Who sent them.
    pub callers: Sketch,
    /// What the upstream made of requests, by admission rule.
    pub tallies: Vec<Tally>,
    /// How far over its threshold a load signal was, as a share of it, summed over so many answers with a signal.
    pub signals: (f64, u32),
    /// How many are in flight, over all workers.
    pub in_flight: u32,
    /// How many wait, over all workers.
    pub queued: u32,
}

impl Report {
    /// Nothing was seen.
    pub fn new(settings: &Settings) -> Self {
        Self {
            samples: Samples::default(),
            arrived: 0,
            refused: 0,
            mix: Mix::new(settings.classes),
            callers: Sketch::default(),
            tallies: vec![Tally::default(); settings.admission.len()],
            signals: (0.0, 0),
            in_flight: 0,
            queued: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.samples.total() == 0
            && self.arrived == 0
            && self.signals.1 == 0
            && self.in_flight == 0
            && self.queued == 0
            && self.tallies.iter().all(Tally::is_empty)
    }
}

/// What all workers know together.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    limit: Limit,
    window: Samples,
    window_began: MonoTime,
    looked: MonoTime,
    /// Requests that asked, and those refused, lately.
    arrived: f64,
    refused: f64,
    /// Load since the last look: the sum, and of how many.
    load_sum: f64,
    load_count: f64,
    load: f64,
    signal_sum: f64,
    signal_count: f64,
    signal_excess: f64,
    level: Level,
    mix: Mix,
    callers: Sketch,
    admission: Vec<History>,
}

impl Board {
    /// Nothing is known.
    pub fn new(settings: &Settings, now: MonoTime) -> Self {
        Self {
            limit: Limit::initial(&settings.limit),
            window: Samples::default(),
            window_began: now,
            looked: now,
            arrived: 0.0,
            refused: 0.0,
            load_sum: 0.0,
            load_count: 0.0,
            load: 0.0,
            signal_sum: 0.0,
            signal_count: 0.0,
            signal_excess: 0.0,
            level: Level::default(),
            mix: Mix::new(settings.classes),
            callers: Sketch::default(),
            admission: vec![History::default(); settings.admission.len()],
        }
    }

    /// How many may be in flight.
    pub fn allowed(&self, settings: &Settings) -> u32 {
        self.limit.allowed(&settings.limit)
    }

    /// The latency of an idle upstream in nanoseconds, as far as the limit's algorithm has an idea of it.
    pub const fn floor(&self) -> Option<f64> {
        self.limit.floor()
    }

    /// How overloaded the process is.
    pub const fn level(&self) -> Overload {
        self.level.now()
    }

    /// What wants to be in flight, as a share of the limit.
    pub const fn load(&self) -> f64 {
        self.load
    }

    /// Which share of the requests was refused lately, 0 to 1.
    pub fn refused_share(&self) -> f64 {
        if self.arrived < 1.0 { 0.0 } else { (self.refused / self.arrived).min(1.0) }
    }

    /// Whether more comes than there is room for.
    pub fn is_overloaded(&self) -> bool {
        self.refused_share() > OVERLOADED
    }

    /// The gate as things are.
    pub fn gate(&self, settings: &Settings) -> Gate {
        let excess = PART_OF_GATE * ((self.refused_share() - TOLERATED) / (1.0 - TOLERATED)).max(0.0);
        if self.signal_excess > excess {
            Gate::new(settings.strategy, self.signal_excess, &self.mix, &self.callers).by_signal()
        } else {
            Gate::new(settings.strategy, excess, &self.mix, &self.callers)
        }
    }

    /// Who has come lately.
    pub const fn callers(&self) -> &Sketch {
        &self.callers
    }

    /// The odds, 0 to 1, with which each admission rule refuses.
    pub fn admission_odds(&self, settings: &Settings) -> Vec<f64> {
        let rules = self.admission.iter().zip(&settings.admission);
        rules.map(|(history, rule)| history.odds(rule)).collect()
    }

    /// Adds what a worker has seen.
    pub fn add(&mut self, settings: &Settings, report: &Report, now: MonoTime, noise: u64) {
        if self.window.total() == 0 && now.since(self.window_began) > STALE_WINDOW {
            self.window_began = now;
        }
        self.window.add(&report.samples);
        self.arrived += f64::from(report.arrived);
        self.refused += f64::from(report.refused.min(report.arrived));
        self.mix.add(&report.mix);
        self.callers.add(&report.callers);
        for ((history, rule), tally) in
            self.admission.iter_mut().zip(&settings.admission).zip(&report.tallies)
        {
            if tally.is_empty() {
                history.forget(rule, now);
            } else {
                history.add(rule, *tally, now);
            }
        }
        self.signal_sum += report.signals.0;
        self.signal_count += f64::from(report.signals.1);
        let allowed = f64::from(self.allowed(settings).max(1));
        self.load_sum += f64::from(report.in_flight.saturating_add(report.queued)) / allowed;
        self.load_count += 1.0;
        self.step(settings, now, noise);
        if now.since(self.looked) >= LOOK_EVERY {
            self.look(settings, now);
        }
    }

    /// Takes the limit's next step, if the window is complete.
    fn step(&mut self, settings: &Settings, now: MonoTime, noise: u64) {
        let complete =
            now.since(self.window_began) >= settings.window && self.window.total() >= settings.min_samples;
        if !complete {
            return;
        }
        if let Some(window) = Window::of(&self.window, settings.percentile) {
            self.limit = self.limit.step(&settings.limit, &window, noise);
        }
        self.window = Samples::default();
        self.window_began = now;
    }

    fn look(&mut self, settings: &Settings, now: MonoTime) {
        let looks = (now.since(self.looked).as_nanos() / LOOK_EVERY.as_nanos()).clamp(1, 100);
        self.looked = now;
        let refused = self.refused_share();
        let seen = if self.load_count > 0.0 { self.load_sum / self.load_count } else { 0.0 };
        (self.load_sum, self.load_count) = (0.0, 0.0);
        self.load += (1.0 - FADE) * (seen / (1.0 - refused).max(0.01) - self.load);
        let over = if self.signal_count > 0.0 { self.signal_sum / self.signal_count } else { 0.0 };
        (self.signal_sum, self.signal_count) = (0.0, 0.0);
        let change = if over > 0.0 { over * SIGNAL_GAIN } else { -SIGNAL_RELEASE * looks as f64 };
        self.signal_excess = (self.signal_excess + change).clamp(0.0, SIGNAL_MOST);
        // An upstream that says it is overloaded is, whatever the limit is.
        let load = if self.signal_excess > 0.0 { self.load.max(settings.thresholds.high) } else { self.load };
        self.level = self.level.look(&settings.thresholds, load, now);
        if seen < ROOM {
            // What was refused lately is no reason to refuse more.
            self.refused /= 2.0;
        }
        for _ in 0..looks {
            self.arrived *= FADE;
            self.refused *= FADE;
            self.mix.fade();
            self.callers.fade();
        }
    }

    /// Reads a board; one that cannot be read, or is of other settings, begins anew.
    pub fn read(bytes: Option<&[u8]>, settings: &Settings, now: MonoTime) -> Self {
        let board = bytes.and_then(Self::decode).filter(|board| {
            board.mix.classes() == settings.classes && board.admission.len() == settings.admission.len()
        });
        board.unwrap_or_else(|| Self::new(settings, now))
    }

    /// The board as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(512);
        writer.u8(VERSION);
        self.limit.encode(&mut writer);
        self.window.encode(&mut writer);
        writer.u64(self.window_began.as_nanos());
        writer.u64(self.looked.as_nanos());
        for number in self.numbers() {
            writer.u64(number.to_bits());
        }
        self.level.encode(&mut writer);
        self.mix.encode(&mut writer);
        self.callers.encode(&mut writer);
        writer.u8(u8::try_from(self.admission.len()).unwrap_or(u8::MAX));
        self.admission.iter().for_each(|history| history.encode(&mut writer));
        writer.finish()
    }

    const fn numbers(&self) -> [f64; 8] {
        let Self {
            arrived,
            refused,
            load_sum,
            load_count,
            load,
            signal_sum,
            signal_count,
            signal_excess,
            ..
        } = self;
        [*arrived, *refused, *load_sum, *load_count, *load, *signal_sum, *signal_count, *signal_excess]
    }

    /// The board in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let limit = Limit::decode(&mut reader)?;
        let window = Samples::decode(&mut reader)?;
        let (window_began, looked) = (time(&mut reader)?, time(&mut reader)?);
        let mut numbers = [0.0; 8];
        for number in &mut numbers {
            *number = f64::from_bits(reader.u64()?);
            if !number.is_finite() || *number < 0.0 {
                return None;
            }
        }
        let [arrived, refused, load_sum, load_count, load, signal_sum, signal_count, signal_excess] = numbers;
        let level = Level::decode(&mut reader)?;
        let mix = Mix::decode(&mut reader)?;
        let callers = Sketch::decode(&mut reader)?;
        let rules = reader.u8()?;
        let admission = (0..rules).map(|_| History::decode(&mut reader)).collect::<Option<Vec<_>>>()?;
        reader.end(Self {
            limit,
            window,
            window_began,
            looked,
            arrived,
            refused,
            load_sum,
            load_count,
            load,
            signal_sum,
            signal_count,
            signal_excess,
            level,
            mix,
            callers,
            admission,
        })
    }
}

fn time(reader: &mut Reader<'_>) -> Option<MonoTime> {
    reader.u64().map(MonoTime::from_nanos)
}

/// The conversation that adds a report and learns what all know.
pub type Merge<K> = Rewrite<K, Merging>;

/// One report on its way to the board.
#[derive(Clone, Debug)]
pub struct Merging {
    /// The configuration.
    pub settings: std::rc::Rc<Settings>,
    /// What was seen.
    pub report: Report,
    /// When.
    pub now: MonoTime,
    /// Random bits.
    pub noise: u64,
}

impl Edit for Merging {
    type Output = Board;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Board> {
        let mut board = Board::read(old, &self.settings, self.now);
        let idle = self.report.is_empty() && self.now.since(board.looked) < LOOK_EVERY;
        if idle && old.is_some() {
            return Edited::Keep(board);
        }
        board.add(&self.settings, &self.report, self.now, self.noise);
        Edited::Replace(board.encode(), board)
    }
}

#[cfg(test)]
mod tests;
