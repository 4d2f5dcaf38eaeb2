//! Orders, reports, events and metrics.

use crate::Demo;
use crate::paths::{answer, millis, text};
use ballast_core::catalogue::Value;
use ballast_core::orders::{Audience, Order, Outcome, Refusal};
use ballast_core::status::Draft;
use ballast_host::{Cx, Flow, Host, Ordered};
use serde::Serialize;

/// What the demo says about itself.
#[derive(Serialize)]
struct Head {
    executed: usize,
}

/// What it says about one of its permits.
#[derive(Serialize)]
struct Rule<'a> {
    name: &'a str,
    most: u32,
}

impl Demo {
    pub(crate) fn order<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Flow {
        let (filter, namespace) = (text(cx, "x-filter"), text(cx, "x-namespace"));
        let audience = if text(cx, "x-one").is_empty() { Audience::All } else { Audience::One };
        let (name, rule, arguments) = (text(cx, "x-order"), text(cx, "x-rule"), text(cx, "x-arguments"));
        let order = Order { name, rule, who: "tester".to_owned(), arguments: arguments.into_bytes() };
        let within = millis(cx, "x-within-ms");
        match (cx.order(&filter, &namespace, audience, order, within), cx.stream()) {
            (Some(id), Some(waiting)) => {
                self.orders.insert(id, waiting);
                Flow::Pause
            }
            _ => answer("not sent"),
        }
    }

    /// `keep` is remembered, `refuse` is not, `crash` takes the VM down before it answers.
    pub(crate) fn execute<H: Host>(
        &mut self,
        cx: &mut Cx<'_, H>,
        ordered: &Ordered,
    ) -> Result<Vec<u8>, Refusal> {
        match ordered.order.name.as_str() {
            "keep" => {
                let role = if ordered.leads { "leads" } else { "follows" };
                self.executed.push(format!("{} {role}", ordered.order.who));
                let slot = cx.member().map_or(0, |member| member.slot);
                Ok(format!("{{\"slot\":{slot}}}").into_bytes())
            }
            "crash" => std::process::abort(),
            "refuse" => Err("not today".to_owned()),
            other => Err(format!("unknown order `{other}`")),
        }
    }

    pub(crate) fn draft(&self) -> Draft {
        let mut draft = Draft::new(&Head { executed: self.executed.len() });
        for (name, most) in &self.config.permits {
            draft.rule(&Rule { name, most: *most });
        }
        draft
    }
}

pub(crate) fn told(outcome: &Outcome) -> String {
    let answers = |answers: &[ballast_core::orders::Answer]| -> Vec<String> {
        let text = |answer: &ballast_core::orders::Answer| {
            let role = if answer.leads { "leads" } else { "follows" };
            match &answer.result {
                Ok(json) => format!("{role} {}", String::from_utf8_lossy(json)),
                Err(reason) => format!("{role} refused: {reason}"),
            }
        };
        answers.iter().map(text).collect()
    };
    match outcome {
        Outcome::Done(done) => format!("done\n{}", answers(done).join("\n")),
        Outcome::Missing { answers: some, missing } => {
            format!("missing {}\n{}", missing.len(), answers(some).join("\n"))
        }
        Outcome::Nobody => "nobody".to_owned(),
    }
}

pub(crate) fn reports<H: Host>(cx: &mut Cx<'_, H>) -> Flow {
    let line = |report: ballast_core::status::Report| {
        let memory = report.vms.iter().filter(|vm| vm.alive && vm.record.memory_bytes > 0).count();
        let (health, json) = (report.health.as_str(), String::from_utf8_lossy(&report.json).into_owned());
        format!("{}/{} {health} {memory} {json}", report.filter, report.namespace)
    };
    answer(&cx.reports().into_iter().map(line).collect::<Vec<_>>().join("\n"))
}

pub(crate) fn events<H: Host>(cx: &mut Cx<'_, H>) -> Flow {
    let line = |event: ballast_core::events::Event| {
        let ballast_core::events::Event { number, filter, kind, what, who, .. } = event;
        format!("{number} {filter} {kind} {what} {who}").trim_end().to_owned()
    };
    answer(&cx.events().into_iter().map(line).collect::<Vec<_>>().join("\n"))
}

pub(crate) fn metrics<H: Host>(cx: &mut Cx<'_, H>) -> Flow {
    let line = |sample: ballast_core::catalogue::Sample| match sample.value {
        Value::Counter(value) => format!("{} {value}", sample.name),
        Value::Gauge(value) => format!("{} {value}", sample.name),
        Value::Histogram(buckets) => format!("{} {}/{}", sample.name, buckets.sum(), buckets.count()),
    };
    answer(&cx.all_metrics().into_iter().map(line).collect::<Vec<_>>().join("\n"))
}
