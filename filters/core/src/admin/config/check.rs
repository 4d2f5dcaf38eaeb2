//! What is written, checked as a whole.

use super::raw::{
    RawAccess, RawAlert, RawChannel, RawCheck, RawCondition, RawConfig, RawCredential, RawDrain, RawTarget,
};
use super::{
    Access, Channel, ChannelKind, CheckConfig, Config, CredentialConfig, DrainConfig, EnvoyAdmin, Snapshots,
    Target, TokenSource,
};
use crate::admin::access::{Credential, FailureLimit};
use crate::admin::alerts::{Alert, Bound, Condition, Source};
use crate::admin::checks::Thresholds;
use crate::admin::drain::Patience;
use crate::config::{ConfigError, check_unique};
use crate::http::StatusSet;
use crate::units::{ByteSize, Span};
use core::fmt::Display;
use core::ops::RangeInclusive;
use core::time::Duration;
use serde::Deserialize;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const LEAST_MEMORY: ByteSize = ByteSize(1 << 20);
/// The most alerts, checks and channels: all are looked at on a tick.
const MOST: usize = 100;

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        check_unique("checks", raw.checks.iter().map(|check| &check.name))?;
        check_unique("alerts", raw.alerts.iter().map(|alert| &alert.name))?;
        check_unique("channels", raw.channels.iter().map(|channel| &channel.name))?;
        for (list, count) in
            [("checks", raw.checks.len()), ("alerts", raw.alerts.len()), ("channels", raw.channels.len())]
        {
            if count > MOST {
                return Err(error(list, format!("{count} are too many: at most {MOST}")));
            }
        }
        let checks: Vec<CheckConfig> = list("checks", raw.checks, check)?;
        let alerts = list("alerts", raw.alerts, |at, raw| alert(at, raw, &checks))?;
        let envoy_admin = raw.envoy_admin.map(|raw| {
            Ok::<_, ConfigError>(EnvoyAdmin {
                cluster: named("envoy_admin.cluster", raw.cluster)?,
                interval: span("envoy_admin.interval", raw.interval, SECOND..=10 * MINUTE)?,
                drain_connections: raw.drain_connections,
            })
        });
        let snapshots = raw.snapshots.map(|raw| {
            let every = raw.every.map(|every| span("snapshots.every", every, SECOND..=DAY));
            Ok::<_, ConfigError>(Snapshots {
                store: target("snapshots.store", raw.store)?,
                every: every.transpose()?,
                load_at_start: raw.load_at_start,
            })
        });
        if raw.memory_limit < LEAST_MEMORY {
            return Err(error(
                "memory_limit",
                format!("`{}` is too little: at least {LEAST_MEMORY}", raw.memory_limit),
            ));
        }
        Ok(Self {
            mode: raw.mode,
            endpoints: raw.endpoints,
            prefix: prefix(raw.prefix)?,
            access: access(raw.access)?,
            drain: drain(raw.drain)?,
            checks,
            envoy_admin: envoy_admin.transpose()?,
            alerts,
            channels: list("channels", raw.channels, channel)?,
            snapshots: snapshots.transpose()?,
            memory_limit_bytes: raw.memory_limit.0,
            namespace: raw.namespace,
        })
    }
}

fn list<R, V>(
    name: &str,
    raw: Vec<R>,
    read: impl Fn(&str, R) -> Result<V, ConfigError>,
) -> Result<Vec<V>, ConfigError> {
    raw.into_iter().enumerate().map(|(at, raw)| read(&format!("{name}[{at}]"), raw)).collect()
}

fn prefix(prefix: String) -> Result<String, ConfigError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    let plain = prefix.starts_with('/') && !prefix.ends_with('/') && prefix.bytes().all(allowed);
    if plain && !prefix.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return Ok(prefix);
    }
    let reason =
        format!("`{prefix}` is no prefix: write it like `/ballast`, of letters, digits, `-`, `_` and `.`");
    Err(error("prefix", reason))
}

fn access(raw: RawAccess) -> Result<Access, ConfigError> {
    let credentials = |name: &str, raw: Vec<RawCredential>| {
        check_unique(name, raw.iter().map(|credential| &credential.name))?;
        list(name, raw, credential)
    };
    let most = raw.failures.most;
    if !(1..=1_000).contains(&most) {
        return Err(error("access.failures.most", format!("`{most}` is not allowed: 1 to 1000")));
    }
    Ok(Access {
        read: credentials("access.read", raw.read)?,
        act: credentials("access.act", raw.act)?,
        allow: raw.allow,
        allow_loopback: raw.allow_loopback,
        guard_probes: raw.guard_probes,
        failures: FailureLimit {
            most,
            within: span("access.failures.within", raw.failures.within, SECOND..=DAY)?,
        },
    })
}

fn credential(at: &str, raw: RawCredential) -> Result<CredentialConfig, ConfigError> {
    let source = match (raw.token, raw.token_env) {
        (Some(token), None) => {
            Credential::new(raw.name.as_str(), token.as_bytes())
                .map_err(|reason| error(&format!("{at}.token"), reason))?;
            TokenSource::Written(token.into_bytes())
        }
        (None, Some(name)) => TokenSource::Environment(variable(&format!("{at}.token_env"), name)?),
        (None, None) => return Err(error(at, "no token: name token_env or token".to_owned())),
        (Some(_), Some(_)) => return Err(error(at, "token and token_env: only one of them".to_owned())),
    };
    Ok(CredentialConfig { name: raw.name, source })
}

fn variable(at: &str, name: String) -> Result<String, ConfigError> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(error(at, "this is not the name of an environment variable".to_owned()));
    }
    Ok(name)
}

fn drain(raw: RawDrain) -> Result<DrainConfig, ConfigError> {
    if !(400..=599).contains(&raw.status) {
        return Err(error("drain.status", format!("`{}` refuses nothing: 400 to 599", raw.status)));
    }
    Ok(DrainConfig {
        patience: Patience {
            draining: span("drain.timeout", raw.timeout, Duration::ZERO..=HOUR)?,
            closing: span("drain.close_timeout", raw.close_timeout, Duration::ZERO..=10 * MINUTE)?,
            force_after: span("drain.force_after", raw.force_after, Duration::ZERO..=2 * HOUR)?,
        },
        status: raw.status,
        retry_after: span("drain.retry_after", raw.retry_after, Duration::ZERO..=HOUR)?,
        exempt: raw.exempt,
        web_hook: raw.web_hook.map(|raw| target("drain.web_hook", raw)).transpose()?,
    })
}

fn target(at: &str, raw: RawTarget) -> Result<Target, ConfigError> {
    let place = |field: &str| format!("{at}.{field}");
    let cluster = named(&place("cluster"), raw.cluster)?;
    let authority = raw.authority.unwrap_or_else(|| cluster.clone());
    Ok(Target {
        path: path(&place("path"), raw.path)?,
        authority: visible(&place("authority"), authority)?,
        token_env: raw.token_env.map(|name| variable(&place("token_env"), name)).transpose()?,
        timeout: span(&place("timeout"), raw.timeout, MILLISECOND..=MINUTE)?,
        cluster,
    })
}

fn check(at: &str, raw: RawCheck) -> Result<CheckConfig, ConfigError> {
    let place = |field: &str| format!("{at}.{field}");
    let (cluster, path, authority, timeout) = (raw.cluster, raw.path, raw.authority, raw.timeout);
    let target = target(at, RawTarget { cluster, path, authority, token_env: None, timeout })?;
    let interval = span(&place("interval"), raw.interval, SECOND..=HOUR)?;
    if target.timeout > interval {
        let reason = format!("`{}` is longer than the interval of {}", raw.timeout, raw.interval);
        return Err(error(&place("timeout"), reason));
    }
    let count = |field: &str, count: u32| match count {
        1..=100 => Ok(count),
        _ => Err(error(&place(field), format!("`{count}` is not allowed: 1 to 100"))),
    };
    Ok(CheckConfig {
        expect: if raw.expect.is_empty() { successes() } else { raw.expect },
        thresholds: Thresholds {
            unhealthy_after: count("unhealthy_after", raw.unhealthy_after)?,
            healthy_after: count("healthy_after", raw.healthy_after)?,
        },
        essential: raw.essential,
        name: raw.name,
        target,
        interval,
    })
}

fn successes() -> StatusSet {
    // It is a set.
    StatusSet::deserialize(serde_json::json!(["200-299"])).unwrap_or_default()
}

fn alert(at: &str, raw: RawAlert, checks: &[CheckConfig]) -> Result<Alert, ConfigError> {
    Ok(Alert {
        name: raw.name.as_str().to_owned(),
        severity: raw.severity,
        summary: if raw.summary.is_empty() { raw.name.to_string() } else { raw.summary },
        when: condition(&format!("{at}.when"), raw.when, checks)?,
        hold: span(&format!("{at}.for"), raw.hold, Duration::ZERO..=DAY)?,
    })
}

fn condition(at: &str, raw: RawCondition, checks: &[CheckConfig]) -> Result<Condition, ConfigError> {
    let place = |field: &str| format!("{at}.{field}");
    let given = [raw.metric.is_some(), raw.status.is_some(), raw.fact.is_some(), raw.check.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(error(at, "exactly one of metric, status, fact and check is needed".to_owned()));
    }
    if raw.metric.is_none() && (raw.per_second_over.is_some() || !raw.labels.is_empty()) {
        return Err(error(at, "labels and per_second_over go with metric only".to_owned()));
    }
    if let Some(name) = raw.check {
        if raw.above.is_some() || raw.below.is_some() {
            return Err(error(at, "a check has failed or has not: above and below say nothing".to_owned()));
        }
        if !checks.iter().any(|check| check.name == name) {
            return Err(error(&place("check"), format!("`{name}` is no check of `checks`")));
        }
        let source = Source::Check(name.as_str().to_owned());
        return Ok(Condition { source, bound: Bound::Above(0.0) });
    }
    let bound = match (raw.above, raw.below) {
        (Some(bound), None) => Bound::Above(bound),
        (None, Some(bound)) => Bound::Below(bound),
        _ => return Err(error(at, "exactly one of above and below is needed".to_owned())),
    };
    let source = if let Some(name) = raw.metric {
        let over = raw.per_second_over.map(|over| span(&place("per_second_over"), over, SECOND..=DAY));
        Source::Metric { name, labels: raw.labels, per_second_over: over.transpose()? }
    } else if let Some(figure) = raw.status {
        let Some(pointer) = figure.pointer.strip_prefix('/') else {
            let reason = format!("`{}` is no place: write it like `/rules/*/keys_fill`", figure.pointer);
            return Err(error(&place("status.pointer"), reason));
        };
        Source::Status {
            filter: figure.filter.as_str().to_owned(),
            namespace: figure.namespace.map(|namespace| namespace.as_str().to_owned()),
            pointer: pointer.split('/').map(str::to_owned).collect(),
        }
    } else {
        match raw.fact {
            Some(fact) => Source::Fact(fact),
            None => return Err(error(at, "nothing is read".to_owned())),
        }
    };
    Ok(Condition { source, bound })
}

fn channel(at: &str, raw: RawChannel) -> Result<Channel, ConfigError> {
    let place = |field: &str| format!("{at}.{field}");
    let manager = raw.kind == ChannelKind::Alertmanager;
    if !manager && (raw.repeat.is_some() || !raw.labels.is_empty()) {
        return Err(error(at, "repeat and labels go with alertmanager only".to_owned()));
    }
    let repeat = raw.repeat.map(|repeat| span(&place("repeat"), repeat, 10 * SECOND..=DAY)).transpose()?;
    let path = raw.path.unwrap_or_else(|| if manager { "/api/v2/alerts" } else { "/" }.to_owned());
    let (cluster, authority, token_env) = (raw.cluster, raw.authority, raw.token_env);
    let timeout = Span(5 * SECOND);
    Ok(Channel {
        target: target(at, RawTarget { cluster, path, authority, token_env, timeout })?,
        min_severity: raw.min_severity,
        group_wait: span(&place("group_wait"), raw.group_wait, Duration::ZERO..=10 * MINUTE)?,
        repeat: manager.then(|| repeat.unwrap_or(MINUTE)),
        labels: raw.labels.into_iter().collect(),
        name: raw.name,
        kind: raw.kind,
    })
}

fn named(at: &str, cluster: String) -> Result<String, ConfigError> {
    if cluster.is_empty() {
        return Err(error(at, "it has no name".to_owned()));
    }
    visible(at, cluster)
}

fn path(at: &str, path: String) -> Result<String, ConfigError> {
    if !path.starts_with('/') {
        return Err(error(at, format!("`{path}` is no path: it begins with `/`")));
    }
    visible(at, path)
}

fn visible(at: &str, text: String) -> Result<String, ConfigError> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(error(at, format!("`{text}` has characters that are not visible ASCII")))
}

fn span(at: &str, given: Span, allowed: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
    let Span(value) = given;
    if allowed.contains(&value) {
        return Ok(value);
    }
    Err(outside(at, &given, &Span(*allowed.start()), &Span(*allowed.end())))
}

fn outside(at: &str, given: &impl Display, least: &impl Display, most: &impl Display) -> ConfigError {
    error(at, format!("`{given}` is not allowed: {least} to {most}"))
}

fn error(path: &str, reason: String) -> ConfigError {
    ConfigError::new(path.to_owned(), reason)
}
