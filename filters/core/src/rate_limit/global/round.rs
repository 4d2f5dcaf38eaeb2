//! One request on its way through the limits that a service counts.
//!
//! They are asked one after the other, once all limits of this process have admitted the request: what those took can
//! be taken back, and what the service has counted cannot. The leased ones come first for the same reason. The first that
//! refuses ends it.

use super::super::admit::{Ask, Decision, Said, Verdict};
use super::super::algorithm::Algorithm;
use super::Told;
use core::time::Duration;

/// Who has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The service, asked for this request.
    Service,
    /// The service, in advance.
    Lease,
    /// The limit that this process has in its place.
    Local,
    /// Nobody could; what the configuration says for that.
    Error,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Service, Self::Lease, Self::Local, Self::Error];

    /// The source as one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Lease => "lease",
            Self::Local => "local",
            Self::Error => "error",
        }
    }
}

/// A request, what was said of it so far, and what is still to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    decision: Decision,
    /// Last first.
    asks: Vec<Ask>,
    sources: Vec<(u16, Source)>,
}

/// What a service's answer means for what one limit was asked.
pub fn verdict(ask: &Ask, said: Said, told: Told) -> Verdict {
    let algorithm = told.limit.map_or(Algorithm::Elsewhere, Algorithm::FixedWindow);
    Verdict {
        ask: Ask { algorithm, ..*ask },
        said,
        remaining: told.remaining.unwrap_or(0).into(),
        reset: told.reset.unwrap_or(Duration::ZERO),
        from_lease: false,
        evicted_live: false,
        stored: 0,
    }
}

impl Round {
    /// Begins after the process's own limits have said `decision`, with the asks in the order in which they are to be
    /// made.
    pub fn new(decision: Decision, mut asks: Vec<Ask>) -> Self {
        asks.reverse();
        let mut round = Self { decision, asks, sources: Vec::new() };
        if !round.decision.passes() {
            round.skip();
        }
        round
    }

    /// What is to be asked next. `None`: it is decided.
    pub fn next(&self) -> Option<&Ask> {
        self.asks.last()
    }

    /// Takes in what was said to the [next](Self::next) ask. With `refuses` the request does not pass, if the limit is
    /// enforced.
    pub fn said(&mut self, verdict: Verdict, source: Source, refuses: bool) {
        let Some(ask) = self.asks.pop() else { return };
        self.sources.push((ask.limit, source));
        self.decision.verdicts.push(verdict);
        if refuses && ask.enforced {
            self.refuse();
        }
    }

    /// What it came to, and who decided each of the limits that are not this process's own.
    pub fn end(self) -> (Decision, Vec<(u16, Source)>) {
        (self.decision, self.sources)
    }

    fn refuse(&mut self) {
        self.decision.refused_by = self.decision.verdicts.len().checked_sub(1);
        for verdict in &mut self.decision.verdicts {
            // Of those that a service counted only what was leased comes back; the numbers are advice.
            if verdict.said == Said::Admit {
                verdict.said = Said::TakenBack;
                verdict.remaining = verdict.remaining.saturating_add(verdict.ask.cost);
            }
        }
        self.skip();
    }

    fn skip(&mut self) {
        let skipped = self.asks.drain(..).rev().map(|ask| verdict(&ask, Said::NotAsked, Told::default()));
        self.decision.verdicts.extend(skipped);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixed_window::FixedWindow;
    use super::*;
    use crate::slots::Fingerprint;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn ask(limit: u16, enforced: bool) -> Ask {
        let (set, client, algorithm) = (0, Fingerprint(7), Algorithm::Elsewhere);
        Ask { limit, set, client, algorithm, cost: 2, enforced, refundable: false }
    }

    fn told() -> Told {
        let limit = FixedWindow::new(100, Duration::from_secs(60));
        Told { limit, remaining: Some(5), reset: Some(Duration::from_secs(9)) }
    }

    /// After one limit of the process has admitted.
    fn round(asks: &[Ask]) -> Round {
        let own = verdict(&ask(0, true), Said::Admit, told());
        Round::new(Decision { verdicts: vec![own], refused_by: None }, asks.to_vec())
    }

    fn refused() -> Said {
        Said::Refuse { wait: Some(Duration::from_secs(9)) }
    }

    #[test]
    fn a_request_passes_once_all_have_admitted_it() {
        let mut round = round(&[ask(3, true), ask(1, true)]);
        for (limit, source) in [(3, Source::Lease), (1, Source::Service)] {
            let next = *round.next().unwrap();
            assert_eq!(next.limit, limit);
            round.said(verdict(&next, Said::Admit, told()), source, false);
        }
        assert_eq!(round.next(), None);
        let (decision, sources) = round.end();
        assert!(decision.passes());
        assert_eq!(decision.verdicts.len(), 3);
        assert_eq!(sources, [(3, Source::Lease), (1, Source::Service)]);
    }

    #[test]
    fn the_first_that_refuses_ends_it() {
        let mut round = round(&[ask(3, true), ask(1, true)]);
        let next = *round.next().unwrap();
        round.said(verdict(&next, refused(), told()), Source::Service, true);
        assert_eq!(round.next(), None);
        let (decision, _) = round.end();
        let said: Vec<Said> = decision.verdicts.iter().map(|verdict| verdict.said).collect();
        assert_eq!(said, [Said::TakenBack, refused(), Said::NotAsked]);
        assert_eq!((decision.refused_by, decision.wait()), (Some(1), Some(Duration::from_secs(9))));
        assert_eq!(decision.verdicts[0].remaining, 7);
    }

    #[test]
    fn one_that_is_not_enforced_refuses_nobody() {
        let mut round = round(&[ask(3, false), ask(1, true)]);
        let next = *round.next().unwrap();
        round.said(verdict(&next, refused(), told()), Source::Service, true);
        assert_eq!(round.next().map(|ask| ask.limit), Some(1));
    }

    #[test]
    fn what_the_process_refuses_is_not_asked_elsewhere() {
        let own = verdict(&ask(0, true), refused(), told());
        let round = Round::new(Decision { verdicts: vec![own], refused_by: Some(0) }, vec![ask(3, true)]);
        assert_eq!(round.next(), None);
        assert_eq!(round.end().0.verdicts[1].said, Said::NotAsked);
    }

    #[test]
    fn a_limit_that_the_service_does_not_tell_of_has_no_numbers() {
        let unknown = verdict(&ask(0, true), Said::Admit, Told::default());
        assert_eq!((unknown.ask.algorithm, unknown.remaining), (Algorithm::Elsewhere, 0));
    }
}
