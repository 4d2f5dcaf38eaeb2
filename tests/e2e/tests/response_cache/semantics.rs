//! What HTTP says, in a real Envoy: each statement at least once. The tables of the core hold the details.

mod more;

use super::rules;
use super::table::{Case, case, get, play, send};
use ballast_upstream::Upstream;
use more::{invalidation, operators, parts, stale};

/// An answer that is fresh for a minute.
const FRESH: &str = "header=cache-control:max-age=60";

/// What is to be asked of the upstream if the cache is wrong.
const NEVER: &str = "status=599";

const RULES: &str = r#"[
    {"name": "ttl", "match": {"path": {"prefix": "/ttl"}}, "default_ttl": {"200": "1m", "404": "10s"}},
    {"name": "override", "match": {"path": {"prefix": "/override"}}, "override_ttl": "1m"},
    {"name": "ignore", "match": {"path": {"prefix": "/ignore"}}, "request_directives": "ignore"},
    {"name": "post", "match": {"path": {"prefix": "/post"}}, "methods": ["GET", "POST"]},
    {"name": "conditions", "match": {"path": {"prefix": "/conditions"}},
     "bypass": [{"header": "x-no-cache"}], "no_store": [{"cookie": "session"}]},
    {"name": "key", "match": {"path": {"prefix": "/key"}},
     "key": {"query": {"exclude": ["utm_*"], "sort": true}, "headers": ["x-plan"], "cookies": ["lang"]}},
    {"name": "api", "match": {"path": {"prefix": "/api"}}}
]"#;

#[tokio::test]
async fn answers_are_stored_used_and_dropped_as_http_says() {
    let upstream = Upstream::start();
    let envoy = rules(RULES, &upstream).start().await.unwrap();
    let mut cases = storing();
    cases.extend(freshness());
    cases.extend(varying());
    cases.extend(conditional());
    cases.extend(parts());
    cases.extend(invalidation());
    cases.extend(stale());
    cases.extend(operators());
    play(cases, &envoy, &upstream).await;
}

fn storing() -> Vec<Case> {
    let not_stored = |fact, upstream: &str| case(fact, vec![get(upstream), get(upstream)]);
    vec![
        case(
            "RFC 9111 3: a fresh answer is stored and used",
            vec![get(FRESH).says("stored"), get(NEVER).hit()],
        ),
        not_stored("RFC 9111 3: an answer without freshness is not", "status=200"),
        not_stored(
            "RFC 9111 5.2.2.5: no-store is not, in any case",
            "header=cache-control:max-age=60, No-Store",
        ),
        not_stored(
            "RFC 9111 5.2.2.5: no-store counts among what is malformed",
            "header=cache-control:max-age=60,,=,no-store,x=\"",
        ),
        not_stored("RFC 9111 5.2.2.7: private is not", "header=cache-control:private, max-age=60"),
        case(
            "RFC 9111 3, RFC 6585: statuses that must not be stored are not",
            vec![
                get("status=429; header=cache-control:max-age=60").status(429),
                get("status=429; header=cache-control:max-age=60").status(429),
            ],
        ),
        case(
            "RFC 9111 3.5: an authorized answer is stored only where it says so",
            vec![
                get(FRESH).with("authorization", "Basic eDp5"),
                get("header=cache-control:public, max-age=60").with("authorization", "Basic eDp5"),
                get(NEVER).hit(),
            ],
        ),
        case(
            "RFC 9111 3.1: what Connection names and hop-by-hop fields are not stored",
            vec![
                get("header=cache-control:max-age=60; header=x-kept:1; header=proxy-authenticate:Basic"),
                get(NEVER).hit().has("x-kept", "1").lacks("proxy-authenticate"),
            ],
        ),
        case(
            "RFC 9111 5.2.2.4: fields that no-cache names are not used without validation",
            vec![
                get(
                    "header=cache-control:max-age=60, no-cache=\"x-secret\"; header=x-secret:1; header=x-kept:1",
                ),
                get(NEVER).hit().has("x-kept", "1").lacks("x-secret"),
            ],
        ),
        case(
            "RFC 9111 7.3: Set-Cookie is left as the origin decides",
            vec![
                get("header=cache-control:max-age=60; header=set-cookie:a=1"),
                get(NEVER).hit().has("set-cookie", "a=1"),
            ],
        ),
        case(
            "RFC 9111 3: a status of another kind is stored with explicit freshness",
            vec![
                get("status=404; header=cache-control:max-age=60").status(404),
                get(NEVER).status(404).hit(),
            ],
        ),
        case(
            "RFC 9110 9.3.2: HEAD is answered from what GET stored",
            vec![
                get("header=cache-control:max-age=60; body=7"),
                send("HEAD", NEVER).hit().has("content-length", "7").body(""),
            ],
        ),
    ]
}

fn freshness() -> Vec<Case> {
    let stale = |fact, upstream: &str| case(fact, vec![get(upstream), get(upstream)]);
    vec![
        case(
            "RFC 9111 5.2.2.10: s-maxage comes before max-age",
            vec![get("header=cache-control:s-maxage=60, max-age=0"), get(NEVER).hit()],
        ),
        case(
            "RFC 9111 5.3: Expires minus Date",
            vec![
                get(
                    "header=date:Sun, 06 Nov 1994 08:49:37 GMT; header=expires:Sun, 06 Nov 1994 08:49:37 GMT; header=etag:\"a\"",
                ),
                get("header=etag:\"a\""),
            ],
        ),
        stale(
            "RFC 9111 5.3: an Expires that is no date is in the past",
            "header=expires:0; header=etag:\"a\"",
        ),
        stale(
            "RFC 9111 4.2.1: a max-age that is not a number is stale",
            "header=cache-control:max-age=1x; header=etag:\"a\"",
        ),
        stale("RFC 9111 4.2.3: what came old is old", "header=cache-control:max-age=60; header=age:61"),
        case(
            "RFC 9111 5.1: each use tells the age",
            vec![
                get("header=cache-control:max-age=1000; header=age:100"),
                get(NEVER).hit().has("age", "100"),
            ],
        ),
        case(
            "RFC 9111 4.2.2: a last modification long ago is fresh by heuristic",
            vec![get("header=last-modified:Sun, 06 Nov 1994 08:49:37 GMT"), get(NEVER).hit()],
        ),
        case(
            "RFC 9213 2.2: a targeted field takes the place of Cache-Control",
            vec![get("header=cache-control:no-store; header=cdn-cache-control:max-age=60"), get(NEVER).hit()],
        ),
        case(
            "RFC 9213 2.1: an invalid targeted field is ignored as a whole",
            vec![
                get("header=cache-control:max-age=60; header=cdn-cache-control:no-store, =x"),
                get(NEVER).hit(),
            ],
        ),
        case(
            "RFC 9111 5.2.1.4: a client's no-cache has the answer fetched",
            vec![
                get(FRESH),
                get(FRESH).with("cache-control", "no-cache").says("fwd=request"),
                get(NEVER).hit(),
            ],
        ),
        case(
            "RFC 9111 5.2.1.1: a client's max-age bounds the age",
            vec![
                get("header=cache-control:max-age=1000; header=age:100"),
                get(NEVER).with("cache-control", "max-age=500").hit(),
                get("header=cache-control:max-age=1000; header=age:100").with("cache-control", "max-age=50"),
            ],
        ),
        case(
            "RFC 9111 5.2.1.1: a reload has what is fresh asked for again",
            vec![get(FRESH), get(FRESH).with("cache-control", "max-age=0").says("fwd=request")],
        ),
        case(
            "RFC 8246 2: but not what is immutable, until it is stale",
            vec![
                get("header=cache-control:max-age=60, immutable"),
                get(NEVER).with("cache-control", "max-age=0").hit(),
                get("header=cache-control:max-age=60, immutable; header=age:70")
                    .with("cache-control", "no-cache"),
                get(FRESH).with("cache-control", "max-age=0"),
            ],
        ),
        case(
            "RFC 9111 5.2.1.7: only-if-cached without an answer is 504",
            vec![get(NEVER).with("cache-control", "only-if-cached").status(504).unasked()],
        ),
        case(
            "RFC 9111 5.2.1.2: max-stale takes what is stale",
            vec![
                get("header=cache-control:max-age=60; header=age:70; header=etag:\"a\""),
                get(NEVER).with("cache-control", "max-stale=100").hit(),
            ],
        ),
        case(
            "RFC 9111 5.2.1.3: min-fresh wants it fresher",
            vec![
                get(FRESH),
                get(NEVER).with("cache-control", "min-fresh=30").hit(),
                get(FRESH).with("cache-control", "min-fresh=100"),
            ],
        ),
    ]
}

fn varying() -> Vec<Case> {
    let by_language = "header=cache-control:max-age=60; header=vary:accept-language";
    vec![
        case(
            "RFC 9111 4.1: each variant has its own answer",
            vec![
                get(by_language).with("accept-language", "de"),
                get(by_language).with("accept-language", "fr").says("fwd=vary-miss"),
                get(NEVER).with("accept-language", "de").hit(),
                get(NEVER).with("accept-language", "fr").hit(),
                get(by_language),
                get(NEVER).hit(),
            ],
        ),
        case(
            "RFC 9111 4.1: white space makes no variant",
            vec![
                get(by_language).with("accept-language", "de, fr;q=0.5"),
                get(NEVER).with("accept-language", "de,fr;q=0.5").hit(),
            ],
        ),
        case(
            "RFC 9111 4.1: Vary * is never used again",
            vec![
                get("header=cache-control:max-age=60; header=vary:*"),
                get("header=cache-control:max-age=60; header=vary:*"),
            ],
        ),
    ]
}

fn conditional() -> Vec<Case> {
    let tagged = "header=cache-control:max-age=60; header=etag:\"a\"; body=5";
    let stale = "header=cache-control:max-age=10; header=age:20; header=etag:\"a\"; body=5; header=x-n:1";
    vec![
        case(
            "RFC 9110 13.1.2: If-None-Match is answered from the store",
            vec![
                get(tagged),
                get(NEVER).with("if-none-match", "W/\"a\"").status(304).hit().has("etag", "\"a\""),
                get(NEVER).with("if-none-match", "\"x\", \"a\"").status(304).hit(),
                get(NEVER).with("if-none-match", "*").status(304).hit(),
                get(NEVER).with("if-none-match", "\"b\"").hit().body("xxxxx"),
            ],
        ),
        case(
            "RFC 9110 13.1.3: If-Modified-Since is answered from the store",
            vec![
                get(
                    "header=cache-control:max-age=60; header=last-modified:Sun, 06 Nov 1994 08:49:37 GMT; body=5",
                ),
                get(NEVER).with("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT").status(304).hit(),
                get(NEVER).with("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT").hit(),
            ],
        ),
        case(
            "RFC 9111 4.3.4: a 304 freshens what is stored and its body is used",
            vec![
                get(stale),
                get("status=304; header=cache-control:max-age=60; header=etag:\"a\"; header=x-n:2")
                    .has("x-n", "2")
                    .body("xxxxx"),
                get(NEVER).hit().has("x-n", "2").body("xxxxx"),
            ],
        ),
        case(
            "RFC 9111 4.3.3: another answer to a validation takes the place of the stored",
            vec![
                get(stale),
                get("header=cache-control:max-age=60; header=etag:\"b\"; body=6"),
                get(NEVER).hit().body("xxxxxx"),
            ],
        ),
        case(
            "RFC 9111 4.3.3: a 304 to the client's own condition passes",
            vec![get("status=304; header=etag:\"z\"").with("if-none-match", "\"z\"").status(304)],
        ),
    ]
}
