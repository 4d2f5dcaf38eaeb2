//! The modules that ship, with what each may be.

mod admin;
mod all;
mod circuit_breaker;
mod load_shedding;
mod rate_limit;
mod response_cache;
mod retry_policy;

const KIB: usize = 1024;

/// What a module may take: each worker compiles it.
const MOST_BYTES: usize = 700 * KIB;

/// A module that ships.
pub(crate) struct Shipped {
    pub(crate) name: &'static str,
    /// What it exports besides what every module does; each costs.
    pub(crate) callbacks: &'static [&'static str],
    pub(crate) most_bytes: usize,
    /// One that uses much of what can be said.
    pub(crate) configuration: &'static str,
}

/// Each of them, by name.
pub(crate) const SHIPPED: &[Shipped] = &[
    admin::ADMIN,
    circuit_breaker::CIRCUIT_BREAKER,
    load_shedding::LOAD_SHEDDING,
    rate_limit::RATE_LIMIT,
    rate_limit::RATE_LIMIT_REQUESTS,
    response_cache::RESPONSE_CACHE,
    retry_policy::RETRY_POLICY,
    retry_policy::RETRY_POLICY_DECLARED,
];

/// Each of them, and the one with all filters, which does nothing without a `root_id` that names one.
pub(crate) fn every() -> impl Iterator<Item = &'static Shipped> {
    SHIPPED.iter().chain([&*all::ALL])
}

impl Shipped {
    /// What the module calls itself.
    pub(crate) fn filter_name(&self) -> &'static str {
        ballast_modules::plugin_of(self.name)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(ballast_modules::filter_module(self.name).unwrap()).unwrap()
    }
}
