//! A stored answer as a worker keeps it, ready to be sent.
//!
//! # Why
//!
//! Most hits are whole answers to requests without conditions. Reading what is stored of one, and writing it again for the proxy,
//! takes longer than deciding about it.
//!
//! # How
//!
//! What is known of an answer is read once, when a worker takes its copy, and the lines of a whole answer are laid out as they are
//! sent: a hit copies them and adds how old the answer is. Whatever needs single fields (conditions, ranges, a validation) reads
//! the stored head as before.

use super::codec::Codec;
use super::head::Head;
use super::reply::{Rendered, is_no_length, put_age, render};
use super::rules::{
    Answer, Candidate, Fetch, Fields, Lookup, Now, Policy, Request, Serve, Stored, lookup, spared,
};
use super::store::Object;
use crate::http::{Body, Lines};
use std::rc::Rc;

/// The room that is left for what is added to the lines of an answer: `Age` and `Cache-Status`.
const ADDED_LINES: usize = 2;
const ADDED_BYTES: usize = 96;

/// A stored answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    object: Object,
    stored: Stored,
    /// The length of the whole body in bytes, whether or not all of it is stored.
    length: u64,
    /// The lines of a whole answer.
    lines: Lines,
}

impl Ready {
    /// Reads what is stored, and takes its body out of its compression. `None`: it is damaged.
    pub fn new(mut object: Object) -> Option<Self> {
        let head = Head::decode(&object.head)?;
        // Names are what the proxy had; what is none was damaged.
        if head.lines.iter().any(|(name, _)| core::str::from_utf8(name).is_err()) {
            return None;
        }
        let mut lines = Lines::with_capacity(head.lines.len(), object.head.len());
        lines.extend(
            head.lines.iter().filter(|(name, _)| is_no_length(name)).map(|(name, value)| (name, value)),
        );
        let (stored, length) = (head.stored.clone(), head.whole_length());
        let unpacked = usize::try_from(head.length).ok()?;
        let codec = Codec::from_wire(object.codec)?;
        if codec != Codec::Plain {
            object.body = codec.unpack(&object.body, unpacked)?.into_owned();
            object.codec = Codec::Plain.to_wire();
        }
        (object.body.len() == unpacked).then_some(Self { object, stored, length, lines })
    }

    /// Its head, as it is stored.
    pub fn head(&self) -> Option<Head<'_>> {
        Head::decode(&self.object.head)
    }

    /// Its body, as the client gets it.
    pub fn body(&self) -> &[u8] {
        &self.object.body
    }

    /// Whether it is the same answer: a head says when it came.
    pub fn is_same_answer(&self, other: &Self) -> bool {
        self.object.head == other.object.head
    }

    /// How many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.object.size() + self.lines.size()
    }

    /// What to do with a request that it matches, as [`lookup`] says.
    pub fn look_up(&self, request: &Request<'_>, is_marked_stale: bool, policy: &Policy, now: Now) -> Lookup {
        // Of a whole answer, fields matter for the client's conditions and for asking the upstream.
        if !request.is_conditional && self.stored.parts.is_none() {
            let candidate = self.candidate(Fields::default(), is_marked_stale);
            let found = lookup(request, Some(candidate), false, policy, now);
            if !matches!(found, Lookup::Fetch(_)) {
                return found;
            }
        }
        self.with_fields(|fields| {
            lookup(request, Some(self.candidate(fields, is_marked_stale)), false, policy, now)
        })
        .unwrap_or_else(|| lookup(request, None, false, policy, now))
    }

    /// The stale answer that spares the upstream a request which [`Ready::look_up`] sends on, as [`spared`] says.
    pub fn spared(&self, request: &Request<'_>, fetch: &Fetch, now: Now) -> Option<Serve> {
        self.with_fields(|fields| spared(request, &self.candidate(fields, false), fetch, now))?
    }

    /// The answer, as [`render`] makes it.
    pub fn render(self: &Rc<Self>, serve: &Serve, boundary: &str) -> Option<Rendered> {
        if serve.answer != Answer::Full || self.stored.parts.is_some() {
            return render(&self.head()?, self.body(), serve, boundary);
        }
        let mut lines = self.lines.with_room(ADDED_LINES, ADDED_BYTES);
        put_age(&mut lines, serve);
        let body = Body::Shared(Rc::<Self>::clone(self));
        Some(Rendered { status: self.stored.status, lines, body })
    }

    fn candidate<'a>(&'a self, fields: Fields<'a>, is_marked_stale: bool) -> Candidate<'a> {
        Candidate { stored: &self.stored, fields, length: self.length, is_marked_stale }
    }

    fn with_fields<R>(&self, look: impl FnOnce(Fields<'_>) -> R) -> Option<R> {
        let head = self.head()?;
        let lines = head.lines();
        Some(look(Fields::new(&lines)))
    }
}

/// The body, as it is sent.
impl AsRef<[u8]> for Ready {
    fn as_ref(&self) -> &[u8] {
        self.body()
    }
}

#[cfg(test)]
mod tests;
