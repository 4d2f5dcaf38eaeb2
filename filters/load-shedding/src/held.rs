//! Requests that wait for room, and what becomes of them.

use crate::stream::{Phase, Stream};
use crate::{Half, Host, HostRandom, LoadShedding, MonoTime, Next, Reason, StreamId};
use ballast_core::load_shedding::worker::{Expelled, Turn};
use ballast_host::Cx;

/// What has become of a request that is held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decided {
    /// It is in flight since then, with so many.
    Entered(MonoTime, u32),
    /// It is refused.
    Refused(Reason),
}

impl LoadShedding {
    /// Does for a held request what was decided, if something was.
    pub(crate) fn settle<H: Host>(&mut self, stream: &mut Stream, cx: &Cx<'_, H>) -> Next {
        let decided = cx.stream_number().and_then(|number| self.decided.remove(&number));
        match decided {
            None => Next::Stay,
            Some(Decided::Entered(since, in_flight)) => {
                stream.phase = Phase::Entered { since, in_flight };
                self.metrics.admitted();
                Next::Resume(Half::Request)
            }
            Some(Decided::Refused(reason)) => {
                let class = self.config.class_name(stream.arrival.class).to_owned();
                Next::Reply(self.refuse(reason, &class, stream, cx))
            }
        }
    }

    /// Who has waited for too long goes, and who finds room goes on.
    pub(crate) fn look_at_line<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        if self.worker.waiting() == 0 {
            return;
        }
        let now = cx.host.now();
        for expelled in self.worker.expire(&self.counts.with(cx.host), now) {
            self.expel(expelled, cx);
        }
        self.admit_waiting(cx);
    }

    pub(crate) fn admit_waiting<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        if self.worker.waiting() == 0 {
            return;
        }
        let now = cx.host.now();
        for entered in self.worker.admit_waiting(&self.counts.with(cx.host), now) {
            self.metrics.waited(cx.host, entered.waited);
            self.decided.insert(entered.ticket, Decided::Entered(now, entered.in_flight));
            cx.wake(entered.ticket, 0);
        }
    }

    pub(crate) fn expel<H: Host>(&mut self, expelled: Expelled<StreamId>, cx: &mut Cx<'_, H>) {
        self.decided.insert(expelled.ticket, Decided::Refused(expelled.reason));
        cx.wake(expelled.ticket, 0);
    }

    /// A client has left that was held.
    pub(crate) fn abandon<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(number) = cx.stream_number() else { return };
        if !self.worker.abandon(number, &self.counts.with(cx.host))
            && let Some(Decided::Entered(..)) = self.decided.remove(&number)
        {
            // It had its place already, and was not told yet.
            self.release(cx);
        }
    }

    /// A request that was in flight has ended: somebody else may go on.
    pub(crate) fn release<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        match self.worker.release(&self.counts.with(cx.host), &mut HostRandom(cx.host)) {
            Turn::Nobody => {}
            Turn::Mine => self.admit_waiting(cx),
            Turn::Others => {
                let host = cx.host;
                let pick = |bound| ballast_core::random::Random::below(&mut HostRandom(host), bound);
                match self.counts.who_waits(cx, pick) {
                    Some(member) => cx.nudge(member),
                    None => self.admit_waiting(cx),
                }
            }
        }
    }
}
