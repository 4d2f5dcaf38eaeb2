//! How the limits' shared values are named.

use crate::protocol::{Input, Machine, Step};
use core::fmt;

/// The key of a shared value: one set of one limit's slot table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetKey {
    /// The number of the limit in the configuration.
    pub limit: u16,
    /// The number of the set.
    pub set: u32,
}

/// A key with the limit's name in place of its number: what limits are called outlives a configuration, where they
/// stand in it does not. Its text is `limit/<name>/<set>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedKey<'a> {
    /// The limit's name.
    pub limit: &'a str,
    /// The number of the set.
    pub set: u32,
}

impl fmt::Display for NamedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit/{}/{}", self.limit, self.set)
    }
}

/// A conversation whose keys say the limits' names.
#[derive(Debug)]
pub struct Named<M, F> {
    machine: M,
    name: F,
}

impl<'a, M, F: Fn(u16) -> &'a str> Named<M, F> {
    /// `name` tells a limit's name from its number.
    pub const fn new(machine: M, name: F) -> Self {
        Self { machine, name }
    }
}

impl<'a, M: Machine<Key = SetKey>, F: Fn(u16) -> &'a str> Machine for Named<M, F> {
    type Key = NamedKey<'a>;
    type Output = M::Output;

    fn resume(&mut self, input: Input) -> Step<Self::Key, Self::Output> {
        let named = |key: SetKey| NamedKey { limit: (self.name)(key.limit), set: key.set };
        match self.machine.resume(input) {
            Step::Get(key) => Step::Get(named(key)),
            Step::Swap { key, version, value } => Step::Swap { key: named(key), version, value },
            Step::Send { slot, message } => Step::Send { slot, message },
            Step::Done(output) => Step::Done(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[derive(Debug)]
    struct Reads;

    impl Machine for Reads {
        type Key = SetKey;
        type Output = ();

        fn resume(&mut self, _: Input) -> Step<SetKey, ()> {
            Step::Get(SetKey { limit: 1, set: 23 })
        }
    }

    #[test]
    fn keys_say_the_limits_name() {
        let names = ["per-client", "logins"];
        let mut named = Named::new(Reads, |limit| names[usize::from(limit)]);
        let Step::Get(key) = named.resume(Input::Start) else { panic!("must read") };
        assert_eq!(key.to_string(), "limit/logins/23");
    }
}
