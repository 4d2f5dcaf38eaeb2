//! What this filter says about itself, and what others say.
//!
//! While somebody wants reports, each root lists its metrics, adds what it has recorded into histograms and writes how much
//! memory its VM has; the one that holds the lease also writes what the filter says. All of it happens on the tick.

use crate::abi;
use crate::context::Cx;
use crate::drive::{Scope, drive};
use crate::filter::Filter;
use crate::host::{Host, MetricId, MetricKind};
use crate::services::Services;
use ballast_core::catalogue::{Buckets, Catalogue, Gathering, Kind, Listing, Sample, Value};
use ballast_core::plane::{Enlist, Enlisting, Publishers};
use ballast_core::rewrite::Rewrite;
use ballast_core::status::{MOST_BYTES, Record, Report, VmRecord, WRITE_EVERY, Wanted};
use ballast_core::time::MonoTime;
use ballast_core::vec_map::VecMap;
use ballast_core::vms::{BEAT_EVERY, Refresh, View};
use core::time::Duration;

/// The lease of whoever writes a filter's report. Short, so that the report is still fresh when another takes over.
const LEASE: &str = "report";
const LEASE_TERM: Duration = Duration::from_secs(3);
/// The list of the filters that report.
const REPORTERS: &str = "reporters";
/// Until when somebody wants to read.
const WANTED: &str = "wanted";

/// Where all filters leave what others read about them.
pub(crate) fn shared_scope() -> Scope {
    Scope::new("status", "process")
}

/// The reporting of one root.
#[derive(Debug)]
pub(crate) struct Reports {
    scope: Scope,
    /// `<filter>/<namespace>`.
    own: String,
    looked_at: Option<MonoTime>,
    is_wanted: bool,
    is_listed: bool,
    vm_written_at: Option<MonoTime>,
    /// When this root has said that it wants to read.
    wanted_at: Option<MonoTime>,
    /// Metrics of all filters that this root has met.
    met: VecMap<String, Option<MetricId>>,
}

impl Reports {
    pub(crate) fn new(filter: &str, namespace: &str) -> Self {
        Self {
            scope: shared_scope(),
            own: format!("{filter}/{namespace}"),
            looked_at: None,
            is_wanted: false,
            is_listed: false,
            vm_written_at: None,
            wanted_at: None,
            met: VecMap::new(),
        }
    }

    fn key(&self, what: &str) -> String {
        self.scope.key(format_args!("{}/{what}", self.own))
    }

    fn value(&self, host: &impl Host, name: &str) -> Option<Vec<u8>> {
        host.shared(&self.scope.key(name)).ok().and_then(|shared| shared.value)
    }

    /// Whether it is time to write, and somebody wants to read.
    fn is_due(&mut self, host: &impl Host, now: MonoTime) -> bool {
        if self.looked_at.is_some_and(|at| now.since(at) < WRITE_EVERY) {
            return false;
        }
        self.looked_at = Some(now);
        self.is_wanted = Wanted::is_wanted(self.value(host, WANTED).as_deref(), now);
        self.is_wanted
    }

    fn reporters(&self, host: &impl Host) -> Publishers {
        Publishers::read(self.value(host, REPORTERS).as_deref())
    }
}

/// Writes what it is time to write. Called on each tick.
pub(crate) fn report<F: Filter, H: Host>(filter: &mut F, cx: &mut Cx<'_, H>) {
    cx.flush_events();
    let now = cx.host.now();
    if !cx.services.reports.is_due(cx.host, now) {
        return;
    }
    let Some(me) = cx.member() else { return };
    let Services { reports, metrics, leases, .. } = &mut *cx.services;
    leases.want(LEASE, LEASE_TERM);
    if !reports.is_listed {
        let mut enlist = Enlist::new(REPORTERS, Enlisting(reports.own.clone()));
        reports.is_listed = drive(cx.host, &reports.scope, &mut enlist, |_, _| false) == Ok(true);
    }
    if reports.vm_written_at.is_none_or(|at| now.since(at) >= BEAT_EVERY) {
        let record = VmRecord { member: me, at: now, memory_bytes: abi::memory_bytes() };
        let key = reports.key(&format!("vm/{}", me.slot));
        // What could not be written is written a second later.
        let _ = cx.host.put_shared(&key, &record.encode());
        reports.vm_written_at = Some(now);
    }
    if let Ok(mut metrics) = metrics.try_borrow_mut() {
        metrics.write(cx.host, &reports.scope, &reports.own);
    }
    if leases.held(LEASE, now).is_none() {
        return;
    }
    let Some(draft) = filter.status(cx) else { return };
    let namespace = cx.scope().namespace().to_owned();
    let (json, left_out) = draft.finish(F::NAME, &namespace, MOST_BYTES);
    let record = Record { published: now, by: me, truncated: left_out > 0, json };
    // One root writes it, which holds the lease; a report that could not be written is written a moment later.
    let _ = cx.host.put_shared(&cx.services.reports.key("report"), &record.encode());
}

/// The metrics that a root has defined.
#[derive(Debug, Default)]
pub(crate) struct Defined {
    new: Catalogue,
    histograms: Vec<(String, crate::metrics::Gathered)>,
}

impl Defined {
    pub(crate) fn add(&mut self, name: &str, kind: MetricKind) {
        let kind = match kind {
            MetricKind::Counter => Kind::Counter,
            MetricKind::Gauge => Kind::Gauge,
            MetricKind::Histogram => Kind::Histogram,
        };
        self.new.add(name, kind);
    }

    /// What is gathered of a histogram beside what the proxy keeps.
    pub(crate) fn gathered(&mut self, name: &str) -> crate::metrics::Gathered {
        if let Some((_, known)) = self.histograms.iter().find(|(known, _)| known == name) {
            return known.clone();
        }
        let gathered = crate::metrics::Gathered::default();
        self.histograms.push((name.to_owned(), gathered.clone()));
        gathered
    }

    /// Lists what is new, and adds what was recorded.
    fn write(&mut self, host: &impl Host, scope: &Scope, own: &str) {
        if self.new.iter().next().is_some() {
            let listing = Listing(core::mem::take(&mut self.new));
            let again = listing.0.clone();
            let mut listing = Rewrite::new(format!("{own}/metrics"), listing);
            if drive(host, scope, &mut listing, |_, _| false).is_err() {
                self.new = again;
            }
        }
        for (name, gathered) in &self.histograms {
            let Ok(mut gathered) = gathered.try_borrow_mut() else { continue };
            if gathered.is_empty() {
                continue;
            }
            let mut gathering = Rewrite::new(format!("histogram/{name}"), Gathering(gathered.clone()));
            if drive(host, scope, &mut gathering, |_, _| false).is_ok() {
                *gathered = Buckets::default();
            }
        }
    }
}

impl<H: Host> Cx<'_, H> {
    /// Whether somebody wants to read reports, as of the last time that this root looked.
    pub fn is_reported(&self) -> bool {
        self.services.reports.is_wanted
    }

    /// Says that reports are wanted. To be called on each tick for as long as they are: filters write them only then.
    pub fn want_reports(&mut self) {
        let (now, reports) = (self.host.now(), &mut self.services.reports);
        if reports.wanted_at.is_none_or(|at| now.since(at) >= BEAT_EVERY) {
            reports.wanted_at = Some(now);
            // What could not be said is said a second later.
            let _ = self.host.put_shared(&reports.scope.key(WANTED), &Wanted::from(now).encode());
        }
    }

    /// What all filters say about themselves, as of now. Some host calls for each: for a tick or a rare request.
    pub fn reports(&self) -> Vec<Report> {
        let (host, reports, now) = (self.host, &self.services.reports, self.host.now());
        let reporters = reports.reporters(host);
        let report = |name: &str| {
            let (filter, namespace) = name.split_once('/').unwrap_or((name, ""));
            let scope = Scope::new(filter, namespace);
            let refreshed = drive(host, &scope, &mut Refresh::new(None, now), |_, _| false);
            let view = refreshed.map_or_else(|_| View::default(), |refreshed| refreshed.view);
            let vms = view
                .members()
                .filter_map(|member| reports.value(host, &format!("{name}/vm/{}", member.slot)));
            let vms: Vec<Vec<u8>> = vms.collect();
            let record = reports.value(host, &format!("{name}/report"));
            Report::read(name, record.as_deref(), vms.iter().map(Vec::as_slice), &view, now)
        };
        reporters.iter().map(report).collect()
    }

    /// The metrics of all filters that report, by name. One host call for each: for a rare request.
    pub fn all_metrics(&mut self) -> Vec<Sample> {
        let (host, reports) = (self.host, &mut self.services.reports);
        let mut samples = Vec::new();
        for name in reports.reporters(host).iter() {
            let catalogue = Catalogue::read(reports.value(host, &format!("{name}/metrics")).as_deref());
            for (name, kind) in catalogue.iter() {
                let value = match kind {
                    Kind::Histogram => {
                        let value = reports.value(host, &format!("histogram/{name}"));
                        Some(Value::Histogram(Box::new(Buckets::read(value.as_deref()))))
                    }
                    Kind::Counter => {
                        read(host, &mut reports.met, name, MetricKind::Counter).map(Value::Counter)
                    }
                    Kind::Gauge => {
                        let value = read(host, &mut reports.met, name, MetricKind::Gauge);
                        value.map(|value| Value::Gauge(value.cast_signed()))
                    }
                };
                samples.extend(value.map(|value| Sample { name: name.to_owned(), value }));
            }
        }
        samples
    }
}

/// Reads a metric of whichever filter: defined once more it is the same one.
fn read(
    host: &impl Host,
    met: &mut VecMap<String, Option<MetricId>>,
    name: &str,
    kind: MetricKind,
) -> Option<u64> {
    let id = match met.get(name) {
        Some(id) => *id,
        None => *met.entry(name.to_owned()).or_insert_with(|| host.define_metric(kind, name).ok()),
    };
    host.metric(id?).ok()
}
