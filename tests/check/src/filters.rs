//! The filters, and how each reads its configuration.

use ballast_core::config::{ConfigError, parse};
use ballast_core::{admin, circuit_breaker, load_shedding, rate_limit, response_cache, retry_policy};

/// One of Ballast's filters.
#[derive(Clone, Copy)]
pub struct Filter {
    /// Its one name.
    pub name: &'static str,
    /// The list of named rules in its configuration.
    pub rules: &'static str,
    /// Whether only the first rule that matches a request is for it.
    pub first_match_wins: bool,
    /// Reads a configuration as the filter does.
    read: fn(&[u8]) -> Result<(), ConfigError>,
}

/// All of them, outermost in the recommended chain first.
pub const FILTERS: [Filter; 6] = [
    Filter {
        name: "admin",
        rules: "alerts",
        first_match_wins: false,
        read: |bytes| parse::<admin::config::Config>(bytes).map(drop),
    },
    Filter {
        name: "load-shedding",
        rules: "bulkheads",
        first_match_wins: true,
        read: |bytes| parse::<load_shedding::config::Config>(bytes).map(drop),
    },
    Filter {
        name: "rate-limit",
        rules: "limits",
        first_match_wins: false,
        read: |bytes| parse::<rate_limit::config::Config>(bytes).map(drop),
    },
    Filter {
        name: "response-cache",
        rules: "rules",
        first_match_wins: true,
        read: |bytes| parse::<response_cache::config::Config>(bytes).map(drop),
    },
    Filter {
        name: "circuit-breaker",
        rules: "breakers",
        first_match_wins: true,
        read: |bytes| parse::<circuit_breaker::config::Config>(bytes).map(drop),
    },
    Filter {
        name: "retry-policy",
        rules: "policies",
        first_match_wins: true,
        read: |bytes| parse::<retry_policy::config::Config>(bytes).map(drop),
    },
];

impl Filter {
    /// The filter of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FILTERS.iter().find(|filter| filter.name == name)
    }

    /// The filter that a module's file name, image or address names: `ballast_rate_limit.wasm`, `…/ballast-rate-limit:1.2`.
    pub fn of_module(module: &str) -> Option<&'static Self> {
        let file = module.rsplit('/').next()?.replace('_', "-");
        let of_ballast = file.starts_with("ballast") || module.contains("ballast");
        FILTERS.iter().find(|filter| of_ballast && file.contains(filter.name))
    }

    /// The filter whose fields a bare configuration has.
    pub fn of_fields<'a>(fields: impl Iterator<Item = &'a str> + Clone) -> Option<&'static Self> {
        let has = |field: &str| fields.clone().any(|name| name == field);
        let shedding = ["limit", "bulkheads", "admission", "queue", "load_signals", "priority", "fairness"];
        match () {
            () if ["endpoints", "access", "drain"].iter().any(|field| has(field)) => Self::named("admin"),
            () if shedding.iter().any(|field| has(field)) => Self::named("load-shedding"),
            () if has("limits") => Self::named("rate-limit"),
            () if has("rules") || has("store") => Self::named("response-cache"),
            () if has("breakers") => Self::named("circuit-breaker"),
            () if has("policies") => Self::named("retry-policy"),
            () => None,
        }
    }

    /// Reads a configuration as the filter does.
    ///
    /// # Errors
    ///
    /// What the filter would refuse it with.
    pub fn read(&self, bytes: &[u8]) -> Result<(), ConfigError> {
        (self.read)(bytes)
    }

    /// The filter's place in the recommended chain, the outermost first.
    pub fn position(&self) -> usize {
        FILTERS.iter().position(|filter| filter.name == self.name).unwrap_or(FILTERS.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_its_file_image_or_address() {
        for (module, filter) in [
            ("dist/ballast_rate_limit.wasm", Some("rate-limit")),
            ("oci://registry.example/ballast/rate-limit:1.0", Some("rate-limit")),
            ("https://example.com/ballast_circuit_breaker.wasm?sum=1", Some("circuit-breaker")),
            ("dist/ballast_admin.wasm", Some("admin")),
            ("/opt/other_rate_limit.wasm", None),
            ("dist/ballast.wasm", None),
        ] {
            assert_eq!(Filter::of_module(module).map(|filter| filter.name), filter, "{module}");
        }
    }

    #[test]
    fn a_bare_configuration_is_known_by_its_fields() {
        for (fields, filter) in [
            (&["mode", "limits"][..], Some("rate-limit")),
            (&["limit", "exempt"], Some("load-shedding")),
            (&["rules"], Some("response-cache")),
            (&["endpoints", "drain"], Some("admin")),
            (&["breakers"], Some("circuit-breaker")),
            (&["policies"], Some("retry-policy")),
            (&["mode"], None),
        ] {
            let found = Filter::of_fields(fields.iter().copied());
            assert_eq!(found.map(|filter| filter.name), filter, "{fields:?}");
        }
    }
}
