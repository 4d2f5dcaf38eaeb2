//! Waiting for conditions.

use std::time::{Duration, Instant};

/// Asks again and again, every few milliseconds, until there is an answer.
///
/// # Panics
/// When there is none within `at_most`; `what` says what was waited for.
pub async fn eventually<T, F>(what: &str, at_most: Duration, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < at_most, "waited {at_most:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
