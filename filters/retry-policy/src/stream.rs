//! What is remembered about one request.

use ballast_core::retry_policy::attempts::{Attempts, Refusal};
use ballast_host::{Answer, CallToken, CapturedRequest, Replacement};

/// One request.
#[derive(Debug, Default)]
pub enum Stream {
    /// No policy is for it, or its answer has gone on.
    #[default]
    Free,
    /// The router retries.
    Routed(Box<Routed>),
    /// The filter retries, or counts what it would retry.
    Replayed(Box<Replayed>),
}

/// A request that the router retries.
#[derive(Debug)]
pub struct Routed {
    /// The number of its policy.
    pub(crate) policy: usize,
    /// Why it is not retried, if so.
    pub(crate) refused: Option<Refusal>,
    /// The retries that the router made are counted.
    pub(crate) is_counted: bool,
    /// What the filter saw, if it is to be compared with what was sent.
    pub(crate) seen: Option<CapturedRequest>,
}

/// A request that the filter retries.
#[derive(Debug)]
pub struct Replayed {
    /// The number of its policy.
    pub(crate) policy: usize,
    /// Whether decisions take effect.
    pub(crate) is_enforced: bool,
    /// The request.
    pub(crate) request: CapturedRequest,
    /// The cluster that the route leads to, once it was asked for.
    pub(crate) cluster: Option<String>,
    /// What came of the attempts.
    pub(crate) attempts: Attempts,
    /// Where it stands.
    pub(crate) phase: Phase,
    /// The answer that is held back: whether it is only headers. `None`: none is.
    pub(crate) held: Option<bool>,
    /// The last answer to a call-out.
    pub(crate) last: Option<Answer>,
    /// The second requests under way.
    pub(crate) hedges: Vec<CallToken>,
    /// How many second requests were sent.
    pub(crate) hedged: u32,
    /// What is put in place of the held answer.
    pub(crate) replacement: Option<Replacement>,
}

/// Where a replayed request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The router has it.
    Sent,
    /// It waits for its retry, which the budget has been charged for.
    Waiting,
    /// A call-out has it.
    Called(CallToken),
    /// The client gets its answer.
    Done,
}

impl Replayed {
    pub(crate) fn new(
        policy: usize,
        is_enforced: bool,
        request: CapturedRequest,
        attempts: Attempts,
    ) -> Self {
        Self {
            policy,
            is_enforced,
            request,
            cluster: None,
            attempts,
            phase: Phase::Sent,
            held: None,
            last: None,
            hedges: Vec::new(),
            hedged: 0,
            replacement: None,
        }
    }
}
