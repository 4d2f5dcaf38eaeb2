//! Orders: what an operator has another filter do, on all of its workers.
//!
//! # Why
//!
//! Whoever takes an operator's request is a filter of its own, in a VM of its own. What is ordered has to reach each root of
//! the filter that it is for, once, and the operator wants to know what came of it: not "sent" but "done everywhere", or by
//! whom it was refused and why, or who has not answered.
//!
//! # How
//!
//! The [bus](crate::bus) is for the members of one filter and namespace. An order is a [`Parcel`] from a member of one registry
//! to one of another, so it carries where the answer goes. A [`Dispatch`] sends it to those who are members when it begins
//! and gathers their [`Answer`]s; what is not answered is sent again. An [`Inbox`] has each order executed once and answers
//! again what comes again.
//!
//! One member is asked to lead: what is done once for all (clearing a shared table) is the leader's to do, what each has in
//! its own memory is everybody's. What was ordered is in shared state before it is answered, so whoever takes the place of a
//! member that has died starts from there.
//!
//! # Limits
//!
//! A member that dies unanswered is waited for until it is declared dead or time is up. If it was to lead, nobody knows whether
//! it did, and the outcome says that it is missing. Of an order for [one](Audience::One) member another is tried when the first is
//! silent, so it can be executed by both. Who joins after an order began is not told. An order that was reported as missing may still
//! be executed when a stalled worker comes back.

mod dispatch;
mod inbox;
mod parcel;
pub mod snapshot;

pub use dispatch::{Dispatch, NEXT_AFTER, Outcome};
pub use inbox::{Inbox, MOST_ANSWER_BYTES, MOST_SENDERS, REMEMBERED, Received};
pub use parcel::{Address, Answer, Body, Order, Parcel, Refusal};

use crate::config::from_json;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads what comes with an order: a JSON object, or nothing, which is an empty one.
///
/// # Errors
///
/// It is not what the order takes.
pub fn arguments<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.is_empty() {
        return Ok(T::default());
    }
    let object = if bytes.trim_ascii_start().starts_with(b"{") {
        from_json(bytes)
    } else {
        Err("not a JSON object".to_owned())
    };
    object.map_err(|error| format!("invalid arguments: {error}"))
}

/// An answer as JSON.
///
/// # Errors
///
/// It is no JSON, which would be a fault of the filter's.
pub fn answer(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(value).map_err(|error| error.to_string())
}

/// Who is to execute an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// All living members.
    All,
    /// One of them, whichever; what it does is known to all through shared state.
    One,
}

#[cfg(test)]
mod tests;
