//! What is asked of a simulation that is over.

use super::{Outcome, Request};

impl Outcome {
    /// The requests that came in these seconds and satisfy a condition.
    pub(crate) fn came(&self, from: f64, to: f64) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| (from * 1e3..to * 1e3).contains(&request.came_ms))
    }

    /// How many a second were answered in time, of those that came in these seconds.
    pub(crate) fn goodput(&self, from: f64, to: f64) -> f64 {
        self.came(from, to).filter(|request| request.answered_ms.is_some()).count() as f64 / (to - from)
    }

    /// The latency in milliseconds that this share of the answered did not exceed.
    pub(crate) fn latency(&self, from: f64, to: f64, share: f64, of: impl Fn(&Request) -> bool) -> f64 {
        let mut all: Vec<f64> = self
            .came(from, to)
            .filter(|request| of(request))
            .filter_map(|request| Some(request.answered_ms? - request.came_ms))
            .collect();
        all.sort_by(f64::total_cmp);
        let at = ((all.len() as f64 * share).ceil() as usize).clamp(1, all.len().max(1)) - 1;
        all.get(at).copied().unwrap_or(f64::NAN)
    }

    /// Which share of these requests was answered.
    pub(crate) fn success(&self, from: f64, to: f64, of: impl Fn(&Request) -> bool) -> f64 {
        let all: Vec<&Request> = self.came(from, to).filter(|request| of(request)).collect();
        let good = all.iter().filter(|request| request.answered_ms.is_some()).count();
        good as f64 / all.len() as f64
    }
}
