//! The shared list of workers whose requests wait.

use crate::time::MonoTime;
use crate::vms::{Member, SLOTS, View};
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;
const MOST: usize = 255;

/// Which workers have requests that wait for one permit, and since when the longest of each waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Waiters(Vec<(Member, MonoTime)>);

impl Waiters {
    /// Reads a list; what cannot be read is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }

    /// The list in these bytes, if it is one: in order, nobody twice.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let length = reader.u8()?;
        let mut waiters: Vec<(Member, MonoTime)> = Vec::with_capacity(usize::from(length));
        for _ in 0..length {
            let member = Member { slot: reader.u8()?, epoch: reader.u32()? };
            let in_order = waiters.last().is_none_or(|(last, _)| *last < member);
            if member.slot >= SLOTS || !in_order {
                return None;
            }
            waiters.push((member, MonoTime::from_nanos(reader.u64()?)));
        }
        reader.end(Self(waiters))
    }

    /// The list as bytes: two, and thirteen for each.
    pub fn encode(&self) -> Vec<u8> {
        let listed = self.0.get(..MOST).unwrap_or(&self.0);
        let mut writer = Writer::with_capacity(2 + 13 * listed.len());
        writer.u8(VERSION);
        writer.u8(u8::try_from(listed.len()).unwrap_or(u8::MAX));
        for (member, since) in listed {
            writer.u8(member.slot);
            writer.u32(member.epoch);
            writer.u64(since.as_nanos());
        }
        writer.finish()
    }

    /// Since when the head of `me`'s line waits, according to the list.
    pub fn since(&self, me: Member) -> Option<MonoTime> {
        self.0.iter().find(|(member, _)| *member == me).map(|(_, since)| *since)
    }

    /// Lists `me` with this time, or no more; drops the gone. Whether that put `me` on the list.
    pub(super) fn set(&mut self, me: Member, since: Option<MonoTime>, view: &View) -> bool {
        let was_listed = self.since(me).is_some();
        self.0.retain(|(member, _)| *member != me && !view.is_gone(*member));
        if let Some(since) = since {
            let at = self.0.partition_point(|(member, _)| *member < me);
            self.0.insert(at, (me, since));
        }
        since.is_some() && !was_listed
    }

    /// Who has waited longest, of those that are not gone and not in `except`.
    pub fn longest(&self, view: &View, except: &[Member]) -> Option<Member> {
        let able = self.0.iter().filter(|(member, _)| !view.is_gone(*member) && !except.contains(member));
        able.min_by_key(|(_, since)| *since).map(|(member, _)| *member)
    }
}
