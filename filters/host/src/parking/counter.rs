//! One permit counter, as one root sees it.

use crate::here::Here;
use crate::host::{Host, LogLevel};
use crate::log::About;
use ballast_core::parking::{Because, Line};
use ballast_core::permits::{Readopt, Readopting};
use ballast_core::vms::Member;
use core::fmt;
use std::rc::Rc;

/// The shared values of a permit counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Who holds how many.
    Holders(Rc<str>),
    /// Which workers have streams that wait.
    Waiters(Rc<str>),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holders(name) => write!(f, "permit/{name}/holders"),
            Self::Waiters(name) => write!(f, "permit/{name}/waiters"),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter {
    /// How many permits there are, as of the last stream that asked.
    pub(super) most: u32,
    pub(super) line: Line<u32>,
    /// How many permits the streams of this root hold.
    pub(super) held: u32,
    /// How many permits could not be given back yet, since the store failed.
    pub(super) owed: u32,
    /// The line must be settled, and could not be yet.
    pub(super) settle: Option<Because>,
    /// The identity under which `held` counts, where that is no longer this root's.
    pub(super) readopt: Option<Member>,
}

impl Counter {
    pub(super) fn become_member(&mut self, before: Option<Member>) {
        self.owed = 0;
        self.readopt = self.readopt.or(before);
        self.line.rejoined();
        self.settle = (!self.line.is_empty()).then(|| stronger(self.settle, Because::LineChanged));
    }

    /// Whether no stream of this root holds, waits for or owes anything.
    pub(super) fn is_idle(&self) -> bool {
        self.held == 0 && self.owed == 0 && self.settle.is_none() && self.line.is_empty()
    }

    /// Adds what is held to the shared value again, if it has to be; `false`: that failed, and the shared value does
    /// not know of it.
    pub(super) fn readopted<H: Host>(&mut self, here: &mut Here<'_, H>, name: &Rc<str>) -> bool {
        let Some(before) = self.readopt else { return true };
        if self.held > 0 {
            let (me, held, most, view) = (here.me, self.held, self.most, Rc::clone(&here.view));
            let readopting = Readopting { before, me, held, most, view };
            match here.run(&mut Readopt::new(Key::Holders(Rc::clone(name)), readopting)) {
                Ok(0) => {}
                Ok(over) => {
                    let text = format!(
                        "permit {name}: {over} over the limit, since this worker was silent for too long"
                    );
                    here.scope.log(here.host, LogLevel::Warn, About::default(), &text);
                }
                Err(_) => return false,
            }
        }
        self.readopt = None;
        true
    }
}

/// Of two reasons to settle the one that demands more.
pub(super) const fn stronger(pending: Option<Because>, because: Because) -> Because {
    match (pending, because) {
        (Some(Because::SomebodyGone), _) | (_, Because::SomebodyGone) => Because::SomebodyGone,
        (Some(Because::Woken), _) | (_, Because::Woken) => Because::Woken,
        _ => Because::LineChanged,
    }
}
