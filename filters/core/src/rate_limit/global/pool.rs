//! The tokens that one client's process holds, and who asks for more.

use super::super::fixed_window::FixedWindow;
use super::{Lease, Told};
use crate::slots::Entry;
use crate::time::{MonoTime, nanos};
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// Blocks of different age that are kept apart; of more, those that expire last are joined.
const MOST_BLOCKS: usize = 4;

/// A block is asked for ahead of need from this size on: who comes so often will come again.
const AHEAD_FROM: u32 = 8;

/// Of what is said to be left in a window, one of so many is asked for at the most, so that other proxies find some.
const ONE_OF: u32 = 4;

/// For how many times the age of a lease a quiet client's block size is remembered.
const REMEMBERED_AGES: u32 = 4;

/// What a service told of a limit, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Known {
    pub(super) limit: Option<FixedWindow>,
    pub(super) remaining: Option<u32>,
    pub(super) reset_at: Option<MonoTime>,
}

impl Known {
    /// What was told in an answer to what was asked at `sent`. Dated from then, a window never ends later than it does.
    pub(super) fn new(told: Told, sent: MonoTime) -> Self {
        let reset_at = told.reset.map(|reset| sent.after(reset));
        Self { limit: told.limit, remaining: told.remaining, reset_at }
    }

    pub(super) fn told(&self, now: MonoTime) -> Told {
        let reset = self.reset_at.map(|at| at.since(now));
        Told { limit: self.limit, remaining: self.remaining, reset }
    }
}

/// Why a client gets no tokens for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The service refuses.
    Exhausted,
    /// The service does not answer.
    Failing,
}

/// That a client gets no tokens for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shut {
    /// Why.
    pub why: Why,
    /// Requests that cost less may ask all the same.
    pub cost: u32,
    /// Until when.
    pub until: MonoTime,
}

impl Shut {
    /// Whether it is for a request that costs so much.
    pub fn holds(&self, cost: u32, now: MonoTime) -> bool {
        now < self.until && (self.why == Why::Failing || cost >= self.cost)
    }
}

/// Tokens that must be spent by the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Block {
    pub(super) tokens: u32,
    pub(super) expires: MonoTime,
}

/// A call that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asking {
    /// The slot of the worker that makes it.
    pub(super) by: u8,
    /// When nobody waits for it any longer.
    pub(super) until: MonoTime,
}

/// What the workers of a process share for one client of one limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Those that expire first come first.
    blocks: Vec<Block>,
    pub(super) asking: Option<Asking>,
    /// The slots of the workers that wait for the call, as bits.
    pub(super) waiting: u64,
    pub(super) shut: Option<Shut>,
    pub(super) known: Known,
    /// The size of the last block that was asked for; zero: none yet.
    size: u32,
    /// Whether tokens have expired since it was asked for.
    wasted: bool,
    /// When the size is forgotten.
    kept_until: MonoTime,
}

impl Pool {
    /// How many tokens are there.
    pub fn tokens(&self, now: MonoTime) -> u32 {
        let live = self.blocks.iter().filter(|block| now < block.expires);
        live.fold(0, |sum, block| block.tokens.saturating_add(sum))
    }

    /// Forgets what is over.
    pub(super) fn pass_to(&mut self, now: MonoTime) {
        let before = self.blocks.len();
        self.blocks.retain(|block| now < block.expires);
        self.wasted |= self.blocks.len() < before;
        self.asking = self.asking.filter(|asking| now < asking.until);
        self.shut = self.shut.filter(|shut| now < shut.until);
    }

    pub(super) fn use_it(&mut self, now: MonoTime, lease: &Lease) {
        self.kept_until = now.after(lease.max_age.saturating_mul(REMEMBERED_AGES));
    }

    pub(super) fn put(&mut self, block: Block) {
        if block.tokens == 0 {
            return;
        }
        let at = self.blocks.partition_point(|other| other.expires <= block.expires);
        match at.checked_sub(1).and_then(|at| self.blocks.get_mut(at)) {
            Some(same) if same.expires == block.expires => {
                same.tokens = same.tokens.saturating_add(block.tokens);
            }
            _ => self.blocks.insert(at, block),
        }
        if self.blocks.len() > MOST_BLOCKS
            && let Some(last) = self.blocks.pop()
            && let Some(before) = self.blocks.last_mut()
        {
            before.tokens = before.tokens.saturating_add(last.tokens);
        }
    }

    /// Takes `cost` tokens and, of those that expire first, some for the requests to come. `None`: there are too few.
    pub(super) fn take(&mut self, cost: u32, workers: u32, now: MonoTime) -> Option<Block> {
        let there = self.tokens(now);
        if there < cost {
            return None;
        }
        let first = self.blocks.first().map_or(0, |block| block.tokens);
        let ahead = (there / workers.saturating_mul(2).max(1)).min(first);
        let mut wanted = cost.max(ahead);
        let mut taken = Block { tokens: 0, expires: MonoTime::FAR_FUTURE };
        for block in &mut self.blocks {
            let part = block.tokens.min(wanted);
            if part > 0 {
                (block.tokens, wanted) = (block.tokens - part, wanted - part);
                taken = Block { tokens: taken.tokens + part, expires: taken.expires.min(block.expires) };
            }
        }
        self.blocks.retain(|block| block.tokens > 0);
        Some(taken)
    }

    /// Whether a block should be on its way before anybody needs it.
    pub(super) fn is_low(&self, now: MonoTime) -> bool {
        let used_up = self.known.remaining == Some(0) && self.known.reset_at.is_none_or(|at| now < at);
        self.size >= AHEAD_FROM && !used_up && self.tokens(now) < self.size / 2
    }

    /// How many tokens to ask for, of which one request needs `cost`.
    ///
    /// One for a client that comes once, then twice as many each time as long as all are spent; half as many if some
    /// were not. Near the end of what the service has, less.
    pub(super) fn next_block(&mut self, cost: u32, lease: &Lease, now: MonoTime) -> u32 {
        let wasted = core::mem::take(&mut self.wasted);
        let next = if wasted { self.size / 2 } else { self.size.saturating_mul(2) };
        self.size = next.clamp(1, lease.size);
        let in_window = self.known.reset_at.is_none_or(|at| now < at);
        let left = self.known.remaining.filter(|_| in_window).map(|left| left / ONE_OF);
        self.size.min(left.unwrap_or(u32::MAX)).max(cost)
    }

    /// The service has refused.
    pub(super) fn begin_small(&mut self) {
        (self.size, self.wasted) = (0, false);
    }
}

impl Entry for Pool {
    const KIND: u8 = 5;

    fn encode(&self, writer: &mut Writer) {
        writer.u8(u8::try_from(self.blocks.len()).unwrap_or(u8::MAX));
        for block in &self.blocks {
            writer.u32(block.tokens);
            writer.u64(block.expires.as_nanos());
        }
        writer.u8(self.asking.map_or(u8::MAX, |asking| asking.by));
        writer.u64(self.asking.map_or(0, |asking| asking.until.as_nanos()));
        writer.u64(self.waiting);
        writer.u8(self.shut.map_or(0, |shut| if shut.why == Why::Exhausted { 1 } else { 2 }));
        writer.u32(self.shut.map_or(0, |shut| shut.cost));
        writer.u64(self.shut.map_or(0, |shut| shut.until.as_nanos()));
        writer.u32(self.known.limit.map_or(0, |limit| limit.limit()));
        writer.u64(self.known.limit.map_or(0, |limit| nanos(limit.window())));
        // A number more than is told, so that none is zero.
        writer.u64(self.known.remaining.map_or(0, |left| u64::from(left) + 1));
        writer.u64(self.known.reset_at.map_or(0, MonoTime::as_nanos));
        writer.u32(self.size);
        writer.u8(self.wasted.into());
        writer.u64(self.kept_until.as_nanos());
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let time = |reader: &mut Reader<'_>| reader.u64().map(MonoTime::from_nanos);
        let count = usize::from(reader.u8()?);
        if count > MOST_BLOCKS {
            return None;
        }
        let mut blocks = Vec::with_capacity(count + 1);
        for _ in 0..count {
            blocks.push(Block { tokens: reader.u32()?, expires: time(reader)? });
        }
        let (by, until) = (reader.u8()?, time(reader)?);
        let asking = (by != u8::MAX).then_some(Asking { by, until });
        let waiting = reader.u64()?;
        let (why, cost, until) = (reader.u8()?, reader.u32()?, time(reader)?);
        let shut = match why {
            0 => None,
            1 => Some(Shut { why: Why::Exhausted, cost, until }),
            2 => Some(Shut { why: Why::Failing, cost, until }),
            _ => return None,
        };
        let limit = FixedWindow::new(reader.u32()?, Duration::from_nanos(reader.u64()?));
        let remaining = reader.u64()?.checked_sub(1).map(|left| u32::try_from(left).unwrap_or(u32::MAX));
        let reset_at = Some(time(reader)?).filter(|at| *at > MonoTime::ZERO);
        let (size, wasted, kept_until) = (reader.u32()?, reader.u8()? != 0, time(reader)?);
        let known = Known { limit, remaining, reset_at };
        Some(Self { blocks, asking, waiting, shut, known, size, wasted, kept_until })
    }

    fn fresh_at(&self) -> MonoTime {
        let blocks = self.blocks.last().map(|block| block.expires);
        let asking = self.asking.map(|asking| asking.until);
        let shut = self.shut.map(|shut| shut.until);
        [blocks, asking, shut].into_iter().flatten().fold(self.kept_until, MonoTime::max)
    }
}
