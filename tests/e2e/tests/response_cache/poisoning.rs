//! What one client sends does not reach another: the known techniques of cache poisoning and deception, one by one.

use super::{rules, said};
use ballast_harness::Request;
use ballast_upstream::Upstream;

/// What an attacker sends, and where.
struct Technique {
    name: &'static str,
    attack: fn(&str) -> Request,
}

const TECHNIQUES: [Technique; 13] = [
    Technique { name: "another host", attack: |url| Request::get(url).header("host", "evil.example") },
    Technique {
        name: "a forwarded host",
        attack: |url| Request::get(url).header("x-forwarded-host", "evil.example"),
    },
    Technique {
        name: "the standard forwarded field",
        attack: |url| Request::get(url).header("forwarded", "host=evil.example"),
    },
    Technique {
        name: "another path by header",
        attack: |url| Request::get(url).header("x-original-url", "/evil"),
    },
    Technique {
        name: "a rewritten path by header",
        attack: |url| Request::get(url).header("x-rewrite-url", "/evil"),
    },
    Technique {
        name: "a method override",
        attack: |url| Request::get(url).header("x-http-method-override", "POST"),
    },
    Technique {
        name: "another method override",
        attack: |url| Request::get(url).header("x-method-override", "DELETE"),
    },
    Technique { name: "content with a GET", attack: |url| Request::get(url).body("callback=evil") },
    Technique { name: "another order of the query", attack: |url| Request::get(&format!("{url}?b=2&a=1")) },
    Technique {
        name: "a parameter that is cloaked by a semicolon",
        attack: |url| Request::get(&format!("{url}?a=1;callback=evil")),
    },
    Technique { name: "an escaped question mark", attack: |url| Request::get(&format!("{url}%3fa=1")) },
    Technique {
        name: "a varied header with what looks like another's",
        attack: |url| Request::get(url).header("accept-language", "de,x-other"),
    },
    Technique {
        name: "a path of another's",
        attack: |url| Request::get(&format!("{url}/..%2f..%2fevil.css")),
    },
];

#[tokio::test]
async fn no_technique_makes_the_cache_give_an_attackers_answer_to_another() {
    let upstream = Upstream::start();
    let envoy = rules(r#"[{"name": "all", "methods": ["GET", "HEAD"]}]"#, &upstream).start().await.unwrap();
    for (number, Technique { name, attack }) in TECHNIQUES.iter().enumerate() {
        let url = envoy.url(&format!("/victim/{number}"));
        let evil = "header=cache-control:max-age=600; header=vary:accept-language; header=x-evil:1; body=4";
        attack(&url).header("x-upstream", evil).send().await.unwrap();
        let good = "header=cache-control:max-age=600; header=vary:accept-language; body=4";
        let victim = Request::get(&url).header("x-upstream", good).send().await.unwrap();
        assert_eq!(victim.header("x-evil"), None, "{name}: {}", said(&victim));
        let again = Request::get(&url).header("x-upstream", "status=599").send().await.unwrap();
        assert_eq!((again.status, again.header("x-evil")), (200, None), "{name}: {}", said(&again));
    }
}

#[tokio::test]
async fn what_the_origin_takes_from_a_header_that_is_not_in_the_key_is_the_origins_to_declare() {
    let upstream = Upstream::start();
    let envoy = rules(r#"[{"name": "all"}]"#, &upstream).start().await.unwrap();
    let url = envoy.url("/declared");
    let evil = "header=cache-control:max-age=600; header=vary:x-theme; header=x-evil:1";
    Request::get(&url).header("x-theme", "evil").header("x-upstream", evil).send().await.unwrap();
    let victim =
        Request::get(&url).header("x-upstream", "header=cache-control:max-age=600").send().await.unwrap();
    assert_eq!(victim.header("x-evil"), None);
}

#[tokio::test]
async fn an_error_that_a_client_provokes_is_not_kept_for_others() {
    let upstream = Upstream::start();
    let envoy = rules(r#"[{"name": "all"}]"#, &upstream).start().await.unwrap();
    for (number, status) in [400, 413, 414, 431, 500, 502, 503].into_iter().enumerate() {
        let url = envoy.url(&format!("/dos/{number}"));
        let answer = format!("status={status}");
        let provoked =
            Request::get(&url).header("x-oversized", "a").header("x-upstream", &answer).send().await.unwrap();
        assert_eq!(provoked.status, status);
        let victim = Request::get(&url).header("x-upstream", "status=200").send().await.unwrap();
        assert_eq!(victim.status, 200, "{status} was kept: {}", said(&victim));
    }
}
