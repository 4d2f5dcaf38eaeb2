//! Parked requests: who waits for a permit is woken when one is free, whichever worker it waits on.
//!
//! # Why
//!
//! A request that finds all permits taken may wait. The permit it waits for is given back on another worker, which
//! must know whom to wake; and between "all are taken" and "I wait" a permit can become free with nobody looking.
//!
//! # How
//!
//! Each worker keeps its parked requests in a [`Line`], first come first served. One shared value per permit,
//! [`Waiters`], lists the workers with a line that is not empty and since when the head of each waits. [`Settle`] is
//! the one conversation for everything that happens to a line (a request came, went or timed out, a wake-up arrived,
//! a member is gone): it takes permits for the line from its head until there are none, and then makes the list say
//! what is true. If that put the worker on the list, it tries once more: what was freed before was freed without a
//! wake-up. [`Wake`] is the conversation after a release: it looks who has waited longest and sends one message. A
//! worker that is woken with an empty line hands the wake-up on.
//!
//! Nothing is taken from the list by the waker, so a wake-up that is lost with its receiver takes nobody with it. When
//! a view loses somebody, its worker settles each line it has, and each permit for which it has sent the gone one a
//! wake-up ([`Sent`] remembers them), [`Because::SomebodyGone`], and hands on what it does not need. Settling the lines
//! alone would not do: a waiter may learn of the death first and settle in vain, and then the permit becomes free with
//! a wake-up to the dead from a worker that has not heard yet.
//!
//! # Limits
//!
//! Order holds within a worker and, for wake-ups, between workers; a request that just arrives on a worker without a
//! line may still take a permit before those who wait on others. A wake-up to a member that was declared dead while it
//! was stalled is dropped; it joins again, and settles its lines then. Everything in a line when the process ends is
//! lost with it.

mod line;
mod sent;
mod settle;
mod waiters;
mod wake;

pub use line::Line;
pub use sent::Sent;
pub use settle::{Attempt, Because, Settle, Settled, Tried};
pub use waiters::Waiters;
pub use wake::{Wake, Woken};

#[cfg(test)]
mod tests;
