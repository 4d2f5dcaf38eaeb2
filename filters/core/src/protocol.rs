//! Protocols over shared values, without I/O.
//!
//! # Why
//!
//! Workers share a map with compare-and-swap and a queue each; there is no lock and no transaction. A rule that spans
//! several values (limits that pass all or nothing, permits, the registry of VMs) is therefore a conversation, and
//! its bugs hide in the order in which several conversations mix.
//!
//! # How
//!
//! A [`Machine`] says what it wants ([`Step`]) and is resumed with what came of it ([`Input`]). It owns no key space and does no
//! I/O, so the same machine runs in the proxy and under the explorer, which tries every order and every crash.
//!
//! # Limits
//!
//! A machine is resumed at once with the answer of its step; waiting for something that happens later is done by
//! ending with an output that says so.

/// The version of a stored value, as the store hands it out. Equal versions mean an unchanged value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// The key does not exist: a swap creates it, and only if it still does not exist.
    Absent,
    /// The key exists, with the store's counter for it.
    Of(u32),
}

/// What a machine wants next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step<K, T> {
    /// Read the value of a key; resumed with [`Input::Value`].
    Get(K),
    /// Write a value if its key still has this version; resumed with [`Input::Swapped`].
    Swap {
        /// The key to write.
        key: K,
        /// The version that was read.
        version: Version,
        /// The new value.
        value: Vec<u8>,
    },
    /// Put a message into the queue of a VM slot; resumed with [`Input::Sent`].
    Send {
        /// The number of the receiver's slot.
        slot: u8,
        /// The message.
        message: Vec<u8>,
    },
    /// The conversation is over.
    Done(T),
}

/// What came of a [`Step`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The start of the conversation.
    Start,
    /// What a key holds. Empty bytes read as `None`, with the version to swap against.
    Value {
        /// The bytes, if there are any.
        value: Option<Vec<u8>>,
        /// The version to swap against.
        version: Version,
    },
    /// Whether the swap was made. `false`: another worker came first; read again.
    Swapped(bool),
    /// Whether the message was queued. `false`: the slot has no queue.
    Sent(bool),
    /// The store answered with an error; the machine should end with an output that says so.
    Failed,
}

/// A conversation with the shared store.
pub trait Machine {
    /// How the machine names a key; the host turns it into the store's key.
    type Key;
    /// What the conversation comes to.
    type Output;

    /// Takes what came of the last step (first [`Input::Start`]) and says what is next.
    fn resume(&mut self, input: Input) -> Step<Self::Key, Self::Output>;
}

/// How many swaps of one value may be lost in a row before a conversation ends as contended.
///
/// Contention is no error and no reason to let a request through: with `n` workers a worker loses at most `n - 1`
/// times per successful swap of others, so a thousand losses mean that something else is wrong.
pub const MAX_LOST_SWAPS: u32 = 1_000;
