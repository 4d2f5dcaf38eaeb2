//! One request and its attempts.
//!
//! Knows no proxy: the filter tells what came of an attempt and what the situation is, and is told whether to wait and try again
//! or to deliver what came, with the reason.

use super::config::Policy;
use super::outcome::Outcome;
use super::retry_after::Asked;
use crate::random::Random;
use crate::time::MonoTime;
use core::fmt::Write;
use core::time::Duration;

/// Why an answer that asks for a retry gets none. The text is what metrics and the access log say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// All attempts are used up.
    Attempts,
    /// The budget is.
    Budget,
    /// Too many fail: the throttle is closed.
    Throttle,
    /// The wait would pass the deadline.
    Deadline,
    /// The upstream asks for a longer wait than is respected, or not to come back.
    RetryAfter,
    /// A hop further in has retried already, or may not.
    Spent,
    /// The breaker is open, or only probing.
    BreakerOpen,
    /// The process is overloaded.
    Overload,
    /// The proxy drains: nothing is begun that need not be.
    Draining,
    /// Too many requests wait already.
    Waiting,
    /// The request's body is not all there, or larger than what is kept.
    Body,
    /// The route changes requests in a way that a call-out would miss.
    Route,
    /// The call-out could not be made.
    Call,
}

impl Refusal {
    /// All of them, for metrics.
    pub const ALL: [Self; 13] = [
        Self::Attempts,
        Self::Budget,
        Self::Throttle,
        Self::Deadline,
        Self::RetryAfter,
        Self::Spent,
        Self::BreakerOpen,
        Self::Overload,
        Self::Draining,
        Self::Waiting,
        Self::Body,
        Self::Route,
        Self::Call,
    ];

    /// What metrics and the access log say.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::Throttle => "throttle",
            Self::Deadline => "deadline",
            Self::RetryAfter => "retry_after",
            Self::Spent => "spent",
            Self::BreakerOpen => "breaker_open",
            Self::Overload => "overload",
            Self::Draining => "draining",
            Self::Waiting => "waiting",
            Self::Body => "body",
            Self::Route => "route",
            Self::Call => "call",
        }
    }
}

/// What an attempt's answer says beside its outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The policy retries on it.
    pub retriable: bool,
    /// A hop that is believed says that it has retried already, or may not.
    pub spent: bool,
    /// When to come back.
    pub asked: Asked,
}

/// What is so at the moment of the decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// Now.
    pub now: MonoTime,
    /// What stands in the way whatever the answer is.
    pub obstacle: Option<Refusal>,
    /// Retries that the budget allows.
    pub budget: u64,
    /// The throttle is closed.
    pub throttled: bool,
}

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Let it through; a refusal if a retry was asked for.
    Deliver(Option<Refusal>),
    /// Hold it, and send the request again after so long.
    Retry(Duration),
}

/// The attempts of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// What came of each.
    outcomes: Vec<Outcome>,
    last_wait: Option<Duration>,
    deadline: Option<MonoTime>,
    refused: Option<Refusal>,
}

impl Attempts {
    /// A request whose time ends at `deadline`.
    pub const fn new(deadline: Option<MonoTime>) -> Self {
        Self { outcomes: Vec::new(), last_wait: None, deadline, refused: None }
    }

    /// When the request's time ends.
    pub const fn deadline(&self) -> Option<MonoTime> {
        self.deadline
    }

    /// Attempts that have ended.
    pub fn made(&self) -> u32 {
        u32::try_from(self.outcomes.len()).unwrap_or(u32::MAX)
    }

    /// Why the last answer that asked for a retry got none.
    pub const fn refused(&self) -> Option<Refusal> {
        self.refused
    }

    /// Whether outer hops should not retry a failing answer: this one has, or was refused to.
    pub fn is_spent(&self) -> bool {
        self.made() > 1 || self.refused.is_some()
    }

    /// Takes what came of an attempt and says what to do.
    pub fn ended(
        &mut self,
        policy: &Policy,
        outcome: Outcome,
        said: Said,
        situation: &Situation,
        random: &mut impl Random,
    ) -> Decision {
        self.outcomes.push(outcome);
        if !said.retriable {
            return Decision::Deliver(None);
        }
        match self.wait(policy, said, situation, random) {
            Ok(wait) => {
                self.last_wait = Some(wait);
                Decision::Retry(wait)
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// What was decided cannot be done.
    pub fn refuse(&mut self, refusal: Refusal) -> Decision {
        self.refused = Some(refusal);
        Decision::Deliver(Some(refusal))
    }

    /// The gates in order: first what can never help, last what is shared with others.
    fn wait(
        &self,
        policy: &Policy,
        said: Said,
        situation: &Situation,
        random: &mut impl Random,
    ) -> Result<Duration, Refusal> {
        if self.made() >= policy.max_attempts {
            return Err(Refusal::Attempts);
        }
        if said.spent {
            return Err(Refusal::Spent);
        }
        let backoff = policy.backoff.wait(self.made(), self.last_wait, random);
        let wait = match (said.asked, policy.respect_retry_after) {
            (_, None) | (Asked::Nothing, _) => backoff,
            (Asked::Wait(asked), Some(most)) if asked <= most => asked.max(backoff),
            (Asked::Wait(_) | Asked::Never, Some(_)) => return Err(Refusal::RetryAfter),
        };
        if self.deadline.is_some_and(|deadline| situation.now.after(wait) >= deadline) {
            return Err(Refusal::Deadline);
        }
        if let Some(obstacle) = situation.obstacle {
            return Err(obstacle);
        }
        if situation.throttled {
            return Err(Refusal::Throttle);
        }
        if situation.budget == 0 {
            return Err(Refusal::Budget);
        }
        Ok(wait)
    }

    /// What the access log shows: the policy, the outcomes in order, and why there was no further retry.
    pub fn summary(&self, policy: &str) -> String {
        let mut text = policy.to_owned();
        for (at, outcome) in self.outcomes.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{outcome}", if at == 0 { ',' } else { '+' });
        }
        if let Some(refusal) = self.refused {
            let _ = write!(text, ",{}", refusal.as_str());
        }
        text
    }
}

#[cfg(test)]
mod tests;
