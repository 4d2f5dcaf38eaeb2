//! The filters and their types.

use ballast_core::{admin, circuit_breaker, load_shedding, rate_limit, response_cache, retry_policy};
use schemars::JsonSchema;
use serde_json::Value;

/// A filter that has a configuration.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Its name, which is that of its directory.
    pub name: &'static str,
    schema: fn() -> Value,
}

/// All of them.
pub const FILTERS: &[Filter] = &[
    Filter::of::<admin::config::Config>("admin"),
    Filter::of::<load_shedding::config::Config>("load-shedding"),
    Filter::of::<rate_limit::config::Config>("rate-limit"),
    Filter::of::<response_cache::config::Config>("response-cache"),
    Filter::of::<circuit_breaker::config::Config>("circuit-breaker"),
    Filter::of::<retry_policy::config::Config>("retry-policy"),
];

impl Filter {
    const fn of<T: JsonSchema>(name: &'static str) -> Self {
        Self { name, schema: ballast_core::config::schema::<T> }
    }

    /// The JSON Schema of its configuration.
    pub fn schema(&self) -> Value {
        let mut schema = (self.schema)();
        if let Some(fields) = schema.as_object_mut() {
            fields.insert("title".to_owned(), format!("Configuration of the filter {}", self.name).into());
        }
        schema
    }
}
