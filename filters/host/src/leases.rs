//! Work that one root does for all.
//!
//! A filter says each time anew that it wants a lease; the tick takes it when it is free and renews it in time, so
//! nothing is asked of the store in a request's callbacks.

use crate::context::Cx;
use crate::here::Here;
use crate::host::Host;
use ballast_core::lease::{Acquire, Acquiring, Held, Release, Releasing};
use ballast_core::time::MonoTime;
use ballast_core::vec_map::VecMap;
use ballast_core::vms::Member;
use core::time::Duration;

/// How often a lease that another holds is asked for: it may have been given back early.
const RETRY_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Leases(VecMap<&'static str, Wanted>);

#[derive(Debug)]
struct Wanted {
    term: Duration,
    /// The holding, and the identity that it belongs to.
    held: Option<(Member, Held)>,
    /// When to ask next.
    next_try: MonoTime,
}

impl Leases {
    /// Says that a lease is wanted.
    pub(crate) fn want(&mut self, name: &'static str, term: Duration) {
        let fresh = Wanted { term, held: None, next_try: MonoTime::ZERO };
        self.0.entry(name).or_insert(fresh).term = term;
    }

    /// The holding, if it still holds at `now`.
    pub(crate) fn held(&self, name: &str, now: MonoTime) -> Option<Held> {
        let (_, held) = self.0.get(name)?.held?;
        held.is_valid(now).then_some(held)
    }

    /// Takes and renews what is wanted.
    pub(crate) fn tick<H: Host>(&mut self, here: &mut Here<'_, H>) {
        let now = here.now;
        for (name, wanted) in self.0.iter_mut().filter(|(_, wanted)| wanted.next_try <= now) {
            let acquiring = Acquiring { me: here.me, now, term: wanted.term };
            match here.run(&mut Acquire::new(key(name), acquiring)) {
                Ok(Ok(held)) => {
                    wanted.held = Some((here.me, held));
                    // Renewed early enough for two more tries.
                    wanted.next_try = now.after(held.until.since(now) / 3);
                }
                // Held by another, or by this root under an earlier identity, which still believes in it.
                Ok(Err(taken)) => wanted.next_try = taken.until.min(now.after(RETRY_EVERY)),
                Err(_) => {}
            }
        }
    }

    /// Gives everything back, so that nobody waits for its expiry.
    pub(crate) fn end<H: Host>(&mut self, here: &mut Here<'_, H>) {
        for (name, wanted) in self.0.iter_mut() {
            if let Some((me, held)) = wanted.held.take() {
                // Whether it was still held makes no difference any more.
                let _ = here.run(&mut Release::new(key(name), Releasing { me, held }));
            }
        }
    }
}

fn key(name: &str) -> String {
    format!("lease/{name}")
}

impl<H: Host> Cx<'_, H> {
    /// The lease of this name, if this root holds it. The first call only says that it is wanted, and the next tick
    /// asks for it. From then on this root holds it whenever it can, until it ends.
    ///
    /// Ask before every step of the work that the lease is for.
    pub fn lease(&mut self, name: &'static str, term: Duration) -> Option<Held> {
        let now = self.host.now();
        self.services.leases.want(name, term);
        self.services.leases.held(name, now)
    }
}
