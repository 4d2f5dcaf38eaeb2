//! One fetch for many: who waits, who is told, and what happens when nobody is.

use crate::ResponseCache;
use crate::stream::Lead;
use ballast_core::response_cache::store::{
    Finished, Key, Leadership, Outcome, PULSE_EVERY, Parked, Pulse, Waiter, Why,
};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_host::{Cx, Host};
use core::time::Duration;

/// Why a request that waits is woken: its number in [`Cx::wake`].
pub(crate) const LOOK_AGAIN: u32 = 0;
/// Its flight's leader seems dead.
pub(crate) const SEEMS_DEAD: u32 = 1;
/// It has waited for long enough.
pub(crate) const TIMED_OUT: u32 = 2;

/// How often a flight of another worker is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Nothing was heard of a flight for so long: the word may have been lost.
const LOST_AFTER: Duration = Duration::from_secs(2);
/// How long a worker may take to hear that a flight is over. It looks by itself anyway.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

impl ResponseCache {
    /// A number for a request that is about to wait.
    pub(crate) fn next_waiting(&mut self) -> u32 {
        self.waited = self.waited.wrapping_add(1);
        self.waited
    }

    /// A fetch is over without an answer that is stored.
    pub(crate) fn end_flight<H: Host>(&mut self, lead: &mut Lead, outcome: Outcome, cx: &mut Cx<'_, H>) {
        self.end_duty(lead, outcome, cx);
        let Some(leadership) = lead.leadership.take() else { return };
        match cx.run(&mut leadership.finish(outcome, cx.host.now())) {
            Ok(finished) => self.land(leadership, finished, cx),
            Err(_) => {
                // Those who wait find out by themselves.
                self.storage.metrics.errors.add(cx.host, 1);
                self.land(leadership, Finished::default(), cx);
            }
        }
    }

    /// A flight of this worker is over: whoever waits for it goes on.
    pub(crate) fn land<H: Host>(&mut self, leadership: Leadership, finished: Finished, cx: &mut Cx<'_, H>) {
        self.flights.landed(&leadership);
        self.wake(leadership.key, LOOK_AGAIN, cx);
        let me = cx.member();
        if finished.slots().any(|slot| me.is_none_or(|me| me.slot != slot)) {
            cx.broadcast(leadership.key.0.to_le_bytes().to_vec(), HEARD_WITHIN);
        }
    }

    /// Another worker has said that a flight is over.
    pub(crate) fn heard<H: Host>(&mut self, payload: &[u8], cx: &mut Cx<'_, H>) {
        if let Ok(bytes) = <[u8; 16]>::try_from(payload) {
            self.wake(Fingerprint(u128::from_le_bytes(bytes)), LOOK_AGAIN, cx);
        }
    }

    fn wake<H: Host>(&mut self, wanted: Fingerprint, why: u32, cx: &mut Cx<'_, H>) {
        if let Some((waiter, parked)) = self.flights.wake(wanted) {
            self.wake_all(&parked, Some(waiter), why, cx);
        }
    }

    fn wake_all<H: Host>(&mut self, parked: &[Parked], waiter: Option<Waiter>, why: u32, cx: &mut Cx<'_, H>) {
        for parked in parked {
            if let Some(waiting) = self.waiting.get_mut(&parked.stream) {
                cx.wake(waiting.stream, why);
                waiting.woken_by = waiter.or(waiting.woken_by);
            }
        }
    }

    /// A request waits no more.
    pub(crate) fn waits_no_more(&mut self, number: u32) -> Option<Waiter> {
        self.flights.leave(number);
        self.waiting.remove(&number)?.woken_by
    }

    /// Says that this worker lives while it leads, and looks after those that wait.
    pub(crate) fn tend_flights<H: Host>(&mut self, now: MonoTime, cx: &mut Cx<'_, H>) {
        let Some(me) = cx.member() else { return };
        if self.flights.leads() && now.since(self.last_pulse) >= PULSE_EVERY {
            self.last_pulse = now;
            // Without it others take over, which costs a fetch.
            let _ = cx.run(&mut Pulse::beat(me, now));
        }
        let over = self.flights.timed_out(now);
        self.wake_all(&over, None, TIMED_OUT, cx);
        let view = cx.view().clone();
        for (waiter, since, why) in self.flights.suspects(&view, now, LOOK_EVERY) {
            let is_dead = match why {
                Why::LeaderGone => true,
                Why::Silent if waiter.leader == me => false,
                Why::Silent => {
                    let key = cx.scope().key(Key::Pulse(waiter.leader.slot));
                    let value = cx.host.shared(&key).ok().and_then(|shared| shared.value);
                    Pulse::is_dead(value.as_deref(), waiter.leader, since, now)
                }
            };
            // Who looks again finds out, too, if the word that it is over was lost.
            if is_dead {
                self.wake(waiter.key, SEEMS_DEAD, cx);
            } else if now.since(since) >= LOST_AFTER {
                self.wake(waiter.key, LOOK_AGAIN, cx);
            }
        }
    }
}
