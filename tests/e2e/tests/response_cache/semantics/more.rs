//! Parts, invalidation, what is stale, and what operators decide.

use super::{FRESH, NEVER};
use crate::table::{Case, case, get, send, under};

pub(super) fn parts() -> Vec<Case> {
    let ten = "header=cache-control:max-age=60; header=etag:\"a\"; body=10";
    vec![
        case("RFC 9110 14.2: parts of a whole answer", vec![
            get(ten),
            get(NEVER).with("range", "bytes=2-4").status(206).hit().has("content-range", "bytes 2-4/10").body("xxx"),
            get(NEVER).with("range", "bytes=-2").status(206).hit().has("content-range", "bytes 8-9/10").body("xx"),
            get(NEVER).with("range", "bytes=7-").status(206).hit().has("content-range", "bytes 7-9/10"),
            get(NEVER).with("range", "bytes=10-").status(416).hit().has("content-range", "bytes */10"),
            get(NEVER).with("range", "bytes=2-4").with("if-range", "\"b\"").hit().body("xxxxxxxxxx"),
            get(NEVER).with("range", "bytes=2-4").with("if-range", "\"a\"").status(206).hit(),
        ]),
        case("RFC 9110 14.6: several parts", vec![
            get(ten),
            get(NEVER).with("range", "bytes=0-0,9-9").status(206).hit(),
        ]),
        case("RFC 9111 3.4: a whole answer made of parts", vec![
            get("status=206; header=cache-control:max-age=60; header=etag:\"a\"; header=content-range:bytes 0-4/10; body=5")
                .with("range", "bytes=0-4").status(206),
            get(NEVER).with("range", "bytes=1-3").status(206).hit().has("content-range", "bytes 1-3/10"),
            get("status=206; header=cache-control:max-age=60; header=etag:\"a\"; header=content-range:bytes 5-9/10; body=5")
                .with("range", "bytes=5-9").status(206),
            get(NEVER).hit().body("xxxxxxxxxx"),
        ]),
    ]
}

/// An answer that belongs to a group.
const GROUPED: &str = "header=cache-control:max-age=60; header=cache-groups:\"one\"";

pub(super) fn invalidation() -> Vec<Case> {
    vec![
        case(
            "RFC 9111 4.4: an unsafe method drops what is stored",
            vec![get(FRESH), get(NEVER).hit(), send("POST", "status=204").status(204), get(FRESH)],
        ),
        case(
            "RFC 9111 4.4: so does any other that is not safe",
            vec![get(FRESH), send("MKCOL", "status=200"), get(FRESH)],
        ),
        case(
            "RFC 9111 4.4: an error drops nothing",
            vec![get(FRESH), send("POST", "status=500").status(500), get(NEVER).hit()],
        ),
        case(
            "RFC 9111 4.4: nor does a safe method",
            vec![get(FRESH), send("OPTIONS", "status=200"), get(NEVER).hit()],
        ),
        case(
            "RFC 9111 4.4: Location of the same origin is dropped too",
            vec![
                get(FRESH).at("?other"),
                send("POST", "status=201; header=location:?other").status(201),
                get(FRESH).at("?other"),
            ],
        ),
        case(
            "RFC 9875 3: an answer drops the groups that it names, of its own origin",
            vec![
                get(GROUPED).at("?a"),
                get(GROUPED).at("?b"),
                get("header=cache-control:max-age=60; header=cache-groups:\"other\"").at("?c"),
                send("POST", "status=204; header=cache-group-invalidation:\"one\"").at("?d").status(204),
                get(FRESH).at("?a"),
                get(FRESH).at("?b"),
                get(NEVER).at("?c").hit(),
            ],
        ),
        case(
            "RFC 9875 3: not if it answers a safe method",
            vec![
                get(GROUPED).at("?a"),
                get("header=cache-group-invalidation:\"one\"").at("?d"),
                get(NEVER).at("?a").hit(),
            ],
        ),
        case(
            "RFC 9111 4.3.5: a HEAD that shows a change invalidates",
            vec![
                get("header=cache-control:max-age=60; header=etag:\"a\""),
                send("HEAD", "header=etag:\"b\"").with("cache-control", "no-cache"),
                get("header=cache-control:max-age=60; header=etag:\"b\""),
            ],
        ),
    ]
}

pub(super) fn stale() -> Vec<Case> {
    let old = |more: &str| {
        format!("header=cache-control:max-age=10{more}; header=age:20; header=etag:\"a\"; body=5")
    };
    vec![
        case(
            "RFC 5861 4: stale-if-error in place of a 5xx",
            vec![
                get(&old(", stale-if-error=100")),
                get("status=503").says("detail=stale_if_error").body("xxxxx"),
            ],
        ),
        case(
            "RFC 5861 4: not beyond its window",
            vec![get(&old(", stale-if-error=5")), get("status=503").status(503)],
        ),
        case(
            "RFC 9111 5.2.2.2: must-revalidate forbids it",
            vec![get(&old(", stale-if-error=100, must-revalidate")), get("status=503").status(503)],
        ),
        case(
            "RFC 9111 4.2.4: a broken connection is bridged by default",
            vec![get(&old("")), get("reset=before-headers").says("detail=stale_if_error").body("xxxxx")],
        ),
    ]
}

pub(super) fn operators() -> Vec<Case> {
    vec![
        under(
            "/ttl",
            "a default time to live is for what says nothing",
            vec![get("status=200"), get(NEVER).hit()],
        ),
        under(
            "/ttl",
            "a default time to live yields to what the answer says",
            vec![get("header=cache-control:max-age=0"), get("header=cache-control:max-age=0")],
        ),
        under(
            "/override",
            "an override does not, but no-store still holds",
            vec![
                get("header=cache-control:max-age=0"),
                get(NEVER).hit(),
                get("header=cache-control:no-store").at("?b"),
                get("header=cache-control:no-store").at("?b"),
            ],
        ),
        under(
            "/ignore",
            "clients have no say where that is configured",
            vec![get(FRESH), get(NEVER).with("cache-control", "no-cache").hit()],
        ),
        under(
            "/conditions",
            "a bypass is not answered from the store, but stored",
            vec![
                get(FRESH),
                get("header=cache-control:max-age=60; body=3").with("x-no-cache", "1").says("fwd=bypass"),
                get(NEVER).hit().body("xxx"),
            ],
        ),
        under(
            "/conditions",
            "what must not be stored is not",
            vec![get(FRESH).with("cookie", "session=1"), get(FRESH)],
        ),
        under(
            "/key",
            "parameters that are left out and their order make no difference",
            vec![
                get(FRESH).at("?a=1&b=2"),
                get(NEVER).at("?b=2&utm_source=x&a=1").hit(),
                get(FRESH).at("?a=2&b=2"),
            ],
        ),
        under(
            "/key",
            "headers and cookies of the key do",
            vec![
                get(FRESH).with("x-plan", "gold"),
                get(FRESH).with("x-plan", "free"),
                get(NEVER).with("x-plan", "gold").hit(),
                get(FRESH).with("x-plan", "gold").with("cookie", "lang=de"),
                get(NEVER).with("x-plan", "gold").with("cookie", "other=1; lang=de").hit(),
            ],
        ),
        under(
            "/post",
            "RFC 9110 9.3.3: POST is stored by its body, with explicit freshness",
            vec![
                send("POST", FRESH).content("a"),
                send("POST", NEVER).content("a").hit(),
                send("POST", FRESH).content("b"),
                send("POST", "status=200").content("c"),
                send("POST", "status=200").content("c"),
            ],
        ),
        under(
            "/elsewhere",
            "what no rule is for is not touched",
            vec![get(FRESH).lacks("cache-status"), get(FRESH).lacks("cache-status")],
        ),
    ]
}
