//! What rules read of requests: keys, matches, and headers that are believed from some.

use crate::message::{Lines, fields};
use ballast_core::http::{accepts_problem, is_grpc};
use ballast_core::key::{KeySpec, source_address};
use ballast_core::matching::{Matcher, Request as _};
use ballast_core::resend::{difference, headers_of};
use ballast_core::trust::TrustedHeader;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What reads a request.
struct Rules {
    key: KeySpec,
    matcher: Matcher,
    plan: TrustedHeader,
}

thread_local! {
    static RULES: Rules = Rules { key: every_part(), matcher: matcher(), plan: plan() };
}

/// A request: its field lines, and with an `@` in front what a proxy knows of it.
pub(crate) fn read(bytes: &[u8]) {
    RULES.with(|rules| rules.read(&Lines(fields(bytes))));
}

impl Rules {
    fn read(&self, request: &Lines<'_>) {
        let (mut material, mut again) = (Vec::new(), Vec::new());
        let _ = self.key.extract(request, &mut material);
        let _ = self.key.extract(request, &mut again);
        assert_eq!(material, again);
        self.key.describe(request, |_, _| {});
        let _ = (self.key.text(request), self.key.sole_value(request), source_address(request));
        if self.matcher.matches(request) {
            assert!(request.header(":method").is_some_and(|method| matches!(&*method, b"GET" | b"POST")));
        }
        // Whoever is neither in the network nor of the mesh is not believed.
        let is_stranger = request.0.iter().all(|(name, _)| !matches!(*name, b"@source" | b"@peer"));
        assert!(!is_stranger || self.plan.value(request).is_none());
        for name in ["accept", "content-type"] {
            let value = request.header(name);
            let _ = (accepts_problem(value.as_deref()), is_grpc(value.as_deref()));
        }
        let lines = || request.0.iter().copied();
        if let Ok(headers) = headers_of(lines(), None, true) {
            assert!(headers.len() <= request.0.len());
        }
        assert_eq!(difference(lines(), lines()), None, "nothing differs from itself");
    }
}

fn of<T: DeserializeOwned>(config: Value) -> T {
    serde_json::from_value(config).expect("a valid configuration")
}

/// A key with one part of each kind.
fn every_part() -> KeySpec {
    of(json!([
        "client_address", { "query": "a" }, { "cookie": "a" }, "path", "method", "host", "route", "cluster",
        "peer_identity", { "property": ["p"] }, { "constant": "c" }, { "header": "x-a" },
        { "client_address": { "header": "x-forwarded-for", "trusted_hops": 2 } },
    ]))
}

fn matcher() -> Matcher {
    of(json!({
        "methods": ["GET", "POST"], "path": { "regex": "(/[a-c]*)+" }, "hosts": ["*.b", "[::1]", "a.example"],
        "headers": [{ "name": "x-a", "prefix": "a" }, { "name": "x-b", "present": false }],
    }))
}

/// A header that is believed from one network and one trust domain.
fn plan() -> TrustedHeader {
    let trust = json!({ "client_addresses": ["10.0.0.0/8"], "peers": ["spiffe://mesh/*"] });
    of(json!({ "header": "x-plan", "trust": trust }))
}
