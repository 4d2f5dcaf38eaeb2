//! A server with a fixed number of places, as queueing theory has it.
//!
//! # Why
//!
//! What protects a server from overload is measured against what the server could have done. So the capacity of this
//! one depends on nothing else: not on the timer's steps, and not on when this process gets the CPU.
//!
//! # How
//!
//! Requests wait in the order of their arrival, as many as come. A place that is freed while somebody waits goes on
//! from the moment at which its service was over, not from when that was noticed: late timers delay single answers,
//! but the places serve exactly as many requests as they should. The service time can change while requests wait.
//!
//! As in most real servers nobody looks whether the client is still there: a request that was once received is worked
//! on in its turn, and costs its service time, even though nobody will read the answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// A handle on the places; its clones are the same station.
#[derive(Clone, Debug)]
pub struct Station(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    service_time: Duration,
    free: usize,
    in_service: u64,
    /// When each arrived, and how it learns that its service begins, and when it did.
    waiting: VecDeque<(Instant, oneshot::Sender<Instant>)>,
    served: u64,
}

impl Station {
    /// A station that serves so many requests at a time, and takes so long for each.
    #[must_use]
    pub fn new(places: usize, service_time: Duration) -> Self {
        let state = State { service_time, free: places, in_service: 0, waiting: VecDeque::new(), served: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Requests whose service begins from now on take so long.
    pub fn set_service_time(&self, service_time: Duration) {
        self.state().service_time = service_time;
    }

    /// Requests that are waiting or in service, also those whose client has left.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let state = self.state();
        state.in_service + state.waiting.len() as u64
    }

    /// Requests whose service is over, also those whose client had left.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.state().served
    }

    /// Returns when the request has been served. Dropping the future does not take the request out.
    pub(crate) async fn serve(&self) {
        let (turn, start) = oneshot::channel();
        let station = self.clone();
        self.enter(turn);
        // A task of its own: it goes on when the client leaves.
        let work = tokio::spawn(async move {
            let start = start.await.expect("the station outlives its requests");
            let end = start + station.state().service_time;
            tokio::time::sleep_until(end.into()).await;
            station.leave(end);
        });
        work.await.expect("service does not panic");
    }

    fn enter(&self, turn: oneshot::Sender<Instant>) {
        let now = Instant::now();
        let mut state = self.state();
        if state.free > 0 {
            state.free -= 1;
            state.in_service += 1;
            let _ = turn.send(now);
        } else {
            state.waiting.push_back((now, turn));
        }
    }

    fn leave(&self, end: Instant) {
        let mut state = self.state();
        state.served += 1;
        if let Some((arrived, next)) = state.waiting.pop_front() {
            let _ = next.send(end.max(arrived));
        } else {
            state.free += 1;
            state.in_service -= 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding the state")
    }
}
