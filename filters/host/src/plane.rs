//! The slow plane: what filters tell each other about the process.
//!
//! A filter says what it thinks on its tick; one of its roots, which holds a lease for it, writes that to shared data.
//! A filter that wants to know ([`crate::Filter::reads_facts`]) has it read once a tick into memory, so a request asks
//! no host for it. All filters of one `vm_id` share one plane, whatever their namespaces.

use crate::context::Cx;
use crate::drive::{Scope, drive};
use crate::here::Here;
use crate::host::Host;
use crate::leases::Leases;
use crate::services::Services;
use ballast_core::plane::{Enlist, Enlisting, FRESH_FOR, Facts, Publish, Publishers, Record, facts_of};
use ballast_core::time::MonoTime;
use core::time::Duration;

/// The lease of whoever writes a filter's record. Short, so that the record is still fresh when another takes over.
const LEASE: &str = "facts";
const LEASE_TERM: Duration = Duration::from_secs(3);
/// How often an unchanged record is written.
const REPUBLISH_EVERY: Duration = Duration::from_secs(1);
/// The key of the list of publishers.
const PUBLISHERS: &str = "publishers";

#[derive(Debug)]
pub(crate) struct Plane {
    scope: Scope,
    /// The name under which this filter publishes.
    own: String,
    opinion: Option<Facts>,
    written: Option<(Facts, MonoTime)>,
    facts: Facts,
}

impl Plane {
    pub(crate) fn new(filter: &str, namespace: &str) -> Self {
        Self {
            scope: Scope::new("plane", "process"),
            own: format!("{filter}/{namespace}"),
            opinion: None,
            written: None,
            facts: Facts::default(),
        }
    }

    /// Whoever has an opinion wants to be the one that writes it.
    pub(crate) fn want(&self, leases: &mut Leases) {
        if self.opinion.is_some() {
            leases.want(LEASE, LEASE_TERM);
        }
    }

    /// Writes this root's opinion, if it is the one to do so and it is time to.
    pub(crate) fn write<H: Host>(&mut self, here: &Here<'_, H>, leases: &Leases) {
        let Some(facts) = self.opinion else { return };
        if leases.held(LEASE, here.now).is_none() {
            self.written = None;
            return;
        }
        let is_news = self
            .written
            .is_none_or(|(written, at)| written != facts || here.now.since(at) >= REPUBLISH_EVERY);
        if is_news {
            let record = Record { published: here.now, by: here.me, facts };
            let enlisting = Enlisting(self.own.clone());
            let enlisted =
                drive(here.host, &self.scope, &mut Enlist::new(PUBLISHERS, enlisting), |_, _| false);
            let published =
                drive(here.host, &self.scope, &mut Publish::new(self.own.as_str(), record), |_, _| false);
            if enlisted == Ok(true) && published == Ok(true) {
                self.written = Some((facts, here.now));
            }
        }
    }

    /// Reads what all have published.
    pub(crate) fn read(&mut self, host: &impl Host) {
        let value = |name: &str| host.shared(&self.scope.key(name)).ok().and_then(|shared| shared.value);
        let publishers = Publishers::read(value(PUBLISHERS).as_deref());
        let records: Vec<Vec<u8>> = publishers.iter().filter_map(value).collect();
        self.facts = facts_of(records.iter().map(Vec::as_slice), host.now(), FRESH_FOR);
    }
}

impl<H: Host> Cx<'_, H> {
    /// Says what this filter thinks about the process: from the next tick on, and until it says something else. Of the
    /// roots of one filter and namespace one is heard, so all must come to the same opinion.
    pub fn publish(&mut self, facts: Facts) {
        self.services.plane.opinion = Some(facts);
    }

    /// What the filters of this process say together, as of the last tick; nothing unless the filter is one that
    /// [reads them](crate::Filter::reads_facts).
    pub fn facts(&self) -> Facts {
        let Services { plane, .. } = &*self.services;
        plane.facts
    }
}
