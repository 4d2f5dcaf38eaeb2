//! What the requests of a load are like.

use crate::saturation::cpu_per_request;
use anyhow::Result;
use ballast_harness::Envoy;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the requests of a load are like.
#[derive(Clone, Copy, Debug)]
pub enum Requests {
    /// All the same.
    Same,
    /// Each for a path that no other was for.
    Varied,
    /// Of clients that come in turn.
    Of {
        /// How many there are.
        clients: u64,
        /// How far each is from the one before.
        step: u64,
    },
}

impl Requests {
    /// Path and headers of one.
    pub fn request(self, number: u64) -> (String, String) {
        /// Goes on from load to load, so that no path comes twice.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        match self {
            Self::Same => ("/".to_owned(), String::new()),
            Self::Varied => (format!("/{}", NEXT.fetch_add(1, Ordering::Relaxed)), String::new()),
            Self::Of { clients, step } => {
                ("/".to_owned(), format!("x-key: client-{}\r\n", number.wrapping_mul(step) % clients))
            }
        }
    }

    /// CPU microseconds per request, each of which must be answered with this status.
    ///
    /// # Errors
    /// When one has another, or the load fails.
    pub async fn measure(self, envoy: &Envoy, status: u16, count: u64) -> Result<f64> {
        cpu_per_request(envoy, status, count, |number| self.request(number)).await
    }
}
