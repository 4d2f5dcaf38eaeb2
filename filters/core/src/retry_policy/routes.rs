//! Which routes change the requests that they send.
//!
//! # Why
//!
//! A call-out skips the route. Whether that matters is only seen at the end of a request, when what was sent can be compared with
//! what came: so a worker learns it, and sends nothing again through a route that it does not know.
//!
//! # How
//!
//! While nothing is known, the router retries. Once one route is known to change nothing, requests are held for replay; where another
//! one changes them, the name of the route is asked for before each request. The end of a request is looked at once a
//! second, and whenever a route was met that is not known.
//!
//! # Limits
//!
//! Routes are told apart by their name and cluster: give routes names. One that begins to rewrite is noticed after a
//! second at the latest, if it has requests.

use crate::time::MonoTime;
use crate::vec_map::VecMap;
use core::time::Duration;

/// How often the end of a request is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long a route that was seen to change a request counts as such.
const KEEP_FOR: Duration = Duration::from_secs(60);
/// How many routes are remembered.
const MOST: usize = 1_024;

/// What a worker knows about the routes of a policy.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    known: VecMap<Vec<u8>, Route>,
    next_look: MonoTime,
}

#[derive(Clone, Copy, Debug)]
enum Route {
    Plain,
    Rewrites { since: MonoTime },
}

impl Routes {
    /// Whether nothing is known yet.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether some route changes requests, so that the name must be asked for before each request.
    pub fn is_mixed(&self) -> bool {
        self.known.values().any(|route| matches!(route, Route::Rewrites { .. }))
    }

    /// Whether this route is known to change nothing. One that is not known is to be looked at.
    pub fn is_plain(&mut self, route: &[u8]) -> bool {
        let known = self.known.get(route);
        if known.is_none() {
            self.next_look = MonoTime::ZERO;
        }
        matches!(known, Some(Route::Plain))
    }

    /// Whether the end of this request is to be looked at.
    pub fn wants_look(&self, now: MonoTime) -> bool {
        now >= self.next_look
    }

    /// Notes whether a route has changed a request.
    pub fn learn(&mut self, route: Vec<u8>, rewrites: bool, now: MonoTime) {
        self.next_look = now.after(LOOK_EVERY);
        let kept =
            matches!(self.known.get(&route), Some(Route::Rewrites { since }) if now.since(*since) < KEEP_FOR);
        if rewrites {
            self.known.insert(route, Route::Rewrites { since: now });
        } else if !kept && (self.known.len() < MOST || self.known.contains_key(&route)) {
            self.known.insert(route, Route::Plain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn at(seconds: u64) -> MonoTime {
        MonoTime::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_route_is_plain_only_once_it_was_seen_to_be() {
        let mut routes = Routes::default();
        assert!(routes.is_empty() && !routes.is_plain(b"a") && routes.wants_look(at(1)));
        routes.learn(b"a".to_vec(), false, at(1));
        assert!(routes.is_plain(b"a") && !routes.wants_look(at(1)) && !routes.is_mixed());
        assert!(!routes.is_plain(b"b") && routes.wants_look(at(1)), "one that is not known is looked at");
    }

    #[test]
    fn a_route_that_rewrites_counts_as_such_for_a_minute() {
        let mut routes = Routes::default();
        routes.learn(b"a".to_vec(), true, at(1));
        routes.learn(b"a".to_vec(), false, at(30));
        assert!(routes.is_mixed() && !routes.is_plain(b"a"));
        routes.learn(b"a".to_vec(), false, at(62));
        assert!(!routes.is_mixed() && routes.is_plain(b"a"));
    }

    #[test]
    fn only_so_many_routes_are_remembered() {
        let mut routes = Routes::default();
        for n in 0..=MOST {
            routes.learn(n.to_be_bytes().to_vec(), false, at(1));
        }
        assert!(routes.is_plain(&0_usize.to_be_bytes()) && !routes.is_plain(&MOST.to_be_bytes()));
    }
}
