//! What other filters say of themselves, as answers.

use crate::Admin;
use crate::answer::body_of;
use ballast_core::admin::alerts::Report as Readable;
use ballast_core::admin::exposition::{Format, Series, Value as Shown, text};
use ballast_core::admin::params::Params;
use ballast_core::admin::refusal::Refusal;
use ballast_core::catalogue::{Sample, Value as Said, parse_name};
use ballast_core::status::Report;
use ballast_host::{Cx, Host, Reply};
use serde_json::{Value, json as value};
use std::collections::BTreeSet;

/// How many events are shown unless said otherwise.
const EVENTS_SHOWN: u64 = 100;

impl Admin {
    pub(crate) fn metrics_text<H: Host>(&self, accept: Option<&[u8]>, cx: &mut Cx<'_, H>) -> Reply {
        let format = Format::of(accept);
        let mut text = text(&series(cx), format);
        if text.is_empty() {
            // An answer without a body would be one without a type, too.
            text.push_str("# No filter has said yet what it counts.\n");
        }
        body_of(200, "metrics", format.content_type(), text.into_bytes())
    }

    pub(crate) fn all_status<H: Host>(&self, params: &Params, cx: &Cx<'_, H>) -> Reply {
        let reports = cx.reports();
        let filters: Vec<Value> = chosen(&reports, None, params).map(shown).collect();
        let body = value!({
            "filters": filters, "vms": self.vms(&reports), "memory_limit_bytes": self.config.memory_limit_bytes,
            "facts": self.show_facts(cx), "drain": self.show_drain(cx), "envoy": self.envoy_seen(cx),
        });
        self.json(200, "status", body, cx)
    }

    fn show_facts<H: Host>(&self, cx: &Cx<'_, H>) -> Value {
        let facts = self.facts(cx);
        value!({
            "overload_level": facts.overload.level(), "draining": facts.draining,
            "critical_breaker_open": facts.critical_breaker_open,
        })
    }

    /// The memory of each VM, as one of its roots says.
    pub(crate) fn vms(&self, reports: &[Report]) -> Vec<Value> {
        let vm = |report: &Report, vm: &ballast_core::status::Vm| {
            value!({
                "filter": report.filter, "namespace": report.namespace, "slot": vm.record.member.slot,
                "memory_bytes": vm.record.memory_bytes, "alive": vm.alive, "at_mono_ns": vm.record.at.as_nanos(),
                "above_limit": vm.record.memory_bytes > self.config.memory_limit_bytes,
            })
        };
        reports.iter().flat_map(|report| report.vms.iter().map(move |one| vm(report, one))).collect()
    }

    /// The rules of one kind of filter, or the one with this name.
    ///
    /// # Errors
    ///
    /// No such filter reports, or it has no such rule.
    pub(crate) fn rules<H: Host>(
        &self,
        filter: &str,
        list: &str,
        name: Option<&str>,
        params: &Params,
        cx: &Cx<'_, H>,
    ) -> Result<Reply, Refusal> {
        let reports = cx.reports();
        let mut rules: Vec<Value> = Vec::new();
        let mut seen = false;
        for report in chosen(&reports, Some(filter), params) {
            seen = true;
            let Value::Object(mut fields) = shown(report) else { continue };
            let Some(Value::Array(found)) = fields.remove("rules") else { continue };
            for mut rule in found {
                if name.is_some_and(|name| rule.get("name").and_then(Value::as_str) != Some(name)) {
                    continue;
                }
                if let Value::Object(rule) = &mut rule {
                    rule.insert("namespace".to_owned(), report.namespace.as_str().into());
                    rule.insert("report".to_owned(), report.health.as_str().into());
                }
                rules.push(rule);
            }
        }
        if !seen {
            return Err(no_such_filter(filter));
        }
        match name {
            Some(name) if rules.is_empty() => Err(Refusal::NotFound(format!(
                "`{name}` is no rule of {filter} here, or it has not reported yet"
            ))),
            _ => Ok(self.json(200, filter, value!({ list: rules }), cx)),
        }
    }

    /// # Errors
    ///
    /// No cache reports.
    pub(crate) fn cache<H: Host>(&self, params: &Params, cx: &Cx<'_, H>) -> Result<Reply, Refusal> {
        let reports = cx.reports();
        let caches: Vec<Value> = chosen(&reports, Some("response-cache"), params).map(shown).collect();
        if caches.is_empty() {
            return Err(no_such_filter("response-cache"));
        }
        Ok(self.json(200, "cache", value!({ "caches": caches }), cx))
    }

    pub(crate) fn events<H: Host>(&self, params: &Params, cx: &Cx<'_, H>) -> Reply {
        let most = usize::try_from(params.number("limit").unwrap_or(EVENTS_SHOWN)).unwrap_or(usize::MAX);
        let events = cx.events();
        let newest = events.iter().rev().take(most).map(|event| {
            value!({
                "number": event.number, "at_mono_ns": event.at.as_nanos(), "filter": event.filter,
                "namespace": event.namespace, "rule": event.rule, "kind": event.kind, "what": event.what,
                "who": event.who,
            })
        });
        let newest: Vec<Value> = newest.collect();
        self.json(200, "events", value!({ "events": newest }), cx)
    }
}

/// The namespaces in which a filter reports.
pub(crate) fn namespaces<H: Host>(filter: &str, params: &Params, cx: &Cx<'_, H>) -> BTreeSet<String> {
    let reports = cx.reports();
    chosen(&reports, Some(filter), params).map(|report| report.namespace.clone()).collect()
}

pub(crate) fn no_such_filter(filter: &str) -> Refusal {
    Refusal::NotFound(format!("no {filter} with such a namespace runs here"))
}

fn chosen<'r>(
    reports: &'r [Report],
    filter: Option<&'r str>,
    params: &'r Params,
) -> impl Iterator<Item = &'r Report> {
    let namespace = params.text("namespace");
    reports
        .iter()
        .filter(move |report| filter.is_none_or(|filter| filter == report.filter))
        .filter(move |report| namespace.is_none_or(|namespace| namespace == report.namespace))
}

/// A report with how far it can be believed.
fn shown(report: &Report) -> Value {
    let mut fields = match serde_json::from_slice(&report.json) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    fields.insert("filter".to_owned(), report.filter.as_str().into());
    fields.insert("namespace".to_owned(), report.namespace.as_str().into());
    fields.insert("report".to_owned(), report.health.as_str().into());
    fields.insert("truncated".to_owned(), report.truncated.into());
    let published = report.published.as_nanos();
    fields.insert("published_mono_ns".to_owned(), (published > 0).then_some(published).into());
    Value::Object(fields)
}

/// What alerts read of reports: those that are of now.
pub(crate) fn readable<H: Host>(cx: &Cx<'_, H>) -> Vec<Readable> {
    let fresh = |report: Report| {
        let json = serde_json::from_slice(&report.json).ok()?;
        (report.health == ballast_core::status::Health::Fresh).then_some(Readable {
            filter: report.filter,
            namespace: report.namespace,
            json,
        })
    };
    cx.reports().into_iter().filter_map(fresh).collect()
}

/// Every metric of every filter.
pub(crate) fn series<H: Host>(cx: &mut Cx<'_, H>) -> Vec<Series> {
    cx.all_metrics().into_iter().filter_map(one).collect()
}

fn one(sample: Sample) -> Option<Series> {
    let name = parse_name(&sample.name)?;
    let labels = name.labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let value = match sample.value {
        Said::Counter(value) => Shown::Counter(value),
        Said::Gauge(value) => Shown::Gauge(value),
        Said::Histogram(buckets) => Shown::Histogram {
            buckets: buckets.cumulative().collect(),
            count: buckets.count(),
            sum: buckets.sum(),
        },
    };
    Some(Series { name: name.family.to_owned(), labels, value })
}
