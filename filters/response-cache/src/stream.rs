//! What is remembered about one request.

use crate::remote::{Duty, Searching};
use crate::storage::{Kept, Wanted};
use ballast_core::response_cache::head::Sealed;
use ballast_core::response_cache::rules::{Fetch, Fields, Line, Parts, Policy, Request, Seen};
use ballast_core::response_cache::store::{Leadership, Ticket, Waiter};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_host::{CapturedRequest, Replacement};
use std::rc::Rc;

/// Where a request stands.
#[derive(Debug, Default)]
pub enum Stream {
    /// The cache has no part in it.
    #[default]
    Untouched,
    /// It is answered from the store, and the answer passes the filter's own response callbacks. `kind`: the media type that the
    /// proxy takes away from an answer without a body.
    Answered {
        /// The media type of an empty answer.
        kind: Option<Vec<u8>>,
    },
    /// It is on its way to the upstream, and its answer is not looked at.
    Passing {
        /// What is said of it in `Cache-Status`.
        said: String,
    },
    /// It waits for another's answer.
    Waiting(Box<Waiting>),
    /// It asks the store that several proxies share.
    Searching(Box<Searching>),
    /// It reads its body, which is part of its key.
    Reading(Box<Asked>),
    /// What it is for is dropped once it has succeeded.
    Unsafe(Box<Asked>),
    /// It is on its way to the upstream.
    Fetching(Box<Fetching>),
    /// What came was about something else than what is stored: it is asked again, without conditions.
    AskedAgain(Box<Fetching>),
    /// Its answer streams on and is collected.
    Collecting(Box<Collecting>),
    /// Another answer takes the place of the upstream's.
    Replacing(Replacement),
}

/// A request that a rule is for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The rule's number.
    pub(crate) rule: usize,
    /// Whether it may be answered from the store.
    pub(crate) is_enforced: bool,
    /// Whether the operator wants it past the store.
    pub(crate) is_bypass: bool,
    /// Whether the operator does not want its answer stored.
    pub(crate) is_no_store: bool,
    /// Whether content follows its headers.
    pub(crate) has_body: bool,
    /// Whether anything of its body has come.
    pub(crate) has_begun: bool,
    /// How often something was stored while it was about to wait.
    pub(crate) looks: u8,
    /// Whether the store that several proxies share was asked.
    pub(crate) has_searched: bool,
    /// Whether its answer came from there.
    pub(crate) is_adopted: bool,
    /// Shared, so that it can be read while the rest is taken along.
    pub(crate) request: Rc<CapturedRequest>,
    /// What its headers say, once they were read.
    pub(crate) seen: Option<Seen>,
    pub(crate) wanted: Wanted,
}

impl Asked {
    /// The field lines of the client's request.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        self.request.headers().lines()
    }

    /// The client's request, of these lines.
    pub(crate) fn request<'a>(&self, lines: &'a [Line<'a>], policy: &Policy) -> Request<'a> {
        let fields = Fields::new(lines);
        match &self.seen {
            Some(seen) => Request::seen_before(fields, seen),
            None => Request::read(fields, self.has_body, policy.honours_request_directives),
        }
    }
}

/// A request that waits.
#[derive(Debug)]
pub struct Waiting {
    pub(crate) asked: Box<Asked>,
    /// Its number among those that wait.
    pub(crate) number: u32,
    /// The flight that it waits for.
    pub(crate) waiter: Option<Waiter>,
    /// When it has waited for long enough.
    pub(crate) until: MonoTime,
}

/// A request on its way.
#[derive(Debug)]
pub struct Fetching {
    pub(crate) asked: Box<Asked>,
    pub(crate) fetch: Fetch,
    /// When it was sent.
    pub(crate) sent: MonoTime,
    /// What is stored for it.
    pub(crate) kept: Option<Kept>,
    pub(crate) lead: Lead,
}

/// What a fetch may do for others, and what it must then say.
#[derive(Debug, Default)]
pub(crate) struct Lead {
    /// The flight that it leads.
    pub(crate) leadership: Option<Leadership>,
    /// What was known of purges before.
    pub(crate) ticket: Ticket,
    /// What it owes the store that several proxies share.
    pub(crate) duty: Duty,
    /// Nothing was gained by looking its key up, if its answer cannot be stored either.
    pub(crate) seems_fruitless: bool,
}

/// An answer that streams on and is collected.
#[derive(Debug)]
pub struct Collecting {
    pub(crate) asked: Box<Asked>,
    pub(crate) lead: Lead,
    pub(crate) new: NewAnswer,
    pub(crate) body: Vec<u8>,
    /// Bytes of the body that are announced.
    pub(crate) announced: Option<usize>,
    /// Whether it will not be stored after all.
    pub(crate) is_given_up: bool,
    /// What is made whole by it.
    pub(crate) filling: Option<Filling>,
}

/// An answer to be stored, but for its body.
#[derive(Debug, Default)]
pub(crate) struct NewAnswer {
    pub(crate) head: Sealed,
    /// When its head came.
    pub(crate) received: MonoTime,
    /// Until when it is of any use.
    pub(crate) dead_at: MonoTime,
    pub(crate) variant: Vec<u8>,
    pub(crate) tags: Vec<Fingerprint>,
    pub(crate) may_transform: bool,
}

/// Stored parts around the part that is fetched, of which the client gets the whole.
#[derive(Debug)]
pub(crate) struct Filling {
    /// What comes before, until it has been sent.
    pub(crate) before: Vec<u8>,
    /// What comes after.
    pub(crate) after: Vec<u8>,
    /// The stored parts.
    pub(crate) parts: Parts,
    /// Their bytes.
    pub(crate) stored: Vec<u8>,
}
