//! Who is turned away at once when a part of the requests must go.
//!
//! # How
//!
//! The [board](super::board) says which share of the requests must go. By priority the least important classes go first, as many of
//! their requests as are needed and no more, by how the recent requests were spread over the classes: so a class is shed
//! in part. By fairness those go who have come more often than their share. Both together: the class says how
//! much of it must go, fairness says who.
//!
//! Who has come far less often than a fair share is favoured while the gate is open, too: what must go then goes from the queue,
//! and whether the gate is open changes from moment to moment where the load is near what there is room for.
//!
//! # Limits
//!
//! The gate leaves a part of the excess to the queue on purpose: what waits is at hand the moment there is room, and order
//! among those who wait is exact where the gate only has odds.

use super::Reason;
use super::fairness::Sketch;
use super::priority::Mix;
use super::queue::Standing;
use crate::random::Random;

/// So much may be refused at the limit before the gate has a part in it.
pub(super) const TOLERATED: f64 = 0.10;
/// So many times as often a caller could have come and still be within its share, while the gate is open.
const FAR_BELOW: f64 = 2.0;
/// How much of a count is chance: callers that came a few times are all alike.
const CHANCE: f64 = 4.0;

/// By what requests are told apart when some must go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// By class, and within a class by fairness.
    #[default]
    Adaptive,
    /// By class.
    Priority,
    /// By fairness.
    Fair,
    /// By chance.
    Random,
}

impl Strategy {
    /// Whether classes make a difference.
    pub const fn by_class(self) -> bool {
        matches!(self, Self::Adaptive | Self::Priority)
    }

    /// Whether callers make a difference.
    pub const fn by_caller(self) -> bool {
        matches!(self, Self::Adaptive | Self::Fair)
    }
}

/// The state of the gate for a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    strategy: Strategy,
    /// Which share of the requests must go, 0 to 1.
    excess: f64,
    /// Which share of each class must go.
    of_class: Vec<f64>,
    /// How often a caller of each class may have come.
    fair_share: Vec<f64>,
    /// How often a caller may come if as much must go as the queue alone takes care of.
    usual_share: f64,
    /// The upstream says so itself.
    by_signal: bool,
}

impl Gate {
    /// The gate when this share (0 to 1) of requests must go, which came like this.
    pub fn new(strategy: Strategy, excess: f64, mix: &Mix, callers: &Sketch) -> Self {
        let of_class = if strategy.by_class() { mix.shed(excess) } else { vec![excess; mix.classes()] };
        let fair_share = of_class.iter().map(|excess| {
            if strategy.by_caller() && *excess > 0.0 { callers.fair_share(*excess) } else { f64::INFINITY }
        });
        let usual_share = if strategy.by_caller() { callers.fair_share(TOLERATED) } else { f64::INFINITY };
        Self { strategy, excess, fair_share: fair_share.collect(), usual_share, of_class, by_signal: false }
    }

    /// The same, but it is the upstream that says so.
    #[must_use]
    pub fn by_signal(self) -> Self {
        Self { by_signal: true, ..self }
    }

    /// Whether nobody is turned away.
    pub fn is_open(&self) -> bool {
        self.excess <= 0.0
    }

    /// Where a request of this class stands whose caller has come so often, where that is known.
    pub fn standing(&self, class: u8, came: Option<u16>) -> Standing {
        let share = self.fair_share.get(usize::from(class)).copied().unwrap_or(f64::INFINITY);
        match came {
            Some(came) if share.is_finite() && f64::from(came) > share => Standing::OverShare,
            Some(_) if share.is_finite() => Standing::Favoured,
            Some(came) if self.is_quiet(came) => Standing::Favoured,
            _ => Standing::Normal,
        }
    }

    /// Whether a caller that came so often has come far less often than others, more than chance explains.
    fn is_quiet(&self, came: u16) -> bool {
        self.usual_share.is_finite() && f64::from(came) * FAR_BELOW + CHANCE <= self.usual_share
    }

    /// Why a request must go, if it must. `came`: how often its caller has come lately, where that is known.
    pub fn turns_away(&self, class: u8, came: Option<u16>, random: &mut impl Random) -> Option<Reason> {
        if self.is_open() {
            return None;
        }
        let of_class = self.of_class.get(usize::from(class)).copied().unwrap_or(self.excess);
        let (odds, reason) = match (came, self.strategy) {
            (Some(came), strategy) if strategy.by_caller() && of_class < 1.0 => {
                let share = self.fair_share.get(usize::from(class)).copied().unwrap_or(f64::INFINITY);
                let came = f64::from(came.max(1));
                (if came > share { 1.0 - share / came } else { 0.0 }, Reason::Fairness)
            }
            (_, strategy) if strategy.by_class() => (of_class, Reason::Priority),
            _ => (of_class, Reason::Limit),
        };
        let reason = if self.by_signal { Reason::Signal } else { reason };
        (odds > 0.0 && random.unit() < odds).then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Fixed, SplitMix};
    use crate::slots::Fingerprint;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// A tenth critical, half default, the rest sheddable.
    fn mix() -> Mix {
        let mut mix = Mix::new(4);
        for (class, count) in [(0, 100), (2, 500), (3, 400)] {
            (0..count).for_each(|_| mix.count(class));
        }
        mix
    }

    fn callers() -> Sketch {
        let mut sketch = Sketch::default();
        for (caller, count) in [(1, 50), (2, 50), (3, 300)] {
            (0..count).for_each(|_| sketch.count(Fingerprint(caller)));
        }
        sketch
    }

    /// How many of 10,000 requests are turned away, and why.
    fn turned_away(gate: &Gate, class: u8, came: Option<u16>) -> (i32, Option<Reason>) {
        let mut random = SplitMix::new(1);
        let reasons: Vec<Reason> =
            (0..10_000).filter_map(|_| gate.turns_away(class, came, &mut random)).collect();
        (i32::try_from(reasons.len()).unwrap(), reasons.first().copied())
    }

    #[test]
    fn each_strategy_turns_away_whom_it_is_meant_to() {
        use Reason::{Fairness, Limit, Priority};
        for (strategy, excess, class, came, expected, reason) in [
            (Strategy::Random, 0.5, 0, None, 5_000, Some(Limit)),
            (Strategy::Priority, 0.2, 3, Some(300), 5_000, Some(Priority)),
            (Strategy::Priority, 0.2, 2, Some(300), 0, None),
            (Strategy::Priority, 0.65, 3, None, 10_000, Some(Priority)),
            (Strategy::Priority, 0.65, 2, None, 5_000, Some(Priority)),
            (Strategy::Priority, 0.65, 0, None, 0, None),
            (Strategy::Priority, 0.95, 0, None, 5_000, Some(Priority)),
            (Strategy::Fair, 0.5, 3, Some(50), 0, None),
            // 200 of 400 must go, all of them the greedy one's: it keeps 100 of 300.
            (Strategy::Fair, 0.5, 0, Some(300), 6_667, Some(Fairness)),
            (Strategy::Fair, 0.5, 0, None, 5_000, Some(Limit)),
            // Half of the sheddable must go: the greedy one's.
            (Strategy::Adaptive, 0.2, 3, Some(300), 6_667, Some(Fairness)),
            (Strategy::Adaptive, 0.2, 3, Some(50), 0, None),
            (Strategy::Adaptive, 0.2, 2, Some(300), 0, None),
            (Strategy::Adaptive, 0.65, 3, Some(1), 10_000, Some(Priority)),
            (Strategy::Adaptive, 0.2, 3, None, 5_000, Some(Priority)),
        ] {
            let gate = Gate::new(strategy, excess, &mix(), &callers());
            let (count, why) = turned_away(&gate, class, came);
            assert!((count - expected).abs() < 200, "{strategy:?} {excess} {class} {came:?}: {count}");
            assert_eq!(why, reason, "{strategy:?} {excess} {class} {came:?}");
        }
    }

    #[test]
    fn a_caller_stands_where_its_share_puts_it() {
        let gate = Gate::new(Strategy::Fair, 0.5, &mix(), &callers());
        for (came, expected) in
            [(None, Standing::Normal), (Some(99), Standing::Favoured), (Some(101), Standing::OverShare)]
        {
            assert_eq!(gate.standing(2, came), expected, "{came:?}");
        }
    }

    #[test]
    fn who_has_come_far_less_often_is_favoured_while_the_gate_is_open() {
        // A tenth less of 50, 50 and 300: 260 stay for the third.
        for (strategy, came, expected) in [
            (Strategy::Fair, Some(128), Standing::Favoured),
            (Strategy::Adaptive, Some(50), Standing::Favoured),
            (Strategy::Fair, Some(129), Standing::Normal),
            (Strategy::Fair, Some(300), Standing::Normal),
            (Strategy::Fair, None, Standing::Normal),
            (Strategy::Priority, Some(50), Standing::Normal),
        ] {
            let gate = Gate::new(strategy, 0.0, &mix(), &callers());
            assert_eq!(gate.standing(2, came), expected, "{strategy:?} {came:?}");
        }
    }

    #[test]
    fn callers_that_differ_by_chance_are_alike_while_the_gate_is_open() {
        let mut sketch = Sketch::default();
        for (caller, count) in [(1, 3), (2, 1), (3, 6), (4, 2), (5, 4)] {
            (0..count).for_each(|_| sketch.count(Fingerprint(caller)));
        }
        let gate = Gate::new(Strategy::Fair, 0.0, &mix(), &sketch);
        for came in 1..=6 {
            assert_eq!(gate.standing(2, Some(came)), Standing::Normal, "{came}");
        }
    }

    #[test]
    fn an_open_gate_turns_nobody_away() {
        let gate = Gate::new(Strategy::Adaptive, 0.0, &mix(), &callers());
        assert!(gate.is_open());
        assert_eq!(gate.turns_away(3, Some(u16::MAX), &mut Fixed(0)), None);
        assert_eq!(gate.standing(3, Some(u16::MAX)), Standing::Normal);
    }
}
