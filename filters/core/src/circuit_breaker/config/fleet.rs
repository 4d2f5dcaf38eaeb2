//! The store through which proxies tell each other of trips.

use super::raw::RawFleet;
use crate::config::ConfigError;
use crate::remote::Store;
use crate::units::{Share, Span};
use core::ops::RangeInclusive;
use core::time::Duration;

/// The store, and what is made of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// The cluster that reaches it.
    pub cluster: String,
    /// How it is spoken to. What it wants as `authorization` is not known yet.
    pub store: Store,
    /// The environment variable that holds that.
    pub authorization_env: Option<String>,
    /// How often it is asked.
    pub sync_interval: Duration,
    /// For how long after a trip of another proxy a breaker is cautious.
    pub cautious_for: Duration,
    /// How much of its own evidence a cautious breaker needs.
    pub cautious_evidence: Share,
}

pub(super) fn fleet(raw: RawFleet) -> Result<Fleet, ConfigError> {
    let error = |field: &str, reason| ConfigError::new(format!("fleet.{field}"), reason);
    if raw.authorization_env.as_ref().is_some_and(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return Err(error("authorization_env", "this is not the name of an environment variable".to_owned()));
    }
    if raw.cautious_evidence < Share::from_basis_points(100) {
        let reason = format!("`{}` is not 1% to 100%", raw.cautious_evidence);
        return Err(error("cautious_evidence", reason));
    }
    let within = |field: &str, span: Span, allowed: RangeInclusive<Duration>| {
        let (first, last) = (Span(*allowed.start()), Span(*allowed.end()));
        let reason = || error(field, format!("`{span}` is not within {first} and {last}"));
        if allowed.contains(&span.0) { Ok(span.0) } else { Err(reason()) }
    };
    let second = Duration::from_secs(1);
    Ok(Fleet {
        store: Store::checked("fleet", raw.via, raw.prefix, &raw.cluster, raw.authority)?,
        cluster: raw.cluster,
        authorization_env: raw.authorization_env,
        sync_interval: within("sync_interval", raw.sync_interval, second / 5..=second * 60)?,
        cautious_for: within("cautious_for", raw.cautious_for, second..=second * 3_600)?,
        cautious_evidence: raw.cautious_evidence,
    })
}
