//! Several proxies measured side by side, over several boots.
//!
//! # Why
//!
//! A process keeps what it costs from round to round, but two processes with the same configuration differ by as much as a filter
//! does: where their memory happens to lie decides which of it fits into the caches. So each proxy is booted several times, the
//! middle boot counts, and how far the boots are apart is said beside it.
//!
//! # How
//!
//! In each boot all of them run in short rounds, each round in another order: what is compared has run close together, and who runs
//! after whom does not matter.

use crate::cpu::{Sampled, resident_bytes};
use anyhow::Result;
use ballast_harness::Envoy;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each proxy is booted.
    pub boots: usize,
    /// Rounds of each boot.
    pub rounds: usize,
    /// Requests of each proxy in a round.
    pub requests: u64,
}

/// What one of the proxies took.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// CPU microseconds per request, by boot and by round.
    boots: Vec<Sampled>,
    /// Resident memory after the last boot's last round.
    pub resident_bytes: u64,
}

impl Measured {
    /// The middle of the boots' medians.
    pub fn median(&self) -> f64 {
        self.medians().median()
    }

    /// Half the distance between the quartiles of the boots' medians.
    pub fn spread(&self) -> f64 {
        self.medians().spread()
    }

    /// How much more this is than `base`, round by round, so that what slows a whole round cancels out.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let rounds = |(own, base): (&Sampled, &Sampled)| {
            Sampled(own.0.iter().zip(&base.0).map(|(own, base)| own - base).collect())
        };
        Self { boots: self.boots.iter().zip(&base.boots).map(rounds).collect(), resident_bytes: 0 }
    }

    fn medians(&self) -> Sampled {
        Sampled(self.boots.iter().map(Sampled::median).collect())
    }
}

/// Measures `count` proxies: `start` boots one of them, off the client's core, and warms it up, `measure` runs one round of it.
///
/// # Errors
/// When one does not start, or a round fails.
pub async fn interleaved(
    plan: &Plan,
    count: usize,
    start: impl AsyncFn(usize) -> Result<Envoy>,
    measure: impl AsyncFn(usize, &Envoy, u64) -> Result<f64>,
) -> Result<Vec<Measured>> {
    let mut all = vec![Measured::default(); count];
    for boot in 0..plan.boots {
        let mut envoys = Vec::new();
        for index in 0..count {
            // In another order in each boot, too.
            let index = (index + boot) % count;
            let envoy = start(index).await?;
            envoys.push((index, envoy, Sampled::default()));
        }
        for round in 0..plan.rounds {
            for turn in 0..count {
                let (index, envoy, samples) = &mut envoys[(turn + round) % count];
                samples.0.push(measure(*index, envoy, plan.requests).await?);
            }
        }
        for (index, envoy, samples) in envoys {
            all[index].resident_bytes = resident_bytes(envoy.pid().await);
            all[index].boots.push(samples);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(boots: &[&[f64]]) -> Measured {
        Measured { boots: boots.iter().map(|rounds| Sampled(rounds.to_vec())).collect(), resident_bytes: 0 }
    }

    #[test]
    fn the_middle_boot_counts_whatever_the_others_take() {
        let own = measured(&[&[5.0, 5.0, 90.0], &[6.0, 6.0, 6.0], &[99.0, 99.0, 99.0]]);
        assert_eq!((own.median(), own.spread()), (6.0, 46.5));
    }

    #[test]
    fn what_is_added_is_taken_round_by_round() {
        // The second round was slow for both.
        let (base, own) = (measured(&[&[10.0, 30.0, 10.0]]), measured(&[&[12.0, 32.0, 13.0]]));
        assert_eq!(own.over(&base).median(), 2.0);
    }
}
