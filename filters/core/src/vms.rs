//! The registry: who takes part, and who is gone.
//!
//! # Why
//!
//! Permits, leases and messages belong to somebody. A crashed VM says no farewell, and whether it is gone must be
//! *one agreed fact*: if every worker judged by its own clock, one would give a permit away that another still counts.
//!
//! # How
//!
//! There are [`SLOTS`] numbered slots per filter and namespace, each one shared value: an epoch, a state and the time
//! of the last heartbeat. A root context [`Join`]s by claiming the first slot nobody holds, by compare-and-swap. Every
//! claim, leave and declaration of death raises the slot's epoch, so a [`Member`] (slot and epoch) names one root
//! context for ever. It [`Beat`]s every [`BEAT_EVERY`]; a slot without a heartbeat for [`DEAD_AFTER`] is declared dead
//! by whoever sees it first in a [`Refresh`], and its owner learns from its next beat that it must join again, under a
//! new identity, and add again what it holds. The [`View`] a refresh returns answers from memory who is gone.
//!
//! Slots are claimed in order and their keys are never deleted, so a missing key ends every scan.
//!
//! # Limits
//!
//! One identity is one root context, not one VM: a VM can hold several, and a reload makes new ones while the old
//! drain. An owner that was stalled for longer than [`DEAD_AFTER`] works on under its old identity until its next
//! beat: what it takes in that time others do not count. A slot whose bytes cannot be read starts again at epoch one.

mod join;
mod keep;
mod slot;
mod view;

pub use join::{Join, JoinError};
pub use keep::{Beat, Leave, Pulse};
pub use slot::{Slot, SlotKey, SlotState};
pub use view::{Refresh, Refreshed, View};

use core::time::Duration;

/// How many slots there are for one filter and namespace.
pub const SLOTS: u8 = 64;

/// How often a member writes its heartbeat.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);

/// How long a member may be silent before it is declared dead: ten beats, so that a stalled worker rarely is.
pub const DEAD_AFTER: Duration = Duration::from_secs(10);

/// The identity of one root context: a slot, and the epoch in which it holds it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The number of the slot, below [`SLOTS`].
    pub slot: u8,
    /// The epoch of the slot that began with the claim.
    pub epoch: u32,
}

#[cfg(test)]
mod tests;
