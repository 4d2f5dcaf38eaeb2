//! Whole exchanges, what is stored of them, and who drops it.

use crate::message::{Lines, fields, now, parts};
use ballast_core::config::parse;
use ballast_core::response_cache::codec::Codec;
use ballast_core::response_cache::config::{Config, Purge as Permission};
use ballast_core::response_cache::head::Head;
use ballast_core::response_cache::key::vary_of;
use ballast_core::response_cache::operator;
use ballast_core::response_cache::purge::ask;
use ballast_core::response_cache::rules::{
    Candidate, Exchange, Failure, Fields, Lookup, Policy, Request, Scope, Served, control, invalidates,
    lookup, on_failure, on_head, on_not_modified, on_response,
};
use ballast_core::response_cache::store::{Index, Pulse, Purges, Record};
use ballast_core::time::MonoTime;
use core::time::Duration;
use std::borrow::Cow;

/// A request and its answer, an empty line between them. The answer's status is its field `:status`.
pub(crate) fn exchange(bytes: &[u8]) {
    let (request, response) = parts(bytes);
    let (asked, said) = (fields(request), fields(response));
    let request = Request::read(Fields::new(&asked), false, true);
    let (response, policy, now) = (Fields::new(&said), Policy::default(), now());
    let status = response.get(":status").and_then(|text| core::str::from_utf8(text).ok()?.parse().ok());
    let status = status.unwrap_or(200);
    let sent = now.mono.before(Duration::from_secs(1));
    let exchange = Exchange { request: &request, status, response, sent, now };
    let _ = invalidates(&request, status, response, &policy);
    let control = control(response, &policy.targeted);
    let Ok(plan) = on_response(&exchange, &policy) else { return };
    let directives = &control.directives;
    assert!(!directives.no_store || directives.must_understand, "what forbids storing is obeyed");
    assert!(directives.private != Scope::Whole, "what is for one user is not stored for all");
    let lines: Vec<_> =
        plan.fields.iter().map(|(name, value)| (Cow::Borrowed(*name), value.clone())).collect();
    let head = Head { stored: plan.stored.clone(), length: 5, lines };
    if let Some(bytes) = head.encode() {
        assert_eq!(Head::decode(&bytes), Some(head.clone()));
    }
    let kept = head.lines();
    let candidate =
        Candidate { stored: &plan.stored, fields: Fields::new(&kept), length: 5, is_marked_stale: false };
    if let Lookup::Serve(serve) = lookup(&request, Some(candidate), false, &policy, now) {
        assert!(directives.no_cache != Scope::Whole, "what must be asked for is not served unasked");
        assert!(serve.served != Served::Fresh || plan.stored.is_fresh(now));
    }
    let _ = on_failure(&request, &plan.stored, Failure::Status(503), now);
    let _ = on_not_modified(&exchange, Fields::new(&kept), &plan.stored, &policy);
    let _ = on_head(&exchange, Fields::new(&kept), &plan.stored, 5, &policy);
}

/// What workers share of stored answers.
pub(crate) fn values(bytes: &[u8]) {
    let now = MonoTime::from_millis(7_200_000);
    if let Some(index) = Index::decode(bytes) {
        let written = index.encode();
        assert_eq!(Index::decode(&written).map(|again| again.encode()), Some(written.clone()));
        let _ = Index::read(Some(&written), now);
    }
    if let Some(record) = Record::decode(bytes) {
        assert_eq!(Record::encode(record.stamp, &record.object), bytes);
        assert_eq!(Record::stamp_of(bytes), Some(record.stamp));
    }
    if let Some(head) = Head::decode(bytes)
        && let Some(written) = head.encode()
    {
        let read = Head::decode(&written).expect("what was written is read");
        assert_eq!(read.encode(), Some(written.clone()));
        let _ = (read.vary(), read.whole_length());
    }
    if let Some(purges) = Purges::decode(bytes) {
        assert_eq!(Purges::decode(&purges.encode()), Some(purges));
    }
    if let Some(pulse) = Pulse::decode(bytes) {
        assert_eq!(pulse.encode(), bytes);
    }
    let _ = vary_of(bytes);
    // A record says how long its body is, and may be damaged.
    if let Some((size, packed)) = bytes.split_first_chunk::<4>() {
        let size = usize::try_from(u32::from_le_bytes(*size)).unwrap();
        for codec in [Codec::Plain, Codec::Lz4] {
            assert!(codec.unpack(packed, size).is_none_or(|body| body.len() == size));
        }
    }
}

/// What asks for a purge: a request, and the arguments of an order.
pub(crate) fn purges(bytes: &[u8]) {
    let (request, arguments) = parts(bytes);
    let request = Lines(fields(request));
    let Permission { .. } = permission();
    let _ = ask(&permission(), Some(b"0123456789abcdef"), &request);
    // Whoever does not know the token drops nothing.
    assert!(ask(&permission(), None, &request).is_err());
    if let Ok(order) = operator::Purge::read(arguments) {
        let [scheme, authority, path] = &order.url;
        assert!(scheme.is_empty() || path.starts_with('/'));
        assert_eq!(scheme.is_empty(), authority.is_empty());
        let _ = order.describe(1);
    }
}

fn permission() -> Permission {
    let config = br#"{"rules": [{"name": "a"}], "purge": {"token_env": "T"}}"#;
    parse::<Config>(config).expect("a valid configuration").purge.expect("it has one")
}
