//! What an upstream says about its own load, in a header of its answers.
//!
//! # How
//!
//! A number alone, or a report in one of the forms of ORCA (Open Request Cost Aggregation):
//!
//! | form | what stands there |
//! |---|---|
//! | text | `TEXT cpu_utilization=0.9, named_metrics.queue=8`; the word may be missing, and `:` stand for `=` |
//! | JSON | `JSON {"cpu_utilization": 0.9, "named_metrics": {"queue": 8}}` |
//! | binary | `BIN` and the base64 of a protobuf `xds.data.orca.v3.OrcaLoadReport`; in a header whose name ends in `-bin`, as gRPC has it, the base64 alone |
//!
//! A signal whose header is `endpoint-load-metrics` finds the report in `endpoint-load-metrics-bin`, too. Metrics of an application's own stand
//! below `named_metrics`, `utilization` or `request_cost`, written with a dot.
//!
//! # Limits
//!
//! The binary form cannot tell zero from absent in what is no map: zero says nothing.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message;
use std::collections::BTreeMap;

/// The most that an answer counts as over its threshold. The sums of many must stay numbers: what has infinities in it is no
/// [`Board`](super::board::Board), and the limit would begin anew.
const MOST_OVER: f64 = 1_000_000.0;
/// How names of binary headers end.
const BINARY: &str = "-bin";
/// gRPC leaves the padding out, others do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    header: String,
    /// The binary header that is looked at where the other is missing.
    binary: Option<String>,
    metric: Option<String>,
    pub(super) threshold: f64,
}

/// A binary report.
#[derive(Clone, PartialEq, Message)]
struct Report {
    #[prost(double, tag = "1")]
    cpu_utilization: f64,
    #[prost(double, tag = "2")]
    mem_utilization: f64,
    #[prost(uint64, tag = "3")]
    rps: u64,
    #[prost(btree_map = "string, double", tag = "4")]
    request_cost: BTreeMap<String, f64>,
    #[prost(btree_map = "string, double", tag = "5")]
    utilization: BTreeMap<String, f64>,
    #[prost(double, tag = "6")]
    rps_fractional: f64,
    #[prost(double, tag = "7")]
    eps: f64,
    #[prost(btree_map = "string, double", tag = "8")]
    named_metrics: BTreeMap<String, f64>,
    #[prost(double, tag = "9")]
    application_utilization: f64,
}

impl Signal {
    /// A signal in a header of the answer. `metric`: in an ORCA report; `None`: the header is a number. Above `threshold`,
    /// which is more than zero, the upstream counts as overloaded.
    pub fn new(header: String, metric: Option<String>, threshold: f64) -> Self {
        let has_two_forms = metric.is_some() && !header.ends_with(BINARY);
        Self { binary: has_two_forms.then(|| header.clone() + BINARY), header, metric, threshold }
    }

    /// How far what an answer says is over the threshold, as a share of the threshold; below zero: it is under. `None`: it
    /// says nothing that can be read. `get` finds a header.
    pub fn over<'a>(&self, get: impl Fn(&str) -> Option<&'a [u8]>) -> Option<f64> {
        let number = match (&self.metric, get(&self.header)) {
            (None, value) => text(value?)?.parse().ok(),
            (Some(metric), Some(value)) if self.header.ends_with(BINARY) => {
                binary_metric(text(value)?, metric)
            }
            (Some(metric), Some(value)) => report(text(value)?, metric),
            (Some(metric), None) => binary_metric(text(get(self.binary.as_ref()?)?)?, metric),
        };
        let number: f64 = number.filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
        Some((number / self.threshold - 1.0).min(MOST_OVER))
    }
}

fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value).ok().map(str::trim)
}

/// A metric out of a report whose form its first word says.
fn report(text: &str, metric: &str) -> Option<f64> {
    if let Some(json) = text.strip_prefix("JSON") {
        return json_metric(json.trim_start(), metric);
    }
    if let Some(binary) = text.strip_prefix("BIN ") {
        return binary_metric(binary.trim_start(), metric);
    }
    let list = text.strip_prefix("TEXT").unwrap_or(text);
    list.split(',').find_map(|pair| {
        let (name, value) = pair.split_once(['=', ':'])?;
        if name.trim() == metric { value.trim().parse().ok() } else { None }
    })
}

fn json_metric(text: &str, metric: &str) -> Option<f64> {
    let report: serde_json::Value = serde_json::from_str(text).ok()?;
    // JSON of protobuf knows names in two spellings.
    let field = |name: &str| report.get(name).or_else(|| report.get(camel(name)));
    let nested = || metric.split_once('.').and_then(|(group, name)| field(group)?.get(name));
    let value = field(metric).or_else(nested)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// `lower_snake` as `lowerCamel`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn binary_metric(text: &str, metric: &str) -> Option<f64> {
    // A field that came several times is joined with commas, which base64 does not know.
    let first = text.split(',').next()?.trim();
    let report = Report::decode(BASE64.decode(first).ok()?.as_slice()).ok()?;
    let number = match metric {
        "cpu_utilization" => report.cpu_utilization,
        "mem_utilization" => report.mem_utilization,
        "application_utilization" => report.application_utilization,
        "rps_fractional" => report.rps_fractional,
        "rps" => report.rps as f64,
        "eps" => report.eps,
        _ => {
            let (group, name) = metric.split_once('.')?;
            let group = match group {
                "request_cost" => &report.request_cost,
                "utilization" => &report.utilization,
                "named_metrics" => &report.named_metrics,
                _ => return None,
            };
            return group.get(name).copied();
        }
    };
    Some(number).filter(|number| *number != 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn same(over: Option<f64>, expected: Option<f64>) -> bool {
        match (over, expected) {
            (Some(over), Some(expected)) => (over - expected).abs() < 1e-9,
            (over, expected) => over == expected,
        }
    }

    /// `cpu_utilization` 1.0, `named_metrics` with `queue` 8, and a field of a later version.
    fn binary() -> Vec<u8> {
        let report = Report {
            cpu_utilization: 1.0,
            named_metrics: [("queue".to_owned(), 8.0)].into(),
            ..Report::default()
        };
        let mut bytes = report.encode_to_vec();
        bytes.extend([0x78, 0x01]);
        bytes
    }

    #[test]
    fn reports_and_numbers_are_read() {
        let padded = format!("BIN {}", BASE64.encode(binary()));
        for (metric, value, expected) in [
            (Some("cpu_utilization"), "TEXT cpu_utilization=1.0, mem_utilization=0.1", Some(0.25)),
            (Some("cpu_utilization"), "TEXT mem_utilization=0.1,cpu_utilization:0.4", Some(-0.5)),
            (Some("cpu_utilization"), "cpu_utilization=1.0", Some(0.25)),
            (Some("cpu_utilization"), "JSON {\"cpu_utilization\": 1.0}", Some(0.25)),
            (Some("cpu_utilization"), "JSON{\"cpu_utilization\": 1.0}", Some(0.25)),
            (Some("cpu_utilization"), "JSON {\"cpuUtilization\": \"1.0\"}", Some(0.25)),
            (Some("named_metrics.queue"), "JSON {\"named_metrics\": {\"queue\": 8}}", Some(9.0)),
            (Some("named_metrics.a_b"), "JSON {\"namedMetrics\": {\"a_b\": 8}}", Some(9.0)),
            (Some("named_metrics.queue"), "TEXT named_metrics.queue=8", Some(9.0)),
            (Some("cpu_utilization"), padded.as_str(), Some(0.25)),
            (Some("named_metrics.queue"), padded.as_str(), Some(9.0)),
            (Some("named_metrics.other"), padded.as_str(), None),
            // Zero is absent.
            (Some("mem_utilization"), padded.as_str(), None),
            // Written down by hand: field 1, a double, 1.0.
            (Some("cpu_utilization"), "BIN CQAAAAAAAPA/", Some(0.25)),
            (Some("cpu_utilization"), "BIN CQAAAAAAAPA", None),
            (Some("cpu_utilization"), "BIN not base64!", None),
            (Some("cpu_utilization"), "TEXT mem_utilization=1.0", None),
            (Some("cpu_utilization"), "JSON {", None),
            (Some("cpu_utilization"), "TEXT cpu_utilization=nan", None),
            (None, " 1.6 ", Some(1.0)),
            (None, "1e308", Some(1_000_000.0)),
            (Some("cpu_utilization"), "JSON {\"cpu_utilization\": 1e308}", Some(1_000_000.0)),
            (None, "-1", None),
            (None, "much", None),
            (None, "", None),
        ] {
            let signal = Signal::new("x".to_owned(), metric.map(str::to_owned), 0.8);
            let over = signal.over(|name| (name == "x").then_some(value.as_bytes()));
            assert!(same(over, expected), "{metric:?} {value}: {over:?}");
        }
        assert_eq!(Signal::new(String::new(), None, 1.0).over(|_| Some(b"\xff")), None);
    }

    #[test]
    fn a_binary_header_is_read_under_its_own_name_and_beside_the_other() {
        let encoded = BASE64.encode(binary());
        let unpadded = encoded.trim_end_matches('=');
        let twice = format!("{encoded},{encoded}");
        let text = b"TEXT cpu_utilization=0.4".as_slice();
        for (configured, header, value, expected) in [
            ("x", "x-bin", encoded.as_bytes(), Some(0.25)),
            ("x", "x-bin", unpadded.as_bytes(), Some(0.25)),
            ("x", "x-bin", twice.as_bytes(), Some(0.25)),
            ("x-bin", "x-bin", encoded.as_bytes(), Some(0.25)),
            ("x-bin", "x", text, None),
            ("x", "x", text, Some(-0.5)),
            // There is no prefix in it.
            ("x", "x-bin", text, None),
        ] {
            let signal = Signal::new(configured.to_owned(), Some("cpu_utilization".to_owned()), 0.8);
            let over = signal.over(|name| (name == header).then_some(value));
            assert!(same(over, expected), "{configured} {header}: {over:?}");
        }
        let number = Signal::new("x".to_owned(), None, 0.8);
        assert_eq!(number.over(|name| (name == "x-bin").then_some(b"1.6")), None, "a number has one form");
    }
}
