//! The module with all filters.

use super::{KIB, SHIPPED, Shipped};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What any of the filters is called for: one that is left out here would never hear of it.
static CALLBACKS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let each: BTreeSet<&str> = SHIPPED.iter().flat_map(|module| module.callbacks).copied().collect();
    each.into_iter().collect()
});

pub(super) static ALL: LazyLock<Shipped> = LazyLock::new(|| Shipped {
    name: "all",
    callbacks: CALLBACKS.as_slice(),
    // All of them by themselves are 4.1 MiB.
    most_bytes: 2_600 * KIB,
    configuration: "",
});
