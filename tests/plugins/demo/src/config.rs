//! What the demo can be told.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) namespace: Option<String>,
    /// How many permits there are of each name.
    #[serde(default)]
    pub(crate) permits: BTreeMap<String, u32>,
    /// How many requests of one worker may wait for a permit.
    #[serde(default)]
    pub(crate) most_waiting: usize,
    /// Whether workers want the lease without being asked.
    #[serde(default)]
    pub(crate) lease: bool,
    /// The cluster that is called.
    #[serde(default)]
    pub(crate) cluster: String,
}
