//! Requests to the endpoints, and what the proxy's own interface says.

use crate::message::{lines, now, parts};
use ballast_core::admin::access::{Asker, Credential, Rights};
use ballast_core::admin::envoy::{Looked, take_in};
use ballast_core::admin::exposition::Format;
use ballast_core::admin::params::Params;
use ballast_core::admin::route::{Class, ROUTES, below, find};
use ballast_core::catalogue::parse_name;
use ballast_core::circuit_breaker::operator::Ask;
use serde_json::Value;

const TOKEN: &[u8] = b"0123456789abcdef";

/// A request: method, path with query, and `authorization`, a line each; an empty line, the body.
pub(crate) fn request(bytes: &[u8]) {
    let (head, body) = parts(bytes);
    let mut head = lines(head);
    let (method, path) = (head.next().unwrap_or_default(), head.next().unwrap_or_default());
    let authorization = head.next();
    let rights = Rights { act: vec![Credential::new("a", TOKEN).expect("a token")], ..Rights::default() };
    let asker = Asker { authorization, origin: head.next(), authority: head.next(), ..Asker::default() };
    let may_act = rights.check(Class::Act, &asker).is_ok();
    let sent = authorization.unwrap_or_default();
    assert!(!may_act || sent.trim_ascii().ends_with(TOKEN), "only the token gives a right");
    if let Some((path, query)) = below("/ballast", path) {
        if let Ok(found) = find(method, path) {
            let name = found.name.unwrap_or_default();
            assert_eq!(found.route.path.replace("{name}", &name).as_bytes(), path, "a path has one spelling");
        }
        for route in ROUTES {
            if let Ok(params) = Params::read(route.parameters, query, body) {
                for parameter in route.parameters.iter().filter(|parameter| !parameter.repeated) {
                    assert!(params.all(parameter.name).count() <= 1);
                }
            }
        }
    }
    let _ = Ask::read("reset", body);
    let _ = Format::of(Some(sent));
    let _ = core::str::from_utf8(body).map(parse_name);
}

/// The proxy's own interface.
pub(crate) fn envoy(bytes: &[u8]) {
    let mut seen = Value::Null;
    for looked in Looked::ALL {
        take_in(&mut seen, looked, bytes, now().mono);
        assert!(seen.is_null() || seen.is_object());
    }
}
