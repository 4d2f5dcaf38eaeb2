//! What an upstream says about its own load, in a header of its answers.
//!
//! A number alone, or a report in the form of ORCA (Open Request Cost Aggregation): `TEXT cpu_utilization=0.9, mem_utilization=0.3` or
//! `JSON {"cpu_utilization": 0.9}`, in which metrics of an application's own stand below `named_metrics`, `utilization` or
//! `request_cost`, written with a dot in the text form. The binary form is not read.

/// One signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// The header of the answer.
    pub header: String,
    /// The metric in an ORCA report; `None`: the header is a number.
    pub metric: Option<String>,
    /// Above this the upstream counts as overloaded; more than zero.
    pub threshold: f64,
}

impl Signal {
    /// How far a header's value is over the threshold, as a share of the threshold; below zero: it is under. `None`: it says
    /// nothing that can be read.
    pub fn over(&self, value: &[u8]) -> Option<f64> {
        let text = core::str::from_utf8(value).ok()?.trim();
        let number = match &self.metric {
            None => text.parse().ok(),
            Some(metric) => report(text, metric),
        };
        let number: f64 = number.filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
        Some(number / self.threshold - 1.0)
    }
}

/// A metric out of a report.
fn report(text: &str, metric: &str) -> Option<f64> {
    if let Some(json) = text.strip_prefix("JSON") {
        return json_metric(json.trim_start(), metric);
    }
    let list = text.strip_prefix("TEXT").unwrap_or(text);
    list.split(',').find_map(|pair| {
        let (name, value) = pair.split_once(['=', ':'])?;
        if name.trim() == metric { value.trim().parse().ok() } else { None }
    })
}

fn json_metric(text: &str, metric: &str) -> Option<f64> {
    let report: serde_json::Value = serde_json::from_str(text).ok()?;
    let direct = report.get(metric);
    let nested = || metric.split_once('.').and_then(|(group, name)| report.get(group)?.get(name));
    direct.or_else(nested)?.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn reports_and_numbers_are_read() {
        for (metric, value, expected) in [
            (Some("cpu_utilization"), "TEXT cpu_utilization=1.0, mem_utilization=0.1", Some(0.25)),
            (Some("cpu_utilization"), "TEXT mem_utilization=0.1,cpu_utilization:0.4", Some(-0.5)),
            (Some("cpu_utilization"), "JSON {\"cpu_utilization\": 1.0}", Some(0.25)),
            (Some("cpu_utilization"), "JSON{\"cpu_utilization\": 1.0}", Some(0.25)),
            (Some("named_metrics.queue"), "JSON {\"named_metrics\": {\"queue\": 8}}", Some(9.0)),
            (Some("named_metrics.queue"), "TEXT named_metrics.queue=8", Some(9.0)),
            (Some("cpu_utilization"), "TEXT mem_utilization=1.0", None),
            (Some("cpu_utilization"), "JSON {", None),
            (Some("cpu_utilization"), "BIN CZqZmZmZmbk/", None),
            (Some("cpu_utilization"), "TEXT cpu_utilization=nan", None),
            (None, " 1.6 ", Some(1.0)),
            (None, "-1", None),
            (None, "much", None),
            (None, "", None),
        ] {
            let signal = Signal { header: "x".to_owned(), metric: metric.map(str::to_owned), threshold: 0.8 };
            let over = signal.over(value.as_bytes());
            let same = match (over, expected) {
                (Some(over), Some(expected)) => (over - expected).abs() < 1e-9,
                (over, expected) => over == expected,
            };
            assert!(same, "{value}: {over:?}");
        }
        assert_eq!(Signal { header: String::new(), metric: None, threshold: 1.0 }.over(b"\xff"), None);
    }
}
