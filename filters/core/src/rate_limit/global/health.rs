//! Whether a worker asks the service.
//!
//! A service that does not answer costs each request that asks it the whole time-out. So after a few failures in a row
//! it is left alone for a pause; then a single call finds out whether it is back. A pause is twice as long as the one
//! before, up to [`LONGEST_PAUSE`], and shortened by chance, so that a fleet does not come back at once. Any answer that
//! can be relied on ends it.
//!
//! Each worker finds out by itself: there is nothing to share that would be known sooner than by asking once.

use crate::random::Random;
use crate::time::MonoTime;
use core::time::Duration;

/// So many failures in a row and the service is left alone.
const TOLERATED: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The service is asked again at least so often, which bounds how late its return is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// An attempt that nobody heard of again, such as one whose client has left, holds up the next for no longer.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(1);

/// What one worker knows of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Health {
    failures: u32,
    /// `None`: it is asked.
    paused: Option<Paused>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Paused {
    pause: Duration,
    until: MonoTime,
    /// Whether somebody is finding out if it is back.
    attempt: bool,
}

/// What an outcome has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Nothing worth a word.
    None,
    /// From now on it is left alone.
    Failed,
    /// It is back.
    Returned,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Of a service that nothing is known of.
    pub const fn new() -> Self {
        Self { failures: 0, paused: None }
    }

    /// Whether a call may be made.
    pub fn may_ask(&self, now: MonoTime) -> bool {
        self.paused.is_none_or(|paused| now >= paused.until)
    }

    /// From when on a call may be made.
    pub fn asked_again_at(&self) -> MonoTime {
        self.paused.map_or(MonoTime::ZERO, |paused| paused.until)
    }

    /// A call is made, which [`Health::may_ask`] allowed. After a pause others wait for what comes of it.
    pub fn asked(&mut self, now: MonoTime) {
        if let Some(paused) = &mut self.paused {
            (paused.until, paused.attempt) = (now.after(LONGEST_ATTEMPT), true);
        }
    }

    /// It has answered.
    pub fn answered(&mut self) -> Change {
        self.failures = 0;
        if self.paused.take().is_some() { Change::Returned } else { Change::None }
    }

    /// It has failed, or not answered in time.
    pub fn failed(&mut self, now: MonoTime, random: &mut impl Random) -> Change {
        self.failures = self.failures.saturating_add(1);
        let (pause, change) = match self.paused {
            None if self.failures < TOLERATED => return Change::None,
            None => (FIRST_PAUSE, Change::Failed),
            // A call from before the pause says nothing new.
            Some(Paused { attempt: false, .. }) => return Change::None,
            Some(paused) => (paused.pause.saturating_mul(2).min(LONGEST_PAUSE), Change::None),
        };
        let until = now.after(pause - random.span_below(pause / 4));
        self.paused = Some(Paused { pause, until, attempt: false });
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Fixed;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(millis)
    }

    fn fail(health: &mut Health, millis: u64) -> Change {
        health.failed(at(millis), &mut Fixed(0))
    }

    /// Left alone since 2 ms, for 100 ms.
    fn paused() -> Health {
        let mut health = Health::new();
        assert_eq!(
            [0, 1, 2].map(|millis| fail(&mut health, millis)),
            [Change::None, Change::None, Change::Failed]
        );
        health
    }

    #[test]
    fn an_answer_between_failures_keeps_it_asked() {
        let mut health = Health::new();
        for _ in 0..9 {
            assert_eq!((fail(&mut health, 0), fail(&mut health, 1)), (Change::None, Change::None));
            assert_eq!(health.answered(), Change::None);
            assert!(health.may_ask(at(1)));
        }
    }

    #[test]
    fn after_a_pause_one_call_finds_out() {
        let mut health = paused();
        assert!(!health.may_ask(at(101)) && health.may_ask(at(102)));
        health.asked(at(102));
        assert!(!health.may_ask(at(103)), "one at a time");
        assert_eq!(health.answered(), Change::Returned);
        assert!(health.may_ask(at(103)));
        assert_eq!(fail(&mut health, 104), Change::None, "it begins anew");
    }

    #[test]
    fn pauses_grow_to_a_second() {
        let (mut health, mut now) = (paused(), 102);
        for pause in [200, 400, 800, 1_000, 1_000] {
            health.asked(at(now));
            now += 20;
            assert_eq!(fail(&mut health, now), Change::None);
            assert!(!health.may_ask(at(now + pause - 1)) && health.may_ask(at(now + pause)), "{pause}");
            now += pause;
        }
    }

    #[test]
    fn late_failures_of_calls_from_before_change_nothing() {
        let mut health = paused();
        assert_eq!(fail(&mut health, 60), Change::None);
        assert!(health.may_ask(at(102)));
    }

    #[test]
    fn an_attempt_that_nobody_heard_of_again_is_made_again() {
        let mut health = paused();
        health.asked(at(102));
        assert!(!health.may_ask(at(1_101)) && health.may_ask(at(1_102)));
    }

    #[test]
    fn chance_shortens_a_pause_by_a_quarter_at_the_most() {
        let mut health = Health::new();
        for _ in 0..3 {
            health.failed(at(0), &mut Fixed(u64::MAX));
        }
        assert!(!health.may_ask(at(75)) && health.may_ask(at(76)));
    }
}
