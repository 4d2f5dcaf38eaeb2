//! Permits: at most so many at once, over all workers, and none lost for ever.
//!
//! # Why
//!
//! A number in flight cannot be a plain counter: a VM that crashes never takes its share back, and the limit would
//! shrink with every crash. So the shared value says *who* holds how many, and what the gone hold does not count.
//!
//! # How
//!
//! [`Holders`] is the value of one counter: pure transitions, for who keeps it inside something larger. [`Acquire`],
//! [`Release`] and [`Readopt`] are the conversations over a shared value that is one counter. Acquiring first drops
//! the shares of members that the [`View`] knows to be gone; since that is an agreed fact, nobody's share is dropped
//! while it still counts for others.
//!
//! # Limits
//!
//! A member that was declared dead while it was only stalled holds permits that no longer count: until they are given
//! back, more are in flight than allowed. When it joins again it adds what it holds by [`Readopt`], which says how far
//! over the limit that is. An acquirer's own share is never dropped by itself.

use crate::rewrite::{Edit, Edited, Rewrite};
use crate::vms::{Member, SLOTS, View};
use crate::wire::{Reader, Writer};
use std::rc::Rc;

const VERSION: u8 = 1;

/// How many members one counter can list: the living, at most [`SLOTS`], and gone ones until the next acquire.
pub const MAX_HOLDERS: usize = 255;

/// Who holds how many permits of one counter. An empty one equals a fresh one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holders(Vec<(Member, u32)>);

/// All permits are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("all permits are taken: {in_flight} in flight")]
pub struct Full {
    /// How many are held, by members that are not known to be gone.
    pub in_flight: u32,
}

impl Holders {
    /// Takes one of `most` permits for `me`, after dropping what the gone held.
    ///
    /// # Errors
    ///
    /// [`Full`] if `most` or more are in flight. The gone are dropped all the same.
    pub fn acquire(&mut self, me: Member, most: u32, view: &View) -> Result<(), Full> {
        self.prune(me, view);
        let in_flight = self.in_flight();
        let listed = self.held_by(me) > 0;
        if in_flight >= most || (!listed && self.0.len() >= MAX_HOLDERS) {
            return Err(Full { in_flight });
        }
        self.add(me, 1);
        Ok(())
    }

    /// Gives one permit of `me` back. `false`: none is left, because others saw `me` die.
    pub fn release(&mut self, me: Member) -> bool {
        let Some(share) = self.0.iter_mut().find(|(member, _)| *member == me) else { return false };
        share.1 = share.1.saturating_sub(1);
        self.0.retain(|(_, count)| *count > 0);
        true
    }

    /// Adds what a member still holds that was declared dead and has joined again as `me`: `held` permits, whether
    /// there is room or not. Returns how many are in flight now.
    pub fn readopt(&mut self, before: Member, me: Member, held: u32, view: &View) -> u32 {
        self.0.retain(|(member, _)| *member != before);
        self.prune(me, view);
        self.add(me, held);
        self.in_flight()
    }

    /// How many permits are held, the shares of the gone included until they are dropped.
    pub fn in_flight(&self) -> u32 {
        self.0.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// How many a member holds.
    pub fn held_by(&self, member: Member) -> u32 {
        self.0.iter().find(|(holder, _)| *holder == member).map_or(0, |(_, count)| *count)
    }

    /// Whether nobody holds any.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops the shares of the gone, except that of `me`.
    pub fn prune(&mut self, me: Member, view: &View) {
        self.0.retain(|(member, _)| *member == me || !view.is_gone(*member));
    }

    fn add(&mut self, me: Member, count: u32) {
        if count == 0 {
            return;
        }
        match self.0.binary_search_by_key(&me, |(member, _)| *member) {
            Ok(at) => {
                if let Some((_, held)) = self.0.get_mut(at) {
                    *held = held.saturating_add(count);
                }
            }
            Err(at) => self.0.insert(at, (me, count)),
        }
    }

    /// The holders in these bytes, if they are some: in order, nobody twice, nobody with none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let length = reader.u8()?;
        let mut holders: Vec<(Member, u32)> = Vec::with_capacity(usize::from(length));
        for _ in 0..length {
            let member = Member { slot: reader.u8()?, epoch: reader.u32()? };
            let count = reader.u32()?;
            let in_order = holders.last().is_none_or(|(last, _)| *last < member);
            if member.slot >= SLOTS || count == 0 || !in_order {
                return None;
            }
            holders.push((member, count));
        }
        reader.end(Self(holders))
    }

    /// The holders as bytes: two, and nine for each.
    pub fn encode(&self) -> Vec<u8> {
        let listed = self.0.get(..MAX_HOLDERS).unwrap_or(&self.0);
        let mut writer = Writer::with_capacity(2 + 9 * listed.len());
        writer.u8(VERSION);
        writer.u8(u8::try_from(listed.len()).unwrap_or(u8::MAX));
        for (member, count) in listed {
            writer.u8(member.slot);
            writer.u32(member.epoch);
            writer.u32(*count);
        }
        writer.finish()
    }

    fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }
}

/// The conversation that takes one permit; ends with how many are in flight with it.
pub type Acquire<K> = Rewrite<K, Acquiring>;

/// The conversation that gives one permit back; ends with whether there was one.
pub type Release<K> = Rewrite<K, Releasing>;

/// The conversation that adds what is still held after joining again; ends with how many are over the limit.
pub type Readopt<K> = Rewrite<K, Readopting>;

/// Takes one permit. See [`Acquire`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acquiring {
    /// Who acquires.
    pub me: Member,
    /// How many permits there are.
    pub most: u32,
    /// Who is gone.
    pub view: Rc<View>,
}

impl Edit for Acquiring {
    type Output = Result<u32, Full>;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Self::Output> {
        let mut holders = Holders::read(old);
        match holders.acquire(self.me, self.most, &self.view) {
            Ok(()) => Edited::Replace(holders.encode(), Ok(holders.in_flight())),
            Err(full) => Edited::Keep(Err(full)),
        }
    }
}

/// Gives one permit back. See [`Release`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Releasing {
    /// Who releases: the identity that acquired.
    pub me: Member,
}

impl Edit for Releasing {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        let mut holders = Holders::read(old);
        if holders.release(self.me) { Edited::Replace(holders.encode(), true) } else { Edited::Keep(false) }
    }
}

/// Adds what is still held after joining again. See [`Readopt`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Readopting {
    /// The identity that was declared dead.
    pub before: Member,
    /// The new identity.
    pub me: Member,
    /// How many permits are still held.
    pub held: u32,
    /// How many permits there are.
    pub most: u32,
    /// Who is gone.
    pub view: Rc<View>,
}

impl Edit for Readopting {
    type Output = u32;

    fn edit(&self, old: Option<&[u8]>) -> Edited<u32> {
        let before = Holders::read(old);
        let mut holders = before.clone();
        let over = holders.readopt(self.before, self.me, self.held, &self.view).saturating_sub(self.most);
        if holders == before { Edited::Keep(over) } else { Edited::Replace(holders.encode(), over) }
    }
}

#[cfg(test)]
mod tests;
