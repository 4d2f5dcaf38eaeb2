//! The numbers of a limit or a plan, checked, as the algorithm that they make.

use super::super::Algorithm;
use super::super::fixed_window::FixedWindow;
use super::super::sliding_window::SlidingWindow;
use super::super::token_bucket::TokenBucket;
use super::raw::{RawAlgorithm, RawPlan};
use crate::config::ConfigError;
use crate::units::Rate;

/// The numbers of a limit or a plan.
pub(super) struct Numbers {
    pub(super) rate: Option<Rate>,
    pub(super) burst: Option<u64>,
    pub(super) max_concurrent: Option<u32>,
}

impl Numbers {
    pub(super) fn algorithm(&self, kind: RawAlgorithm, path: &str) -> Result<Algorithm, ConfigError> {
        if kind == RawAlgorithm::Concurrency {
            return self.concurrency(path);
        }
        if let Some(most) = self.max_concurrent {
            let reason = format!("`{most}` needs algorithm `concurrency`; the others take a rate");
            return Err(at(path, "max_concurrent", reason));
        }
        let rate = self.rate.ok_or_else(|| at(path, "rate", "missing: write it like `100/s`".to_owned()))?;
        if kind == RawAlgorithm::TokenBucket {
            return self.token_bucket(rate, path);
        }
        if let Some(burst) = self.burst {
            let reason =
                format!("`{burst}` needs algorithm `token_bucket`; a window lets through what the rate says");
            return Err(at(path, "burst", reason));
        }
        let count = u32::try_from(rate.count()).ok();
        let window = count.and_then(|count| match kind {
            RawAlgorithm::SlidingWindow => {
                SlidingWindow::new(count, rate.per()).map(Algorithm::SlidingWindow)
            }
            _ => FixedWindow::new(count, rate.per()).map(Algorithm::FixedWindow),
        });
        window.ok_or_else(|| {
            at(path, "rate", format!("`{rate}` is too much for a window: at most {}", u32::MAX))
        })
    }

    fn token_bucket(&self, rate: Rate, path: &str) -> Result<Algorithm, ConfigError> {
        let burst = self.burst.unwrap_or(rate.count());
        if burst == 0 {
            return Err(at(path, "burst", "`0` lets nothing through: at least 1".to_owned()));
        }
        let bucket = TokenBucket::new(rate.count(), rate.per(), burst);
        bucket.map(Algorithm::TokenBucket).ok_or_else(|| {
            at(
                path,
                "burst",
                format!("`{burst}` at `{rate}` takes longer than 146 years to fill: make it smaller"),
            )
        })
    }

    fn concurrency(&self, path: &str) -> Result<Algorithm, ConfigError> {
        let no_rate = |what: &str, value: String| {
            at(
                path,
                what,
                format!("`{value}` is not for algorithm `concurrency`, which takes max_concurrent"),
            )
        };
        if let Some(rate) = self.rate {
            return Err(no_rate("rate", rate.to_string()));
        }
        if let Some(burst) = self.burst {
            return Err(no_rate("burst", burst.to_string()));
        }
        match self.max_concurrent {
            Some(most) if most > 0 => Ok(Algorithm::Concurrency { most }),
            Some(most) => {
                Err(at(path, "max_concurrent", format!("`{most}` lets nothing through: at least 1")))
            }
            None => Err(at(path, "max_concurrent", "missing: algorithm `concurrency` needs it".to_owned())),
        }
    }
}

pub(super) fn plan_numbers(
    kind: RawAlgorithm,
    raw: &RawPlan,
    path: &str,
) -> Result<Option<Algorithm>, ConfigError> {
    let numbers = Numbers { rate: raw.rate, burst: raw.burst, max_concurrent: raw.max_concurrent };
    if !raw.unlimited {
        return numbers.algorithm(kind, path).map(Some);
    }
    if numbers.rate.is_some() || numbers.burst.is_some() || numbers.max_concurrent.is_some() {
        return Err(at(
            path,
            "unlimited",
            "`true` leaves nothing for rate, burst or max_concurrent to say".to_owned(),
        ));
    }
    Ok(None)
}

/// An error about a field of what stands at a path.
pub(super) fn at(path: &str, field: &str, reason: String) -> ConfigError {
    ConfigError::new(format!("{path}.{field}"), reason)
}
