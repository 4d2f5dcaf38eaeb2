//! From what is written to what is valid.

use super::raw::{
    ProblemType, RawAdmission, RawAlgorithm, RawBulkhead, RawLimit, RawPriority, RawSignal, RawSource,
};
use super::{Admission, Bulkhead, Config, DEFAULT_CLASS, Priority, RawConfig, Reject, Source};
use crate::config::{ConfigError, Name, check_unique};
use crate::load_shedding::level::Thresholds;
use crate::load_shedding::limit::aimd::Aimd;
use crate::load_shedding::limit::gradient2::Gradient2;
use crate::load_shedding::limit::vegas::Vegas;
use crate::load_shedding::limit::{self, Algorithm};
use crate::load_shedding::priority::MOST_CLASSES;
use crate::load_shedding::signal::Signal;
use crate::load_shedding::{Settings, admission, queue};
use crate::matching::{HeaderName, Property};
use crate::units::{Share, Span};
use core::ops::RangeInclusive;
use core::time::Duration;
use std::rc::Rc;

const MINUTE: Duration = Duration::from_secs(60);
/// The longest queue there can be, over all workers.
const MOST_WAITING: u32 = 10_000;
/// How many keys of a bulkhead are told apart at the most: some 16 MiB of shared data.
const MOST_KEYS: u32 = 65_536;
/// The most requests a limit or bulkhead can be for.
const MOST_IN_FLIGHT: u32 = 1_000_000;
/// The most rules of a list.
const MOST_RULES: usize = 64;

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        let priority = priority(raw.priority)?;
        let rules = raw.admission.0;
        at_most("admission", rules.len(), MOST_RULES)?;
        at_most("bulkheads", raw.bulkheads.len(), MOST_RULES)?;
        let numbers = rules.iter().enumerate().map(|(at, rule)| admission_numbers(at, rule));
        let settings = Settings {
            percentile: between(
                "limit.percentile",
                raw.limit.percentile,
                Share::from_basis_points(100)..=Share::from_basis_points(9_900),
            )?
            .of(10_000) as f64
                / 10_000.0,
            window: span("limit.window", raw.limit.window, Duration::from_millis(10)..=MINUTE)?,
            min_samples: between("limit.min_samples", raw.limit.min_samples, 1..=100_000)?,
            limit: limit(&raw.limit)?,
            classes: priority.classes.len(),
            strategy: raw.strategy.into(),
            queue: queue::Settings {
                max_length: between("queue.max_length", raw.queue.max_length, 0..=MOST_WAITING)?,
                target_delay: span(
                    "queue.target_delay",
                    raw.queue.target_delay,
                    Duration::from_millis(1)..=MINUTE,
                )?,
                max_wait: span("queue.max_wait", raw.queue.max_wait, Duration::from_millis(1)..=MINUTE)?,
                order: raw.queue.order.into(),
            },
            admission: numbers.collect::<Result<_, _>>()?,
            thresholds: thresholds(raw.levels.elevated.0, raw.levels.high.0, raw.levels.critical.0)?,
        };
        if !(400..=599).contains(&raw.reject.status) {
            return Err(error(
                "reject.status",
                format!("`{}` refuses nothing: 400 to 599", raw.reject.status),
            ));
        }
        let reject = Reject {
            status: raw.reject.status,
            retry_after: raw.reject.retry_after.0,
            retry_after_jitter: raw.reject.retry_after_jitter,
            problem: match raw.reject.problem_type {
                ProblemType::TemporaryReducedCapacity => {
                    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
                }
                ProblemType::AboutBlank => "about:blank",
            },
        };
        check_unique("bulkheads", raw.bulkheads.iter().map(|bulkhead| &bulkhead.name))?;
        let bulkheads = raw.bulkheads.into_iter().enumerate().map(|(at, raw)| bulkhead(at, raw));
        let signals = raw.load_signals.into_iter().map(signal).collect();
        Ok(Self {
            mode: raw.mode,
            settings: Rc::new(settings),
            exempt: raw.exempt,
            ignore: raw.limit.ignore,
            priority,
            fairness: raw.fairness.map(|fairness| fairness.key),
            admission: admission(rules)?,
            bulkheads: bulkheads.collect::<Result<_, _>>()?,
            signals,
            reject,
            enforce_share: raw.enforce_share.0,
            namespace: raw.namespace,
            on_error: raw.on_error,
        })
    }
}

fn limit(raw: &RawLimit) -> Result<limit::Settings, ConfigError> {
    let (min, max) = (raw.min, between("limit.max", raw.max, 1..=MOST_IN_FLIGHT)?);
    let fixed = raw.algorithm == RawAlgorithm::Fixed;
    if fixed {
        // What holds a limit that moves does not concern one that stays.
        let initial = between("limit.initial", raw.initial, 1..=MOST_IN_FLIGHT)?;
        refuse("limit.tolerance", raw.tolerance.map(|value| value.to_string()), "gradient2")?;
        refuse("limit.timeout", raw.timeout.map(|value| value.to_string()), "aimd")?;
        return Ok(limit::Settings { algorithm: Algorithm::Fixed, initial, min: initial, max: initial });
    }
    between("limit.min", min, 1..=max)?;
    let initial = between("limit.initial", raw.initial, min..=max)?;
    let algorithm = match raw.algorithm {
        RawAlgorithm::Gradient2 => Algorithm::Gradient2(Gradient2 {
            tolerance: number("limit.tolerance", raw.tolerance.unwrap_or(1.25), 1.0..=10.0)?,
        }),
        RawAlgorithm::Vegas => Algorithm::Vegas(Vegas { smoothing: 1.0 }),
        RawAlgorithm::Aimd | RawAlgorithm::Fixed => {
            let timeout = raw.timeout.unwrap_or(Span(Duration::from_secs(5)));
            Algorithm::Aimd(Aimd {
                timeout: span("limit.timeout", timeout, Duration::from_millis(1)..=10 * MINUTE)?,
            })
        }
    };
    if raw.algorithm != RawAlgorithm::Gradient2 {
        refuse("limit.tolerance", raw.tolerance.map(|value| value.to_string()), "gradient2")?;
    }
    if raw.algorithm != RawAlgorithm::Aimd {
        refuse("limit.timeout", raw.timeout.map(|value| value.to_string()), "aimd")?;
    }
    Ok(limit::Settings { algorithm, initial, min, max })
}

fn priority(raw: Option<RawPriority>) -> Result<Priority, ConfigError> {
    let Some(raw) = raw else {
        let classes = super::raw::classes().into_iter().filter(|name| name.as_str() == DEFAULT_CLASS);
        return Ok(Priority { sources: Vec::new(), classes: classes.collect(), default: 0, propagate: None });
    };
    at_most("priority.classes", raw.classes.len(), MOST_CLASSES)?;
    for (at, name) in raw.classes.iter().enumerate() {
        if raw.classes.iter().take(at).any(|earlier| earlier == name) {
            return Err(error(&format!("priority.classes[{at}]"), format!("`{name}` is named twice")));
        }
    }
    let default = raw.classes.iter().position(|name: &Name| name.as_str() == DEFAULT_CLASS);
    let Some(default) = default.and_then(|at| u8::try_from(at).ok()) else {
        let reason = format!("none is called `{DEFAULT_CLASS}`: requests that name no class need one");
        return Err(error("priority.classes", reason));
    };
    let sources = raw.by.into_iter().enumerate().map(|(at, raw)| source(&format!("priority.by[{at}]"), raw));
    let sources: Vec<Source> = sources.collect::<Result<_, _>>()?;
    if sources.is_empty() {
        return Err(error(
            "priority.by",
            "`[]` names no class: name a header or a key of the route's metadata".to_owned(),
        ));
    }
    Ok(Priority { sources, classes: raw.classes, default, propagate: raw.propagate })
}

fn source(path: &str, raw: RawSource) -> Result<Source, ConfigError> {
    match raw {
        RawSource { header: Some(header), trust: Some(trust), route_metadata: None } => {
            Ok(Source::Header(header, trust))
        }
        RawSource { header: Some(_), trust: None, route_metadata: None } => Err(error(
            &format!("{path}.trust"),
            "missing: a header that raises a priority is believed from some only".to_owned(),
        )),
        RawSource { header: None, trust: None, route_metadata: Some(key) } => {
            Ok(Source::Property(Property::RouteMetadata(vec!["ballast".to_owned(), key.0])))
        }
        _ => Err(error(path, "either `header` with `trust`, or `route_metadata`".to_owned())),
    }
}

fn admission_numbers(at: usize, raw: &RawAdmission) -> Result<admission::Settings, ConfigError> {
    let path = |field: &str| format!("admission[{at}].{field}");
    if raw.success_rate == Share::NONE {
        return Err(error(&path("success_rate"), "`0%` refuses nobody: more than that".to_owned()));
    }
    let hour = 60 * MINUTE;
    Ok(admission::Settings {
        success_rate: raw.success_rate,
        window: span(&path("window"), raw.window, Duration::from_secs(1)..=hour)?,
        aggression: number(&path("aggression"), raw.aggression, 0.1..=10.0)?,
        max_rejection: raw.max_rejection,
        min_rps: raw.min_rps,
    })
}

fn admission(rules: Vec<RawAdmission>) -> Result<Vec<Admission>, ConfigError> {
    let one = rules.len() == 1;
    let mut checked: Vec<Admission> = Vec::with_capacity(rules.len());
    for (at, rule) in rules.into_iter().enumerate() {
        let path = format!("admission[{at}].name");
        let name = match rule.name {
            Some(name) => name.as_str().to_owned(),
            None if one => DEFAULT_CLASS.to_owned(),
            None => return Err(error(&path, "missing: of several rules each has a name".to_owned())),
        };
        if checked.iter().any(|earlier| earlier.name == name) {
            return Err(error(
                &path,
                format!("`{name}` is the name of another rule too: names must be unique"),
            ));
        }
        checked.push(Admission { name, matcher: rule.matcher, mode: rule.mode });
    }
    Ok(checked)
}

fn bulkhead(at: usize, raw: RawBulkhead) -> Result<Bulkhead, ConfigError> {
    let path = |field: &str| format!("bulkheads[{at}].{field}");
    Ok(Bulkhead {
        max_concurrent: between(&path("max_concurrent"), raw.max_concurrent, 1..=MOST_IN_FLIGHT)?,
        max_queue: between(&path("max_queue"), raw.max_queue, 0..=MOST_WAITING)?,
        max_wait: span(&path("max_wait"), raw.max_wait, Duration::from_millis(1)..=MINUTE)?,
        max_keys: between(&path("max_keys"), raw.max_keys, 1..=MOST_KEYS)?,
        name: raw.name,
        matcher: raw.matcher,
        key: raw.key,
        on_missing_key: raw.on_missing_key,
        mode: raw.mode,
    })
}

fn signal(raw: RawSignal) -> Signal {
    let header = HeaderName::as_str(&raw.response_header).to_owned();
    Signal::new(header, raw.metric.map(|metric| metric.0), raw.threshold.0)
}

fn thresholds(elevated: f64, high: f64, critical: f64) -> Result<Thresholds, ConfigError> {
    if elevated > high || high > critical {
        let reason = "each level is at least the one before: elevated, high, critical".to_owned();
        return Err(error("levels", reason));
    }
    Ok(Thresholds { elevated, high, critical })
}

fn refuse(path: &str, value: Option<String>, algorithm: &str) -> Result<(), ConfigError> {
    match value {
        Some(value) => Err(error(path, format!("`{value}` is for algorithm `{algorithm}` only"))),
        None => Ok(()),
    }
}

fn at_most(path: &str, count: usize, most: usize) -> Result<(), ConfigError> {
    if count > most { Err(error(path, format!("{count} are too many: at most {most}"))) } else { Ok(()) }
}

fn between<T: PartialOrd + core::fmt::Display>(
    path: &str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<T, ConfigError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    Err(error(path, format!("`{value}` is not {} to {}", allowed.start(), allowed.end())))
}

fn number(path: &str, value: f64, allowed: RangeInclusive<f64>) -> Result<f64, ConfigError> {
    between(path, value, allowed)
}

fn span(path: &str, value: Span, allowed: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
    let (first, last) = (Span(*allowed.start()), Span(*allowed.end()));
    between(path, value, first..=last).map(|span| span.0)
}

fn error(path: &str, reason: String) -> ConfigError {
    ConfigError::new(path.to_owned(), reason)
}
