//! Wake-ups that may be lost with their receivers.

use crate::few::sort_few;
use crate::time::MonoTime;
use crate::vec_map::VecMap;
use crate::vms::{BEAT_EVERY, DEAD_AFTER, Member, View};

/// The wake-ups a worker sent lately. `P` tells the permits apart.
///
/// A wake-up is safe once its receiver has been seen to live after it was sent, which a member that is silent for
/// longer than [`DEAD_AFTER`] is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sent<P>(VecMap<(Member, P), MonoTime>);

impl<P> Default for Sent<P> {
    fn default() -> Self {
        Self(VecMap::new())
    }
}

impl<P: Ord + Clone> Sent<P> {
    /// A wake-up for `permit` was sent to `member`.
    pub fn sent(&mut self, member: Member, permit: P, now: MonoTime) {
        self.0.insert((member, permit), now);
    }

    /// After each refresh: the permits whose wake-ups were lost with members that are gone. They must be settled
    /// because of [`SomebodyGone`](super::Because::SomebodyGone). Forgets them, and what is safe by now.
    #[must_use = "these permits must be settled"]
    pub fn lost(&mut self, view: &View, now: MonoTime) -> Vec<P> {
        let mut lost: Vec<P> = self
            .0
            .keys()
            .filter(|(member, _)| view.is_gone(*member))
            .map(|(_, permit)| permit.clone())
            .collect();
        sort_few(&mut lost);
        lost.dedup();
        self.0.retain(|(member, _), sent| {
            !view.is_gone(*member) && now.since(*sent) <= DEAD_AFTER + BEAT_EVERY
        });
        lost
    }
}
