//! How well the process is, as answers.

use crate::Admin;
use crate::answer::json;
use ballast_core::admin::health::{Component, Since, State, components_of, overall, reasons_against};
use ballast_core::plane::Facts;
use ballast_core::status::Health;
use ballast_host::{Cx, Host, Reply};
use serde_json::{Value, json as value};

/// The key of since when each component is what it is.
pub(crate) const SINCE: &str = "since";

impl Admin {
    /// The facts, with what this worker knows already.
    pub(crate) fn facts<H: Host>(&self, cx: &Cx<'_, H>) -> Facts {
        let facts = cx.facts();
        Facts { draining: facts.draining || self.drain.is_some(), ..facts }
    }

    /// Why no new traffic should come.
    fn reasons<H: Host>(&self, cx: &Cx<'_, H>) -> Vec<String> {
        let checks = self.checks(cx);
        let failed = self.config.checks.iter().filter(|check| {
            check.essential && checks.get(check.name.as_str()).is_some_and(|known| known.has_failed())
        });
        reasons_against(&self.facts(cx), failed.map(|check| check.name.as_str()))
    }

    pub(crate) fn ready<H: Host>(&self, cx: &Cx<'_, H>) -> Reply {
        let reasons = self.reasons(cx);
        match reasons.is_empty() {
            true => json(200, "ready", &value!({ "ready": true })),
            false => json(503, "not_ready", &value!({ "ready": false, "reasons": reasons })),
        }
    }

    fn components<H: Host>(&self, cx: &Cx<'_, H>) -> Vec<Component> {
        let mut components = components_of(&self.facts(cx));
        let checks = self.checks(cx);
        for check in &self.config.checks {
            let known = checks.get(check.name.as_str()).cloned().unwrap_or_default();
            components.push(Component {
                name: format!("check:{}", check.name),
                state: match known.passing {
                    Some(false) if check.essential => State::Unhealthy,
                    Some(false) => State::Degraded,
                    Some(true) => State::Healthy,
                    // Nothing has been heard, which says nothing.
                    None => State::Healthy,
                },
                essential: check.essential,
                details: value!({
                    "cluster": check.target.cluster, "passing": known.passing, "error": known.error,
                    "asked_mono_ns": (known.at_mono_ns > 0).then_some(known.at_mono_ns),
                }),
            });
        }
        components
    }

    /// The memory of the VMs, and whether every filter says how it is: not for every tick, but for who asks.
    fn components_of_reports<H: Host>(&self, cx: &Cx<'_, H>) -> Vec<Component> {
        let reports = cx.reports();
        let largest = reports
            .iter()
            .flat_map(|report| &report.vms)
            .filter(|vm| vm.alive)
            .map(|vm| vm.record.memory_bytes)
            .max();
        let large = largest.is_some_and(|bytes| bytes > self.config.memory_limit_bytes);
        let memory = Component {
            name: "memory".to_owned(),
            state: if large { State::Degraded } else { State::Healthy },
            essential: false,
            details: value!({ "largest_vm_bytes": largest, "limit_bytes": self.config.memory_limit_bytes }),
        };
        let filters = reports.iter().map(|report| Component {
            name: format!("filter:{}/{}", report.filter, report.namespace),
            state: match report.health {
                Health::Fresh | Health::Absent => State::Healthy,
                Health::Stale | Health::Damaged => State::Degraded,
            },
            essential: false,
            details: value!({ "report": report.health.as_str(), "truncated": report.truncated }),
        });
        core::iter::once(memory).chain(filters).collect()
    }

    /// Every component, those included that take some host calls to ask.
    pub(crate) fn all_components<H: Host>(&self, cx: &Cx<'_, H>) -> Vec<Component> {
        let mut components = self.components(cx);
        components.extend(self.components_of_reports(cx));
        components
    }

    pub(crate) fn health<H: Host>(&self, cx: &Cx<'_, H>) -> Reply {
        let components = self.all_components(cx);
        let since = cx.host.shared(&cx.scope().key(SINCE)).ok().and_then(|shared| shared.value);
        let since = Since::read(since.as_deref());
        let shown: Vec<Value> = components
            .iter()
            .map(|component| {
                let since = since.of(component).unwrap_or_else(|| cx.host.now());
                value!({
                    "name": component.name, "state": component.state, "since_mono_ns": since.as_nanos(),
                    "essential": component.essential, "details": component.details,
                })
            })
            .collect();
        let (state, reasons) = (overall(&components), self.reasons(cx));
        let body = value!({
            "status": state, "ready": reasons.is_empty(), "reasons": reasons, "components": shown,
        });
        self.json(if state == State::Unhealthy { 503 } else { 200 }, "health", body, cx)
    }

    /// An answer whose times are those of the wall.
    pub(crate) fn json<H: Host>(&self, status: u16, what: &str, body: Value, cx: &Cx<'_, H>) -> Reply {
        let mut body = body;
        ballast_core::status::humanize(&mut body, cx.host.now(), cx.host.wall_time());
        json(status, what, &body)
    }
}
