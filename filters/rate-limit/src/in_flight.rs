//! What requests still have to settle, findable from outside of them.
//!
//! Only requests with something to settle, such as a permit, cost an allocation.

use ballast_core::rate_limit::Charges;
use ballast_core::vms::Member;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

/// What the end of one request has a say in. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending(Option<Rc<RefCell<Charges>>>);

/// The requests whose permits were taken under this worker's identity.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Vec<(Member, Weak<RefCell<Charges>>)>);

impl Pending {
    pub(crate) fn new(charges: Charges) -> Self {
        Self((!charges.is_empty()).then(|| Rc::new(RefCell::new(charges))))
    }

    /// Adds what else the request has been charged.
    pub(crate) fn add(&mut self, more: Charges) {
        match &self.0 {
            Some(charges) => charges.borrow_mut().add(more),
            None => *self = Self::new(more),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|charges| charges.borrow().is_empty())
    }

    /// Takes it out, so that nothing is settled twice.
    pub(crate) fn take(&self) -> Charges {
        self.0.as_ref().map(|charges| charges.take()).unwrap_or_default()
    }

    /// Puts back what has been taken out.
    pub(crate) fn set(&self, charges: Charges) {
        if let Some(pending) = &self.0 {
            *pending.borrow_mut() = charges;
        }
    }
}

impl InFlight {
    /// A request whose permits, if it has any, were taken as `me`.
    pub(crate) fn add(&mut self, me: Member, pending: &Pending) {
        if let Some(charges) = &pending.0 {
            self.0.push((me, Rc::downgrade(charges)));
        }
    }

    /// Forgets the requests that have ended.
    pub(crate) fn forget_ended(&mut self) {
        self.0.retain(|(_, charges)| charges.strong_count() > 0);
    }

    /// The requests that are still in flight, each with the identity under which its permits were taken; from now on
    /// that is `me`.
    pub(crate) fn renamed(&mut self, me: Member) -> Vec<(Member, Pending)> {
        let renamed = |(member, charges): &mut (Member, Weak<RefCell<Charges>>)| {
            Some((core::mem::replace(member, me), Pending(Some(charges.upgrade()?))))
        };
        self.0.iter_mut().filter_map(renamed).collect()
    }
}
