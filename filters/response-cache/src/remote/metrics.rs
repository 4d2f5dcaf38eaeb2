//! What is counted of the shared store.

use crate::metrics::Labelled;
use ballast_core::response_cache::fleet::Refused;
use ballast_host::{Counter, Cx, Host, StartError};

/// An answer was there.
pub(super) const HIT: &str = "hit";
/// None was.
pub(super) const MISS: &str = "miss";
/// The store did not answer, or with an error.
pub(super) const FAILED: &str = "failed";
/// It was not asked: it is down, or purges are not known.
pub(super) const SKIPPED: &str = "skipped";
/// It was written.
pub(super) const STORED: &str = "stored";
/// It is longer than `max_object`.
pub(super) const TOO_LARGE: &str = "too_large";
/// More waits to be written than there is room for.
pub(super) const DROPPED: &str = "dropped";
/// The lock was free.
pub(super) const TAKEN: &str = "taken";
/// Another proxy has it.
pub(super) const BUSY: &str = "busy";
/// Another proxy has had it for too long.
pub(super) const GAVE_UP: &str = "gave_up";
/// A purge of this process.
pub(super) const SENT: &str = "sent";
/// A purge of another process.
pub(super) const RECEIVED: &str = "received";
/// The log of purges could not be read.
pub(super) const DAMAGED: &str = "damaged";

/// The metrics of the shared store.
#[derive(Debug)]
pub(super) struct RemoteMetrics {
    pub(super) lookups: Labelled,
    /// Records that are not used, by why.
    pub(super) refused: Labelled,
    pub(super) fills: Labelled,
    pub(super) locks: Labelled,
    pub(super) purges: Labelled,
    /// How often the log of purges was read.
    pub(super) synced: Counter,
    /// Calls without an answer that can be understood.
    pub(super) failures: Counter,
}

impl RemoteMetrics {
    pub(super) fn define<H: Host>(cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let by = |metric: &str, label: &str, values: &[&'static str]| {
            Labelled::define(metric, &[], label, values, cx)
        };
        Ok(Self {
            lookups: by("remote_lookups", "result", &[HIT, MISS, FAILED, SKIPPED])?,
            refused: by("remote_refused", "reason", &Refused::ALL.map(Refused::as_str))?,
            fills: by("remote_fills", "result", &[STORED, FAILED, TOO_LARGE, DROPPED])?,
            locks: by("remote_locks", "result", &[TAKEN, BUSY, GAVE_UP])?,
            purges: by("remote_purges", "direction", &[SENT, RECEIVED, DAMAGED])?,
            synced: cx.counter("remote_synced", &[])?,
            failures: cx.counter("remote_failures", &[])?,
        })
    }
}
