//! Token bucket, as GCRA: the state says when the bucket will be full again.
//!
//! # How
//!
//! Think of a **time line** on which every token that was taken out of the bucket is a stretch of `T` nanoseconds,
//! `T` being the time in which one token flows in. The first stretch begins at the present, each charge is
//! appended to the end, and when the present has passed over a stretch, its token has flowed back. The line may
//! reach `burst * T` into the future: a charge that would make it longer is refused. `T` is rounded up to whole
//! nanoseconds once, so exactly `burst` pass at once and the rate is never exceeded; it is missed by less than a
//! billionth per request in a second (0.001% at 10,000/s).
//!
//! # What is held
//!
//! Two things need tokens that are out of the bucket and not used up: a charge that may be refunded at the end of
//! its request, and tokens that a worker has taken in advance. They cannot be put back as a number: had they
//! stayed in the bucket, it might have been full meanwhile and have overflowed. Nor may the end of the line simply
//! be moved back when one is returned: whoever holds a stretch behind it would then outlive the line, and share
//! its place with the next charge.
//!
//! So whoever holds tokens holds a [`Stretch`] of the line; what the present has passed over has melted. What is
//! returned at the end of the line shortens it. What is returned from its middle stays where it is as the line's
//! *returned* stretch, and is taken first by the next charge. Several are kept as one, by pushing the later down
//! to the end of the earlier.
//!
//! # Why that is exact
//!
//! Say a stretch is *covered* by a part of the line if at any later time at most as much of it is left as of the
//! part. Claim: everything held or returned is covered by parts of the line that do not overlap, and nothing
//! covers what is used up. Appending gives the new charge a new part. Splitting a stretch splits its part: the
//! rest gets the last nanoseconds of it. Joining two unites their parts: the joined one begins to melt no later
//! than the first of them and never slower than time passes, while of two parts that do not overlap only one melts
//! at a time. And a stretch that ends where the line ends is covered only if its very place is its own, so the
//! line can be cut there. Hence what is in the bucket, plus all that is held and returned and not yet melted, is
//! never more than `burst`; it grows no faster than the rate, and every token that is used up takes one away. So
//! in any span of time `t` at most `burst + rate * t` are used up, whoever took, returned or spent what and in
//! which order.
//!
//! # Limits
//!
//! Joining errs on the strict side: a token that is returned from the middle of the line can melt earlier than it
//! would have, by at most what flows into the bucket in the meantime. A state that no bucket of this configuration
//! can have (bytes from nowhere, a much larger burst before a reload) counts as absent.

mod stretch;

pub use stretch::Stretch;

use super::snapshot::Level;
use super::{Outcome, Refusal, STALL};
use crate::slots::Entry;
use crate::time::{MonoTime, nanos};
use crate::units::Share;
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// The longest that a bucket may take to fill: 146 years.
const LONGEST_NANOS: u64 = u64::MAX / 4;

/// A bucket's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenBucket {
    interval_nanos: u64,
    burst: u64,
    /// How long the line may be: `burst` tokens, or more where the bucket is a tightened one.
    fills_in_nanos: u64,
}

/// The state of one client's bucket. An absent one is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// Where the line ends: when the bucket will be full (the theoretical arrival time of GCRA).
    end: MonoTime,
    /// What was returned from its middle.
    returned: Stretch,
    /// How long the bucket takes to fill that this is a line of, so that another configuration of it can tell.
    fills_in_nanos: u64,
}

impl Entry for Line {
    const KIND: u8 = 1;

    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.end.as_nanos());
        writer.u64(self.fills_in_nanos);
        writer.u64(self.returned.len_nanos());
        if !self.returned.is_empty() {
            writer.u64(self.returned.end_nanos());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (end, fills_in_nanos, len) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let mut returned = Stretch::EMPTY;
        if len > 0 {
            let returned_end = reader.u64()?;
            if returned_end > end || len > returned_end {
                return None;
            }
            returned = Stretch::before(returned_end, len);
        }
        (fills_in_nanos > 0).then_some(Self { end: MonoTime::from_nanos(end), returned, fills_in_nanos })
    }

    fn fresh_at(&self) -> MonoTime {
        self.end
    }
}

impl Line {
    /// What is used up, as it outlives the process.
    pub(super) fn level(&self, now: MonoTime) -> Level {
        // What was returned is not used up.
        let returned = Duration::from_nanos(self.returned.after(now).len_nanos());
        let full_in = self.end.since(now).saturating_sub(returned);
        Level::TokenBucket { full_in_ns: nanos(full_in), fills_in_ns: self.fills_in_nanos }
    }

    /// The line that says so now, if it is one of a bucket.
    pub(super) fn restored(level: &Level, age: Duration, now: MonoTime) -> Option<Self> {
        let Level::TokenBucket { full_in_ns, fills_in_ns } = *level else { return None };
        let left = Duration::from_nanos(full_in_ns.min(fills_in_ns)).saturating_sub(age);
        let (end, returned) = (now.after(left), Stretch::EMPTY);
        (fills_in_ns > 0).then_some(Self { end, returned, fills_in_nanos: fills_in_ns })
    }
}

/// How much to take in advance beside what a request costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Advance {
    /// At most so many tokens.
    pub most: u64,
    /// And at most one of so many that are there; zero: none.
    pub one_of: u64,
}

impl TokenBucket {
    /// `count` requests per `per`, `burst` at once; `None` if one of them is zero or the bucket takes longer than
    /// 146 years to fill.
    pub fn new(count: u64, per: Duration, burst: u64) -> Option<Self> {
        let per = nanos(per);
        let interval_nanos = (count > 0).then(|| per.div_ceil(count))?;
        let fills_in_nanos = interval_nanos.checked_mul(burst)?;
        let fits = fills_in_nanos <= LONGEST_NANOS;
        (interval_nanos > 0 && burst > 0 && fits).then_some(Self { interval_nanos, burst, fills_in_nanos })
    }

    /// The bucket of which only this share may be used; a request of `least` tokens can still pass.
    ///
    /// Rate and burst shrink alike, so the line stays as long as it is and a token takes more of it. So states and stretches
    /// mean the same to both: whoever has used up half of the one has used up half of the other, whichever way it changes and
    /// whichever of them a worker goes by. Only where the share of the burst is less than `least` the line becomes longer.
    #[must_use]
    pub fn tightened(&self, share: Share, least: u64) -> Self {
        let least = least.max(1);
        let longest = (LONGEST_NANOS / least).max(self.interval_nanos);
        let interval_nanos = share.whole_of(self.interval_nanos).unwrap_or(u64::MAX).min(longest);
        let burst = (self.fills_in_nanos / interval_nanos.max(1)).max(least).min(self.burst);
        let fills_in_nanos = interval_nanos.saturating_mul(burst).max(self.fills_in_nanos);
        Self { interval_nanos, burst, fills_in_nanos }
    }

    /// The most that passes at once.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// How long an empty bucket takes to fill.
    pub const fn fills_in(&self) -> Duration {
        Duration::from_nanos(self.fills_in_nanos)
    }

    /// How many tokens flow in during a span.
    pub fn flows_in(&self, span: Duration) -> u64 {
        nanos(span) / self.interval_nanos
    }

    /// Charges `cost` tokens, and up to `advance` more if they are there.
    pub fn charge(
        &self,
        state: Option<&Line>,
        cost: u64,
        advance: Advance,
        now: MonoTime,
    ) -> Outcome<Line, Stretch> {
        let mut line = self.at(state, now);
        let free_nanos = self.free_nanos(&line, now);
        let available = free_nanos / self.interval_nanos;
        if available < cost {
            let wait = (cost <= self.burst).then(|| self.wait(&line, cost, now));
            return Outcome::Refuse(Refusal { wait, remaining: available, reset: line.end.since(now) });
        }
        let extra = (available - cost).checked_div(advance.one_of).unwrap_or(0).min(advance.most);
        let taken = self.take(&mut line, self.span(cost.saturating_add(extra)), now);
        Outcome::Admit { state: line, charge: taken, remaining: available - cost, reset: line.end.since(now) }
    }

    /// How many tokens are in the bucket.
    pub fn available(&self, state: Option<&Line>, now: MonoTime) -> u64 {
        self.free_nanos(&self.at(state, now), now) / self.interval_nanos
    }

    /// Returns what is held, as far as it has not melted. `None`: nothing changes.
    pub fn refund(&self, state: Option<&Line>, held: Stretch, now: MonoTime) -> Option<Line> {
        let mut line = self.at(Some(state?), now);
        let Line { end, returned, .. } = line;
        let held = held.until(end.as_nanos()).after(now);
        if held.is_empty() {
            return None;
        }
        if !line.cut(held) {
            line.returned = returned.join(held, now);
        }
        let returned = line.returned;
        if line.cut(returned) {
            line.returned = Stretch::EMPTY;
        }
        // Only an entry that was evicted and began anew can have a returned stretch behind its end.
        line.returned = line.returned.until(line.end.as_nanos());
        Some(line)
    }

    /// How many whole tokens of what is held are left.
    pub fn left(&self, held: Stretch, now: MonoTime) -> u64 {
        held.after(now).len_nanos() / self.interval_nanos
    }

    /// Splits `tokens` off what is held. `None`: fewer are left, and nothing changes.
    pub fn split(&self, held: &mut Stretch, tokens: u64, now: MonoTime) -> Option<Stretch> {
        let left = held.after(now);
        let nanos = self.span(tokens);
        if left.len_nanos() < nanos {
            return None;
        }
        *held = left;
        Some(held.take_first(nanos))
    }

    /// Takes what was returned first, and appends the rest to the line.
    fn take(&self, line: &mut Line, nanos: u64, now: MonoTime) -> Stretch {
        let again = line.returned.take_first(nanos);
        let new = nanos.saturating_sub(again.len_nanos());
        if new == 0 {
            return again;
        }
        line.end = line.end.after(Duration::from_nanos(new));
        again.join(Stretch::before(line.end.as_nanos(), new), now)
    }

    fn free_nanos(&self, line: &Line, now: MonoTime) -> u64 {
        let room = self.fills_in_nanos.saturating_sub(nanos(line.end.since(now)));
        room.saturating_add(line.returned.len_nanos())
    }

    /// Until `cost` tokens are there. While something returned melts as fast as tokens flow in, nothing is gained.
    fn wait(&self, line: &Line, cost: u64, now: MonoTime) -> Duration {
        let full = self.span(cost).saturating_add(nanos(line.end.since(now)));
        let missing = full.saturating_sub(self.fills_in_nanos.saturating_add(line.returned.len_nanos()));
        let lasts = line.returned.end_nanos().saturating_sub(now.as_nanos());
        let before_it_melts = lasts.saturating_sub(line.returned.len_nanos());
        let melts = if missing > before_it_melts { line.returned.len_nanos() } else { 0 };
        Duration::from_nanos(missing.saturating_add(melts))
    }

    /// The line at `now`, or an empty one if there is none that could be this bucket's.
    fn at(&self, state: Option<&Line>, now: MonoTime) -> Line {
        let fills_in_nanos = self.fills_in_nanos;
        match state {
            Some(line) if line.end > now && line.is_plausible(now) => {
                if line.fills_in_nanos == fills_in_nanos {
                    Line { returned: line.returned.after(now), ..*line }
                } else {
                    line.scaled_to(fills_in_nanos, now)
                }
            }
            _ => Line { end: now, returned: Stretch::EMPTY, fills_in_nanos },
        }
    }

    const fn span(&self, tokens: u64) -> u64 {
        self.interval_nanos.saturating_mul(tokens)
    }
}

impl Line {
    /// Whether a bucket that fills in the time this says could have a line that ends so late.
    fn is_plausible(&self, now: MonoTime) -> bool {
        self.end <= now.after(Duration::from_nanos(self.fills_in_nanos)).after(STALL)
    }

    /// The line of a bucket that fills in another time, with the same share of it used up. What was returned from the
    /// middle is given up: that errs on the strict side, once.
    fn scaled_to(&self, fills_in_nanos: u64, now: MonoTime) -> Self {
        let ahead = u128::from(nanos(self.end.since(now)));
        let scaled = (ahead * u128::from(fills_in_nanos)).div_ceil(u128::from(self.fills_in_nanos.max(1)));
        let ahead = Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX));
        Self { end: now.after(ahead), returned: Stretch::EMPTY, fills_in_nanos }
    }

    /// Shortens the line by a stretch that ends where it ends. `false`: it ends elsewhere.
    fn cut(&mut self, stretch: Stretch) -> bool {
        let last = !stretch.is_empty() && stretch.end_nanos() == self.end.as_nanos();
        if last {
            self.end = self.end.before(Duration::from_nanos(stretch.len_nanos()));
        }
        last
    }
}

#[cfg(test)]
mod tests;
