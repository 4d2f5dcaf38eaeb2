//! Emptying the process before it ends.
//!
//! # Why
//!
//! A process that is stopped amid its work fails the requests it holds. So first nobody new is sent here (readiness
//! fails), then nobody new is let in, then what is inside finishes, and only then may the process end: `finished` is
//! what a stop hook waits for.
//!
//! # How
//!
//! One shared value says which drain there is and how far it is; who holds a lease moves it on, tick by tick, by
//! [`Drain::step`]. Each worker refuses new work from the moment it knows, and reports in a value of its own how many
//! requests it still holds and which drain it knows: so "nothing is in flight" is only believed of workers that have
//! stopped taking any ([`Progress`]).
//!
//! # Limits
//!
//! Who is a worker is known from a view that lags, so a drain takes at least [`SETTLES_IN`] even where nothing is left.
//! A worker that is declared dead holds nothing any more. What is left when all time is up is named and abandoned, not
//! ended: that is the process's end.

mod record;
mod report;

pub use record::{Advance, Begin, Cancel};
pub use report::{Progress, Report};

use crate::time::MonoTime;
use crate::vms::BEAT_EVERY;
use core::time::Duration;

/// Before this nobody believes that nothing is left: a worker that has just begun joins in its first tick, and whoever
/// looks may have looked around one beat before.
pub const SETTLES_IN: Duration = BEAT_EVERY.saturating_mul(2);

/// How far a drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// New work is refused; what is under way goes on.
    Draining,
    /// Connections are being closed.
    Closing,
    /// The process can end.
    Finished,
}

impl Phase {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Closing => "closing",
            Self::Finished => "finished",
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Patience {
    /// The draining.
    pub draining: Duration,
    /// The closing.
    pub closing: Duration,
    /// All of it. Then it has finished, whatever is left.
    pub force_after: Duration,
}

/// A drain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Drain {
    /// Its number: each drain of a process has another.
    pub number: u32,
    /// How far it is.
    pub phase: Phase,
    /// Since when it has been in this phase.
    pub since: MonoTime,
    /// When it began.
    pub begun: MonoTime,
    /// Who began it.
    pub by: String,
    /// Requests that were given up, once it has finished.
    pub abandoned: u64,
    /// It has finished because all time was up.
    pub forced: bool,
}

impl Drain {
    /// The drain one tick later, if that changes it. `connections`: how many are known to be open; `None`: that is not
    /// known, and not waited for.
    pub fn step(
        &self,
        progress: &Progress,
        connections: Option<u64>,
        patience: &Patience,
        now: MonoTime,
    ) -> Option<Self> {
        let in_phase = now.since(self.since);
        let is_empty = progress.is_empty() && now.since(self.begun) >= SETTLES_IN;
        let next = |phase| Some(Self { phase, since: now, ..self.clone() });
        if self.phase != Phase::Finished && now.since(self.begun) >= patience.force_after {
            return Some(Self {
                phase: Phase::Finished,
                since: now,
                abandoned: progress.in_flight,
                forced: true,
                ..self.clone()
            });
        }
        match self.phase {
            Phase::Draining if is_empty || in_phase >= patience.draining => next(Phase::Closing),
            Phase::Closing if is_empty && connections.unwrap_or(0) == 0 => next(Phase::Finished),
            Phase::Closing if in_phase >= patience.closing => Some(Self {
                phase: Phase::Finished,
                since: now,
                abandoned: progress.in_flight,
                ..self.clone()
            }),
            _ => None,
        }
    }

    /// Until when it is over at the latest.
    pub fn over_by(&self, patience: &Patience) -> MonoTime {
        let closing = match self.phase {
            Phase::Draining => self.since.after(patience.draining).after(patience.closing),
            Phase::Closing => self.since.after(patience.closing),
            Phase::Finished => self.since,
        };
        closing.min(self.begun.after(patience.force_after))
    }
}

#[cfg(test)]
mod tests;
