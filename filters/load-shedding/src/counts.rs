//! The counts that all workers add to: gauges of the proxy, which are atomic.

use ballast_core::load_shedding::share::{correction, count};
use ballast_core::load_shedding::worker::Counters;
use ballast_core::vec_map::VecMap;
use ballast_core::vms::Member;
use ballast_host::{Cx, Gauge, Host, StartError};

/// A total and the counts of the slots that it is made of.
#[derive(Debug)]
pub(crate) struct Count {
    name: &'static str,
    total: Gauge,
    /// The gauge of the slot that is this root's.
    mine: Option<Gauge>,
    /// Two gauges for each slot, which its holders use in turn: who still believes that one is gone and takes back what it
    /// had does not touch what the next one has.
    slots: VecMap<(u8, u8), Gauge>,
}

impl Count {
    fn define<H: Host>(name: &'static str, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        Ok(Self { name, total: cx.gauge(name, &[])?, mine: None, slots: VecMap::new() })
    }

    /// The gauge of a member. The names are those of at most 64 slots.
    fn of<H: Host>(&mut self, member: Member, cx: &Cx<'_, H>) -> Option<Gauge> {
        let place = (member.slot, turn(member));
        if let Some(known) = self.slots.get(&place) {
            return Some(*known);
        }
        let (slot, turn) = (place.0.to_string(), place.1.to_string());
        let labels = [("slot", slot.as_str()), ("turn", turn.as_str())];
        let gauge = cx.gauge(&format!("{}_of_slot", self.name), &labels).ok()?;
        self.slots.insert(place, gauge);
        Some(gauge)
    }

    fn add(&self, host: &impl Host, change: i64) {
        self.total.add(host, change);
        if let Some(mine) = self.mine {
            mine.add(host, change);
        }
    }

    fn read(&self, host: &impl Host) -> u32 {
        count(self.total.value(host).unwrap_or(0))
    }

    /// Makes a member's count say `actual`, and the total with it.
    fn correct<H: Host>(&mut self, member: Member, actual: u32, cx: &Cx<'_, H>) {
        let Some(gauge) = self.of(member, cx) else { return };
        let change = correction(actual, gauge.value(cx.host).unwrap_or(0));
        gauge.add(cx.host, change);
        self.total.add(cx.host, change);
    }
}

/// Which of its slot's gauges a member uses: holders' epochs are two apart.
fn turn(member: Member) -> u8 {
    u8::try_from(member.epoch / 2 % 2).unwrap_or(0)
}

/// What is in flight, and what waits.
#[derive(Debug)]
pub(crate) struct Counts {
    in_flight: Count,
    queued: Count,
    me: Option<Member>,
}

impl Counts {
    pub(crate) fn define<H: Host>(cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let (in_flight, queued) = (Count::define("in_flight", cx)?, Count::define("queued", cx)?);
        Ok(Self { in_flight, queued, me: None })
    }

    /// How many are in flight and how many wait, over all workers.
    pub(crate) fn now(&self, host: &impl Host) -> (u32, u32) {
        (self.in_flight.read(host), self.queued.read(host))
    }

    /// These counts, for the length of a callback.
    pub(crate) const fn with<'a, H: Host>(&'a self, host: &'a H) -> With<'a, H> {
        With { counts: self, host }
    }

    /// Counts under this identity from now on: first everything that this root has.
    pub(crate) fn become_member<H: Host>(&mut self, held: u32, waiting: u32, cx: &mut Cx<'_, H>) {
        let me = cx.member();
        if me == self.me && me.is_some() {
            return;
        }
        let before = self.me.take();
        for (count, has) in [(&mut self.in_flight, held), (&mut self.queued, waiting)] {
            // What was counted under the old identity is no longer; without one it was counted in the total alone.
            match before {
                Some(before) => count.correct(before, 0, cx),
                None => count.total.add(cx.host, -i64::from(has)),
            }
            count.mine = None;
            match me {
                Some(me) => {
                    count.correct(me, has, cx);
                    count.mine = count.of(me, cx);
                }
                None => count.total.add(cx.host, i64::from(has)),
            }
        }
        self.me = me;
    }

    /// Makes the own counts say what this root has, and those of who held the slot before, who is gone, none.
    pub(crate) fn correct_mine<H: Host>(&mut self, held: u32, waiting: u32, cx: &Cx<'_, H>) {
        let Some(me) = self.me else { return };
        for (count, has) in [(&mut self.in_flight, held), (&mut self.queued, waiting)] {
            count.correct(me, has, cx);
            if let Some(epoch) = me.epoch.checked_sub(2) {
                count.correct(Member { epoch, ..me }, 0, cx);
            }
        }
    }

    /// Makes the counts of the last holders of slots that nobody holds say none. For one member at a time.
    pub(crate) fn correct_vacant<H: Host>(&mut self, cx: &Cx<'_, H>) {
        let view = cx.view().clone();
        for gone in view.last_holders() {
            self.in_flight.correct(gone, 0, cx);
            self.queued.correct(gone, 0, cx);
        }
    }

    /// Another member with streams that wait, more likely one with many. `pick` is a number below a bound.
    pub(crate) fn who_waits<H: Host>(
        &mut self,
        cx: &Cx<'_, H>,
        pick: impl FnOnce(u64) -> u64,
    ) -> Option<Member> {
        let view = cx.view().clone();
        let others: Vec<(Member, u64)> = view
            .members()
            .filter(|member| Some(*member) != self.me)
            .filter_map(|member| {
                let gauge = self.queued.of(member, cx)?;
                Some((member, u64::from(count(gauge.value(cx.host)?))))
            })
            .collect();
        let mut left = pick(others.iter().map(|(_, waiting)| waiting).sum());
        others.into_iter().find_map(|(member, waiting)| {
            if left < waiting {
                return Some(member);
            }
            left -= waiting;
            None
        })
    }
}

/// The counts with the proxy that keeps them.
pub(crate) struct With<'a, H: Host> {
    counts: &'a Counts,
    host: &'a H,
}

impl<H: Host> Counters for With<'_, H> {
    fn in_flight(&self) -> u32 {
        self.counts.in_flight.read(self.host)
    }

    fn add_in_flight(&self, change: i64) {
        self.counts.in_flight.add(self.host, change);
    }

    fn queued(&self) -> u32 {
        self.counts.queued.read(self.host)
    }

    fn add_queued(&self, change: i64) {
        self.counts.queued.add(self.host, change);
    }
}
