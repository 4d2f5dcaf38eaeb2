//! Metrics as text: Prometheus's format 0.0.4, and OpenMetrics 1.0 for who asks for it.
//!
//! # How
//!
//! Names are those of the proxy's own `/stats/prometheus` with the tags of the samples, so that one dashboard fits both;
//! OpenMetrics wants the names of counters to end in `_total`, and gets that.
//!
//! # Limits
//!
//! No time stamps and no exemplars: what is scraped is of now.

use crate::vec_map::VecMap;
use crate::vec_set::VecSet;
use core::fmt::Write;

/// The format of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's text, version 0.0.4.
    Prometheus,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What a client that sent this `accept` header gets.
    pub fn of(accept: Option<&[u8]>) -> Self {
        let wants = |range: &[u8]| {
            let kind = range.split(|byte| *byte == b';').next().unwrap_or_default();
            let refused = range.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii).any(|part| {
                part.strip_prefix(b"q=")
                    .is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
            });
            kind.trim_ascii().eq_ignore_ascii_case(b"application/openmetrics-text") && !refused
        };
        match accept.is_some_and(|accept| accept.split(|byte| *byte == b',').any(wants)) {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// The `content-type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a metric shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(i64),
    /// A distribution.
    Histogram {
        /// How many were at most so much; the bounds rise, the numbers never fall.
        buckets: Vec<(u64, u64)>,
        /// How many there were.
        count: u64,
        /// What they sum up to.
        sum: u64,
    },
}

impl Value {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram { .. } => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Its name, as the proxy has it; whatever a name cannot hold becomes `_`.
    pub name: String,
    /// Names and values of its labels.
    pub labels: Vec<(String, String)>,
    /// What it shows.
    pub value: Value,
}

/// The text of all of them: families together, in the order of their names. Of two kinds under one name the first
/// counts, and of two series with the same labels the first.
pub fn text(series: &[Series], format: Format) -> String {
    let mut families: VecMap<String, Vec<&Series>> = VecMap::new();
    for one in series {
        families.entry(metric_name(&one.name)).or_default().push(one);
    }
    let mut out = String::with_capacity(series.len() * 96);
    for (name, members) in families {
        let Some(kind) = members.first().map(|first| first.value.kind()) else { continue };
        let family = match (format, kind) {
            (Format::OpenMetrics, "counter") => name.strip_suffix("_total").unwrap_or(&name),
            _ => &name,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# TYPE {family} {kind}");
        let mut seen = VecSet::new();
        for one in members.into_iter().filter(|one| one.value.kind() == kind) {
            let labels = labels(&one.labels);
            if seen.insert(labels.clone()) {
                write_series(&mut out, family, &labels, &one.value, format);
            }
        }
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

fn write_series(out: &mut String, family: &str, labels: &str, value: &Value, format: Format) {
    let braced = |more: &str| match (labels.is_empty(), more.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!("{{{more}}}"),
        (false, true) => format!("{{{labels}}}"),
        (false, false) => format!("{{{labels},{more}}}"),
    };
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Counter(value) => {
            let suffix = if format == Format::OpenMetrics { "_total" } else { "" };
            writeln!(out, "{family}{suffix}{} {value}", braced(""))
        }
        Value::Gauge(value) => writeln!(out, "{family}{} {value}", braced("")),
        Value::Histogram { buckets, count, sum } => {
            for (bound, below) in buckets {
                // OpenMetrics: the bounds are floats in their canonical form.
                let point = if format == Format::OpenMetrics { ".0" } else { "" };
                let _ = writeln!(out, "{family}_bucket{} {below}", braced(&format!("le=\"{bound}{point}\"")));
            }
            let _ = writeln!(out, "{family}_bucket{} {count}", braced("le=\"+Inf\""));
            let _ = writeln!(out, "{family}_sum{} {sum}", braced(""));
            writeln!(out, "{family}_count{} {count}", braced(""))
        }
    };
}

/// Labels in the order of their names, escaped; of two with one name the first counts.
fn labels(labels: &[(String, String)]) -> String {
    let mut sorted: VecMap<String, &str> = VecMap::new();
    for (name, value) in labels {
        sorted.entry(label_name(name)).or_insert(value);
    }
    let mut text = String::new();
    for (name, value) in sorted {
        if !text.is_empty() {
            text.push(',');
        }
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{name}=\"{value}\"");
    }
    text
}

fn metric_name(name: &str) -> String {
    clean(name, |letter| letter == ':')
}

/// `le` belongs to histograms, and a name that begins with two underscores to Prometheus itself.
fn label_name(name: &str) -> String {
    let name = clean(name, |_| false);
    if name == "le" || name.starts_with("__") { format!("label{name}") } else { name }
}

fn clean(name: &str, more: impl Fn(char) -> bool) -> String {
    let is_right = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || more(letter);
    let clean: String = name.chars().map(|letter| if is_right(letter) { letter } else { '_' }).collect();
    match clean.chars().next() {
        None => "_".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{clean}"),
        Some(_) => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn series(name: &str, labels: &[(&str, &str)], value: Value) -> Series {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Series { name: name.to_owned(), labels, value }
    }

    fn sample() -> Vec<Series> {
        vec![
            series("ballast.rate_limit.limited", &[("rule", "b"), ("namespace", "n")], Value::Counter(7)),
            series("ballast.load_shedding.limit", &[], Value::Gauge(-3)),
            series(
                "ballast.rate_limit.limited",
                &[("namespace", "n"), ("rule", "a\"\\\nx")],
                Value::Counter(1),
            ),
            series(
                "ballast.wait_us",
                &[("rule", "a")],
                Value::Histogram { buckets: vec![(1, 2), (5, 3)], count: 4, sum: 19 },
            ),
        ]
    }

    #[test]
    fn families_stand_together_with_their_kind() {
        let expected = "\
# TYPE ballast_load_shedding_limit gauge
ballast_load_shedding_limit -3
# TYPE ballast_rate_limit_limited counter
ballast_rate_limit_limited{namespace=\"n\",rule=\"b\"} 7
ballast_rate_limit_limited{namespace=\"n\",rule=\"a\\\"\\\\\\nx\"} 1
# TYPE ballast_wait_us histogram
ballast_wait_us_bucket{rule=\"a\",le=\"1\"} 2
ballast_wait_us_bucket{rule=\"a\",le=\"5\"} 3
ballast_wait_us_bucket{rule=\"a\",le=\"+Inf\"} 4
ballast_wait_us_sum{rule=\"a\"} 19
ballast_wait_us_count{rule=\"a\"} 4
";
        assert_eq!(text(&sample(), Format::Prometheus), expected);
    }

    #[test]
    fn openmetrics_counts_totals_and_ends() {
        let expected = "\
# TYPE ballast_load_shedding_limit gauge
ballast_load_shedding_limit -3
# TYPE ballast_rate_limit_limited counter
ballast_rate_limit_limited_total{namespace=\"n\",rule=\"b\"} 7
ballast_rate_limit_limited_total{namespace=\"n\",rule=\"a\\\"\\\\\\nx\"} 1
# TYPE ballast_wait_us histogram
ballast_wait_us_bucket{rule=\"a\",le=\"1.0\"} 2
ballast_wait_us_bucket{rule=\"a\",le=\"5.0\"} 3
ballast_wait_us_bucket{rule=\"a\",le=\"+Inf\"} 4
ballast_wait_us_sum{rule=\"a\"} 19
ballast_wait_us_count{rule=\"a\"} 4
# EOF
";
        assert_eq!(text(&sample(), Format::OpenMetrics), expected);
        assert_eq!(text(&[], Format::OpenMetrics), "# EOF\n");
    }

    #[test]
    fn what_would_not_parse_is_not_written() {
        let twice = [
            series("a-b", &[("x", "1"), ("x", "2")], Value::Counter(1)),
            series("a.b", &[("x", "1")], Value::Counter(2)),
            series("a.b", &[("x", "3")], Value::Gauge(3)),
            series("1", &[("le", "4"), ("1", "5"), ("__name__", "6")], Value::Gauge(4)),
        ];
        let expected = "\
# TYPE _1 gauge
_1{_1=\"5\",label__name__=\"6\",labelle=\"4\"} 4
# TYPE a_b counter
a_b{x=\"1\"} 1
";
        assert_eq!(text(&twice, Format::Prometheus), expected);
    }

    #[test]
    fn openmetrics_is_for_who_asks_for_it() {
        for (accept, expected) in [
            (None, Format::Prometheus),
            (Some("text/plain"), Format::Prometheus),
            (Some("*/*"), Format::Prometheus),
            (Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), Format::OpenMetrics),
            (Some("text/plain, Application/OpenMetrics-Text"), Format::OpenMetrics),
            (Some("application/openmetrics-text;q=0"), Format::Prometheus),
        ] {
            assert_eq!(Format::of(accept.map(str::as_bytes)), expected, "{accept:?}");
        }
    }
}
