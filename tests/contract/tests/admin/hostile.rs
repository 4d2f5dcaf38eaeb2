//! Requests of somebody who means harm: the right status, nothing changed, no VM lost.

use super::{ACT, READ, admins, get, seconds};

/// Method, path, headers, status.
type Attack = (&'static str, String, Vec<(&'static str, String)>, u32);

fn attacks() -> Vec<Attack> {
    let with = |name: &'static str, value: &str| vec![(name, value.to_owned())];
    let mut attacks: Vec<Attack> = Vec::new();
    // Traversal and other spellings of paths.
    for path in [
        "/ballast/../drain",
        "/ballast/./drain",
        "/ballast//drain",
        "/ballast/%64rain",
        "/ballast/drain/",
        "/ballast/drain%00",
        "/ballast/drain%2f",
        "/ballast/drain;x",
        "/ballast/drain/..",
        "/ballast/../../etc/passwd",
        "/ballast/circuit-breakers/../../drain",
        "/ballast/circuit-breakers/%2e%2e/reset",
        "/ballast/DRAIN",
        "/ballast/health/live/../../drain",
        "/ballast/drain\u{7f}",
    ] {
        attacks.push(("POST", path.to_owned(), vec![("authorization", ACT.to_owned())], 404));
    }
    // Wrong tokens, all from one network: from the eleventh on they are not even looked at.
    for token in [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic YWRtaW46YWRtaW4=",
        "bearer\tact-token-0123456789",
        "Bearer null",
        "Bearer act-token-012345678",
        "Bearer act-token-01234567890",
        "Bearer ACT-TOKEN-0123456789",
        "act-token-0123456789",
    ] {
        attacks.push(("POST", "/ballast/drain".to_owned(), with("authorization", token), 401));
    }
    attacks.push(("POST", "/ballast/drain".to_owned(), with("authorization", "Bearer x"), 429));
    attacks.push((
        "POST",
        "/ballast/drain".to_owned(),
        with("authorization", &format!("Bearer {}", "a".repeat(60_000))),
        429,
    ));
    // Headers that are to make somebody else of the sender.
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-envoy-internal", "true"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/ballast/health/live"),
        ("forwarded", "for=127.0.0.1"),
        ("x-ballast-token", "act-token-0123456789"),
        ("cookie", "authorization=Bearer act-token-0123456789"),
        ("proxy-authorization", "Bearer act-token-0123456789"),
    ] {
        attacks.push(("POST", "/ballast/drain".to_owned(), with(name, value), 401));
    }
    // The token in the path's query is none.
    attacks.push((
        "POST",
        "/ballast/drain?authorization=Bearer%20act-token-0123456789".to_owned(),
        Vec::new(),
        401,
    ));
    attacks.extend(
        [("TRACE", 405), ("CONNECT", 405), ("PROPFIND", 405), ("post", 405), ("", 405), ("GET\0", 405)].map(
            |(method, status)| {
                (method, "/ballast/drain".to_owned(), vec![("authorization", "none".to_owned())], status)
            },
        ),
    );
    attacks
}

/// Those of somebody whose token is right: another network, where nobody has failed.
fn attacks_with_token() -> Vec<Attack> {
    let act = |more: &[(&'static str, &str)]| {
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        core::iter::once(("authorization", ACT.to_owned())).chain(more).collect::<Vec<_>>()
    };
    let many = "tag=a&".repeat(300);
    vec![
        ("POST", "/ballast/drain".to_owned(), act(&[("origin", "https://evil.example")]), 403),
        ("POST", "/ballast/drain".to_owned(), act(&[("origin", "null")]), 403),
        ("POST", "/ballast/drain".to_owned(), act(&[("sec-fetch-site", "cross-site")]), 403),
        ("POST", "/ballast/drain".to_owned(), vec![("authorization", READ.to_owned())], 403),
        ("POST", "/ballast/drain?force=true".to_owned(), act(&[]), 400),
        ("POST", "/ballast/drain?%ff=%ff".to_owned(), act(&[]), 400),
        ("POST", format!("/ballast/cache/purge?{many}"), act(&[]), 400),
        ("POST", format!("/ballast/cache/purge?url={}", "a".repeat(5_000)), act(&[]), 400),
        ("POST", "/ballast/rate-limits/a/reset?id=%27%3B%20DROP%20TABLE".to_owned(), act(&[]), 400),
        ("PUT", format!("/ballast/state?part={}", "%5B".repeat(10_000)), act(&[]), 400),
        ("PUT", "/ballast/state?part=%7B%22version%22%3A2%7D".to_owned(), act(&[]), 400),
        ("GET", format!("/ballast/state?cursor={}", "/".repeat(4_000)), act(&[]), 400),
        ("GET", format!("/ballast/{}", "a".repeat(60_000)), act(&[]), 404),
        ("GET", "/ballast/events?limit=99999999999999999999999".to_owned(), act(&[]), 400),
        ("POST", "/ballast/benchmark?rounds=4294967296".to_owned(), act(&[]), 400),
    ]
}

#[test]
fn more_than_fifty_hostile_requests_change_nothing() {
    let workers = admins(1, "");
    seconds(&workers, 1);
    let (mut count, mut wrong) = (0, Vec::new());
    for (address, attacks) in [("192.0.2.66:4000", attacks()), ("192.0.2.77:4000", attacks_with_token())] {
        for (method, path, headers, expected) in attacks {
            count += 1;
            let stream = workers.roots[0].stream();
            stream.set_property(&["source", "address"], address);
            stream.set_property(&["destination", "address"], "127.0.0.1:10001");
            let mut all =
                vec![(":method", method), (":path", path.as_str()), (":authority", "a"), (":scheme", "http")];
            all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
            stream.request_headers(&all, true).unwrap();
            let status = stream.local_reply().map(|reply| reply.status);
            if status != Some(expected) {
                wrong.push(format!("{method} {path:.60} {headers:.80?}: {status:?}, not {expected}"));
            }
            stream.finish().unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= 50, "{count}");
    assert!(workers.vms.iter().all(|vm| !vm.is_dead()));
    assert_eq!(get(&workers, "/ballast/drain").1["phase"], "none");
    assert_eq!(get(&workers, "/ballast/health").0, 200);
}
