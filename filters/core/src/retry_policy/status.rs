//! What the policies say about themselves, for people.

use super::config::Policy;
use crate::config::Mode;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the filter says before its policies.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Head {
    /// Whether decisions take effect.
    pub mode: Mode,
    /// Requests that wait for their retry, over all workers.
    pub waiting: u64,
}

/// The numbers of one policy, over all workers since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests that it is for.
    pub requests: u64,
    /// How many more retries the budget allows now.
    pub budget_left: u64,
    /// Retries ever counted against the budget.
    pub budget_spent: u64,
    /// Thousandths of the throttle's tokens that are gone.
    pub millitokens_gone: i64,
    /// Retries by cause; those that the router made are one of them.
    pub retries: BTreeMap<&'static str, u64>,
    /// Retries that were not made, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Requests that a retry made succeed.
    pub success_after_retry: u64,
    /// Retries that would have been made.
    pub shadow_retries: u64,
    /// Second requests that were sent while the first took long.
    pub hedges: u64,
    /// Those whose answer came first.
    pub hedges_won: u64,
    /// Those that were given up.
    pub hedges_cancelled: u64,
}

/// What a policy says about itself.
#[derive(Clone, Debug, Serialize)]
pub struct Status<'a> {
    name: &'a str,
    mode: Mode,
    via: &'static str,
    budget: BudgetSeen,
    throttle: Option<ThrottleSeen>,
    requests: u64,
    retries: BTreeMap<&'static str, u64>,
    retry_ratio: Option<f64>,
    refused: BTreeMap<&'static str, u64>,
    success_after_retry: u64,
    shadow_retries: u64,
    hedges: u64,
    hedges_won: u64,
    hedges_cancelled: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct BudgetSeen {
    left: u64,
    spent: u64,
    ratio: f64,
    min_per_second: u32,
    window_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct ThrottleSeen {
    tokens_left: f64,
    tokens_max: u32,
    closed: bool,
}

impl<'a> Status<'a> {
    /// What there is to say about a policy.
    pub fn new(policy: &'a Policy, counted: Counted) -> Self {
        let Counted { requests, budget_left, budget_spent, millitokens_gone, mut refused, .. } = counted;
        let budget = policy.budget;
        let throttle = policy.throttle.map(|throttle| {
            let most = i64::from(throttle.max_tokens).saturating_mul(1_000);
            let left = most.saturating_sub(millitokens_gone).clamp(0, most);
            let closed = !throttle.allows(millitokens_gone.cast_unsigned());
            ThrottleSeen { tokens_left: left as f64 / 1_000.0, tokens_max: throttle.max_tokens, closed }
        });
        let retried = counted.retries.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        refused.retain(|_, count| *count > 0);
        Self {
            name: policy.name.as_str(),
            mode: policy.mode,
            via: if policy.replays { "replay" } else { "router" },
            budget: BudgetSeen {
                left: budget_left,
                spent: budget_spent,
                ratio: budget.ratio.of(1_000_000) as f64 / 1_000_000.0,
                min_per_second: budget.min_per_second,
                window_ms: u64::try_from(budget.window.as_millis()).unwrap_or(u64::MAX),
            },
            throttle,
            requests,
            retries: counted.retries,
            retry_ratio: (requests > 0).then(|| retried as f64 / requests as f64),
            refused,
            success_after_retry: counted.success_after_retry,
            shadow_retries: counted.shadow_retries,
            hedges: counted.hedges,
            hedges_won: counted.hedges_won,
            hedges_cancelled: counted.hedges_cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::*;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_policy_says_what_it_may_still_do() {
        let text = br#"{"policies": [{"name": "a", "budget": {"ratio": "20%"},
            "throttle": {"max_tokens": 10, "token_ratio": 0.1}}]}"#;
        let config: Config = crate::config::parse(text).unwrap();
        let counted = Counted {
            requests: 100,
            budget_left: 7,
            millitokens_gone: 6_000,
            retries: [("status", 9), ("router", 1)].into(),
            refused: [("budget", 2), ("deadline", 0)].into(),
            ..Counted::default()
        };
        let status = serde_json::to_value(Status::new(&config.policies[0], counted)).unwrap();
        assert_eq!((&status["budget"]["left"], &status["budget"]["ratio"]), (&json!(7), &json!(0.2)));
        assert_eq!(status["throttle"], json!({"tokens_left": 4.0, "tokens_max": 10, "closed": true}));
        assert_eq!((&status["retry_ratio"], &status["refused"]), (&json!(0.1), &json!({"budget": 2})));
    }
}
