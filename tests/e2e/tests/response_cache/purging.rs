//! Who may purge, and that all workers agree when a purge has returned.

use super::{TOKEN, rules, said};
use ballast_harness::{Load, Request, Response};
use ballast_upstream::Upstream;

const ALL: &str = r#"[{"name": "all", "coalesce": null}]"#;

async fn purge(url: &str, headers: &[(&str, &str)]) -> Response {
    let request = Request::new("PURGE", url);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await.unwrap()
}

#[tokio::test]
async fn a_purge_by_tag_of_a_thousand_among_eight_thousand_is_seen_by_all_workers_at_once() {
    let upstream = Upstream::start();
    let config = format!(
        r#"{{"store": {{"max_entries": 32768, "max_bytes": "128MiB"}}, "rules": {ALL},
            "purge": {{"allow": ["127.0.0.1/32"], "token_env": "BALLAST_PURGE_TOKEN"}}}}"#
    );
    let envoy =
        ballast_e2e::sample_with(super::SAMPLE, &config, &upstream).concurrency(4).start().await.unwrap();
    let base = envoy.url("/");
    let all = |tagged: bool| {
        let base = base.clone();
        Load::of(&base).connections(32).requests(8_000).each(move |number, _| {
            let tag = if number % 8 == 0 {
                "; header=surrogate-key:few other"
            } else {
                "; header=surrogate-key:many"
            };
            let answer = if tagged {
                format!("header=cache-control:max-age=600; body=50{tag}")
            } else {
                "status=404".to_owned()
            };
            Request::get(&format!("{base}{number}")).header("x-upstream", answer)
        })
    };
    assert_eq!(all(true).run().await.unwrap().status(200), 8_000);
    assert_eq!(upstream.received(), 8_000);
    // Twice: every worker has copies of its own.
    let again = all(false).run().await.unwrap();
    assert_eq!(again.status(200), 8_000, "{again}");

    let refused = purge(&base, &[("surrogate-key", "few")]).await;
    assert_eq!(refused.status, 403);
    let wrong = purge(&base, &[("surrogate-key", "few"), ("authorization", "Bearer other")]).await;
    assert_eq!(wrong.status, 403);
    assert_eq!(all(false).run().await.unwrap().status(200), 8_000, "nothing was purged");

    let purged = purge(&base, &[("surrogate-key", "few"), ("authorization", TOKEN)]).await;
    assert_eq!((purged.status, purged.text().as_str()), (200, r#"{"purged":1000}"#));
    let after = all(false).run().await.unwrap();
    assert_eq!((after.status(200), after.status(404)), (7_000, 1_000), "{after}");
}

#[tokio::test]
async fn a_purge_drops_what_it_names_and_nothing_else() {
    let upstream = Upstream::start();
    let rules_ = r#"[{"name": "all", "key": {"headers": ["x-plan"]}}]"#;
    let envoy = rules(rules_, &upstream).start().await.unwrap();
    let url = |path: &str| envoy.url(path);
    let fill = || async {
        for (path, plan, more) in [
            ("/a/1", "x", "header=vary:accept-language"),
            ("/a/1", "y", ""),
            ("/a/2", "x", "header=cache-groups:\"g\""),
            ("/b/1", "x", "header=cache-tag:t u,v"),
        ] {
            let answer = format!("header=cache-control:max-age=600; {more}");
            let request = Request::get(&url(path)).header("x-plan", plan).header("x-upstream", answer);
            request.send().await.unwrap();
        }
    };
    let left = || async {
        let mut left = Vec::new();
        for (path, plan) in [("/a/1", "x"), ("/a/1", "y"), ("/a/2", "x"), ("/b/1", "x")] {
            let request =
                Request::get(&url(path)).header("x-plan", plan).header("cache-control", "only-if-cached");
            left.push(request.send().await.unwrap().status == 200);
        }
        left
    };
    for (path, headers, expected) in [
        ("/a/1", &[][..], [false, false, true, true]),
        ("/a/", &[("x-purge", "prefix")], [false, false, false, true]),
        ("/", &[("cache-groups", "\"g\"")], [true, true, false, true]),
        ("/", &[("cache-tag", "t u")], [true, true, true, false]),
        ("/", &[("x-purge", "all")], [false; 4]),
        ("/nothing", &[], [true; 4]),
    ] {
        fill().await;
        assert_eq!(left().await, [true; 4], "all are there");
        let mut all = headers.to_vec();
        all.push(("authorization", TOKEN));
        let purged = purge(&url(path), &all).await;
        assert_eq!(purged.status, 200, "{}", purged.text());
        assert_eq!(left().await, expected, "{path} {headers:?} {}", purged.text());
    }
}

#[tokio::test]
async fn a_soft_purge_leaves_what_is_stale_to_stand_in() {
    let upstream = Upstream::start();
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    let url = envoy.url("/soft");
    let get = |answer: &'static str| Request::get(&url).header("x-upstream", answer);
    let good = "header=cache-control:max-age=600, stale-if-error=600; header=etag:\"a\"; body=5";
    get(good).send().await.unwrap();
    let purged = purge(&url, &[("x-purge-mode", "soft"), ("authorization", TOKEN)]).await;
    assert_eq!(purged.text(), r#"{"purged":1}"#);
    let failed = get("status=503").send().await.unwrap();
    assert_eq!((failed.status, failed.text().as_str()), (200, "xxxxx"), "{}", said(&failed));
    let validated = get("status=304; header=etag:\"a\"").send().await.unwrap();
    assert_eq!((validated.status, validated.text().as_str()), (200, "xxxxx"), "{}", said(&validated));
    let hit = get("status=599").send().await.unwrap();
    assert!(said(&hit).contains("hit"), "{}", said(&hit));
}
