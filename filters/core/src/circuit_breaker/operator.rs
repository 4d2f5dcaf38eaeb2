//! What operators order at run time, and what they can look up afterwards.
//!
//! # How
//!
//! A [`Command`] comes as JSON in a message on the filter's queue and is for all breakers of a rule. It becomes an
//! [`Order`] in one shared value, which every worker reads on its tick, so it holds for workers that start later, too.
//! [`History`] holds the last changes of state of a rule with time and cause.
//!
//! # Limits
//!
//! An order outlives the worker that took it, not the proxy. Of two orders the later counts.

use super::breaker::{Change, StateName};
use super::policy::Cause;
use crate::orders::{self, Refusal};
use crate::rewrite::{Edit, Edited};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const VERSION: u8 = 1;

/// How many changes are remembered.
pub const MOST_CHANGES: usize = 16;

/// What an operator can make of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Forced {
    /// Nothing: it opens and closes by itself.
    #[default]
    Closed,
    /// It refuses everything.
    ForcedOpen,
    /// It lets everything through and never trips.
    ForcedClosed,
    /// It opens and closes by itself, and refuses nothing.
    MetricsOnly,
}

impl Forced {
    const ALL: [Self; 4] = [Self::Closed, Self::ForcedOpen, Self::ForcedClosed, Self::MetricsOnly];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::MetricsOnly => "metrics_only",
        }
    }

    fn code(self) -> u8 {
        Self::ALL.iter().position(|forced| *forced == self).and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
    }
}

/// A message on the filter's queue: `{"breaker": "payments", "state": "forced_open"}`.
///
/// `closed` closes all breakers of the rule, forgets what they have counted, and leaves them to themselves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The name of the rule.
    pub breaker: String,
    /// What becomes of its breakers.
    pub state: Forced,
}

impl Command {
    /// The command in a message, if it is one.
    pub fn parse(message: &[u8]) -> Option<Self> {
        crate::config::from_json(message).ok()
    }
}

/// An operator's order as it comes through another filter: see [`orders`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// For all breakers of the rule.
    All(Forced),
    /// Closes this one.
    Close(Fingerprint),
}

/// The names of the orders that change something.
pub const ORDERS: [&str; 5] = ["reset", "force-open", "force-closed", "metrics-only", "restore"];

/// What may come with an order.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Arguments {
    id: Option<String>,
}

impl Ask {
    /// The order of this name with these arguments, a JSON object or nothing.
    ///
    /// # Errors
    ///
    /// There is none, or its arguments are wrong.
    pub fn read(name: &str, arguments: &[u8]) -> Result<Self, Refusal> {
        let forced = match name {
            "reset" => Forced::Closed,
            "force-open" => Forced::ForcedOpen,
            "force-closed" => Forced::ForcedClosed,
            "metrics-only" => Forced::MetricsOnly,
            _ => return Err(format!("unknown order `{name}`: there are {}, export", ORDERS.join(", "))),
        };
        let Arguments { id } = orders::arguments(arguments)?;
        match (id, forced) {
            (None, _) => Ok(Self::All(forced)),
            (Some(id), Forced::Closed) => Fingerprint::parse(&id)
                .map(Self::Close)
                .ok_or_else(|| format!("invalid arguments: id: `{id}` is not 32 hexadecimal digits")),
            (Some(_), _) => Err(format!("invalid arguments: id: `{name}` is for all breakers of a rule")),
        }
    }
}

/// What was ordered for a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order {
    /// What its breakers are to be.
    pub forced: Forced,
    /// When it was ordered.
    pub at: MonoTime,
    /// What began before this is forgotten; the origin if nothing ever was to be.
    pub reset_at: MonoTime,
}

impl Order {
    /// The order that a command is, given the last one.
    #[must_use]
    pub fn next(last: Option<Self>, forced: Forced, now: MonoTime) -> Self {
        let before = last.map_or(MonoTime::ZERO, |last| last.reset_at);
        // What changed in this very moment is forgotten, too.
        let reset_at = if forced == Forced::Closed { now.after(Duration::from_nanos(1)) } else { before };
        Self { forced, at: now, reset_at }
    }

    /// The order in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let forced = *Forced::ALL.get(usize::from(reader.u8()?))?;
        let (at, reset_at) = (MonoTime::from_nanos(reader.u64()?), MonoTime::from_nanos(reader.u64()?));
        reader.end(Self { forced, at, reset_at })
    }

    /// The order as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(18);
        writer.u8(VERSION);
        writer.u8(self.forced.code());
        writer.u64(self.at.as_nanos());
        writer.u64(self.reset_at.as_nanos());
        writer.finish()
    }
}

/// Gives an order. Ends with the one that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ordering {
    /// What the breakers are to be.
    pub forced: Forced,
    /// What the clock shows.
    pub now: MonoTime,
}

impl Edit for Ordering {
    type Output = Order;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Order> {
        let last = old.and_then(Order::decode);
        if let Some(last) = last.filter(|last| last.at >= self.now) {
            return Edited::Keep(last);
        }
        let order = Order::next(last, self.forced, self.now);
        Edited::Replace(order.encode(), order)
    }
}

/// The last changes of state of a rule's breakers, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History(VecDeque<(Fingerprint, Change)>);

impl History {
    /// Reads a history; what cannot be read is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }

    /// The history in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let length = usize::from(reader.u8()?);
        let mut changes = VecDeque::with_capacity(MOST_CHANGES);
        for _ in 0..length {
            let of = Fingerprint(reader.u128()?);
            let (at, from, to) =
                (MonoTime::from_nanos(reader.u64()?), state(reader.u8()?)?, state(reader.u8()?)?);
            let cause = Cause::from_code(reader.u8()?)?;
            let until = MonoTime::from_nanos(reader.u64()?);
            changes.push_back((of, Change { at, from, to, cause, until }));
        }
        reader.end(Self(changes)).filter(|history| history.0.len() <= MOST_CHANGES)
    }

    /// The history as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(2 + 35 * self.0.len());
        writer.u8(VERSION);
        writer.u8(u8::try_from(self.0.len()).unwrap_or(u8::MAX));
        for (of, change) in &self.0 {
            writer.u128(of.0);
            writer.u64(change.at.as_nanos());
            writer.u8(change.from as u8);
            writer.u8(change.to as u8);
            writer.u8(change.cause.code());
            writer.u64(change.until.as_nanos());
        }
        writer.finish()
    }

    /// The changes, the oldest first, each with the breaker it is of.
    pub fn changes(&self) -> impl Iterator<Item = &(Fingerprint, Change)> {
        self.0.iter()
    }
}

fn state(code: u8) -> Option<StateName> {
    [StateName::Closed, StateName::Open, StateName::HalfOpen].get(usize::from(code)).copied()
}

/// Adds a change to a rule's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Remember {
    /// The breaker that changed.
    pub fingerprint: Fingerprint,
    /// How.
    pub change: Change,
}

impl Edit for Remember {
    type Output = ();

    fn edit(&self, old: Option<&[u8]>) -> Edited<()> {
        let mut history = History::read(old);
        // Two workers may come here in the other order than they changed the breaker.
        let at =
            history.0.iter().rposition(|(_, earlier)| earlier.at <= self.change.at).map_or(0, |at| at + 1);
        history.0.insert(at, (self.fingerprint, self.change));
        if history.0.len() > MOST_CHANGES {
            history.0.pop_front();
        }
        Edited::Replace(history.encode(), ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn second(seconds: u64) -> MonoTime {
        MonoTime::from_millis(seconds * 1_000)
    }

    fn order(value: &mut Option<Vec<u8>>, forced: Forced, seconds: u64) -> Order {
        match (Ordering { forced, now: second(seconds) }).edit(value.as_deref()) {
            Edited::Keep(order) => order,
            Edited::Replace(bytes, order) => {
                *value = Some(bytes);
                order
            }
        }
    }

    #[test]
    fn of_two_orders_the_later_counts_and_closed_resets() {
        let mut value = None;
        assert_eq!(order(&mut value, Forced::ForcedOpen, 5).reset_at, MonoTime::ZERO);
        let closed = order(&mut value, Forced::Closed, 7);
        let reset_at = second(7).after(Duration::from_nanos(1));
        assert_eq!((closed.forced, closed.reset_at), (Forced::Closed, reset_at));
        assert_eq!(order(&mut value, Forced::ForcedClosed, 6), closed, "an earlier one comes late");
        let metrics = order(&mut value, Forced::MetricsOnly, 9);
        assert_eq!((metrics.forced, metrics.reset_at), (Forced::MetricsOnly, reset_at));
        assert_eq!(value.as_deref().and_then(Order::decode), Some(metrics));
    }

    #[test]
    fn a_command_names_a_breaker_and_a_state() {
        let read = |json: &str| Command::parse(json.as_bytes());
        let command = Command { breaker: "payments".to_owned(), state: Forced::ForcedOpen };
        assert_eq!(read(r#"{"breaker":"payments","state":"forced_open"}"#), Some(command));
        for wrong in [
            r#"{"breaker":"x"}"#,
            r#"{"breaker":"x","state":"open"}"#,
            r#"{"breaker":"x","state":"closed","a":1}"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_order_is_for_a_rule_and_a_reset_may_be_for_one_breaker() {
        let one = "0000000000000000000000000000000a";
        for (name, arguments, expected) in [
            ("reset", "", Ok(Ask::All(Forced::Closed))),
            ("force-open", "{}", Ok(Ask::All(Forced::ForcedOpen))),
            ("reset", &*format!(r#"{{"id": "{one}"}}"#), Ok(Ask::Close(Fingerprint(10)))),
            ("force-open", &*format!(r#"{{"id": "{one}"}}"#), Err("invalid arguments: id: `force-open`")),
            ("reset", r#"{"id": "x"}"#, Err("invalid arguments: id: `x` is not")),
            ("reset", r#"{"ids": "x"}"#, Err("invalid arguments: unknown field `ids`")),
            ("reset", "[]", Err("invalid arguments: ")),
            ("open", "", Err("unknown order `open`")),
        ] {
            let read = Ask::read(name, arguments.as_bytes());
            match expected {
                Ok(ask) => assert_eq!(read, Ok(ask)),
                Err(start) => assert!(read.clone().unwrap_err().starts_with(start), "{read:?}"),
            }
        }
    }

    #[test]
    fn a_history_holds_the_last_changes_in_order() {
        let change = |at| Change {
            at: second(at),
            from: StateName::Closed,
            to: StateName::Open,
            cause: Cause::FailureRate,
            until: second(at + 60),
        };
        let mut value: Option<Vec<u8>> = None;
        for at in (0..20).chain([15]) {
            let remember = Remember { fingerprint: Fingerprint(at.into()), change: change(at) };
            let Edited::Replace(bytes, ()) = remember.edit(value.as_deref()) else { panic!("must remember") };
            value = Some(bytes);
        }
        let history = History::read(value.as_deref());
        let at: Vec<u64> =
            history.changes().map(|(_, change)| change.at.as_nanos() / 1_000_000_000).collect();
        assert_eq!(at, [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 16, 17, 18, 19]);
        assert_eq!(History::decode(b"foreign"), None);
    }
}
