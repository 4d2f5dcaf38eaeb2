//! Two proxies of two workers each that share a Redis behind Webdis, or objects in nginx.

use super::{TOKEN, said};
use ballast_e2e::sample_with;
use ballast_harness::{Envoy, Load, Nginx, Redis, Request, Response, Webdis, eventually};
use ballast_upstream::Upstream;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SAMPLE: &str = "fleet-cache.yaml";
const LONG: Duration = Duration::from_secs(20);
const FRESH: &str = "header=cache-control:max-age=600; header=surrogate-key:t; body=5000";

/// The proxy's name of a metric of the shared store.
fn metric(metric: &str, label: &str) -> String {
    format!("wasmcustom.ballast.response_cache.remote_{metric};namespace=response-cache{label}")
}

/// A proxy whose shared store is at this address, with these further fields of `remote`.
async fn proxy(store: SocketAddr, remote: &str, upstream: &Upstream) -> Envoy {
    let config = format!(
        r#"{{"rules": [{{"name": "all"}}], "remote": {{"cluster": "webdis", "timeout": "250ms"{remote}}},
            "purge": {{"allow": ["127.0.0.1/32"], "token_env": "BALLAST_PURGE_TOKEN"}}}}"#
    );
    let envoy = sample_with(SAMPLE, &config, upstream).port(7379, store).concurrency(2);
    let envoy = envoy.start().await.unwrap();
    // The log of purges was begun and read: before that nothing in the store is believed.
    envoy.wait_for_stat(&metric("synced", ""), |count| count >= 2, LONG).await;
    envoy
}

async fn two(store: SocketAddr, remote: &str, upstream: &Upstream) -> [Envoy; 2] {
    let (one, other) = tokio::join!(proxy(store, remote, upstream), proxy(store, remote, upstream));
    [one, other]
}

/// A request by the name that all proxies have: by their addresses they would have different URLs.
fn to(envoy: &Envoy, method: &str, path: &str) -> Request {
    Request::new(method, &envoy.url(path)).header("host", "shop.example")
}

async fn get(envoy: &Envoy, path: &str, answer: &str) -> Response {
    to(envoy, "GET", path).header("x-upstream", answer).send().await.unwrap()
}

/// Whether a proxy has an answer itself.
async fn has(envoy: &Envoy, path: &str) -> bool {
    let request = to(envoy, "GET", path).header("cache-control", "only-if-cached");
    request.send().await.unwrap().status == 200
}

/// Fetches through a proxy, and waits until the shared store has it.
async fn fill(envoy: &Envoy, path: &str, answer: &str) -> Response {
    let stored = metric("fills", ";result=stored");
    let before = envoy.stat(&stored).await.unwrap_or(0);
    let got = get(envoy, path, answer).await;
    envoy.wait_for_stat(&stored, |count| count > before, LONG).await;
    got
}

async fn purge(envoy: &Envoy, path: &str, headers: &[(&str, &str)]) {
    let request = to(envoy, "PURGE", path).header("authorization", TOKEN);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains(r#""fleet":"told""#), "{}", answer.text());
}

/// Waits until what one fetches is a hit in the other.
async fn come_together(one: &Envoy, other: &Envoy, upstream: &Upstream) {
    eventually("the fleet", LONG, async || {
        let path = format!("/again/{}", upstream.received());
        get(one, &path, FRESH).await;
        // It is written in the background, if it is.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let got = get(other, &path, "header=cache-control:no-store").await;
        said(&got).contains("detail=remote").then_some(())
    })
    .await;
}

/// What Webdis answers.
async fn redis(webdis: &Webdis, command: &str) -> Response {
    Request::get(&format!("http://{}/{command}", webdis.address())).send().await.unwrap()
}

/// The keys of answers in Redis.
async fn keys(webdis: &Webdis) -> Vec<String> {
    let text = redis(webdis, "KEYS/ballast:a1-*").await.text();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    answer["KEYS"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

async fn put(webdis: &Webdis, key: &str, value: &[u8]) {
    let url = format!("http://{}/SETEX/{key}/600", webdis.address());
    let answer = Request::new("PUT", &url).body(value.to_vec()).send().await.unwrap();
    assert!(answer.text().contains("OK"), "{}", answer.text());
}

#[tokio::test]
async fn what_one_proxy_has_fetched_is_a_hit_in_the_other() {
    let (upstream, redis) = (Upstream::start(), Redis::start().await.unwrap());
    let webdis = Webdis::start(&redis).await.unwrap();
    let [one, other] = two(webdis.address(), "", &upstream).await;
    for (path, answer) in [
        ("/plain", FRESH.to_owned()),
        ("/json", format!("{FRESH}; header=content-type:application/json")),
        ("/vary", format!("{FRESH}; header=vary:accept-language")),
        ("/empty", "header=cache-control:max-age=600".to_owned()),
        ("/missing", format!("status=404; {FRESH}")),
    ] {
        let before = upstream.received();
        let first = fill(&one, path, &answer).await;
        if path == "/vary" {
            // The answer first, then what it varies by.
            one.wait_for_stat(&metric("fills", ";result=stored"), |count| count >= 4, LONG).await;
        }
        let second = get(&other, path, "status=599").await;
        assert_eq!((second.status, second.text()), (first.status, first.text()), "{path}: {}", said(&second));
        assert!(
            said(&second).contains("hit") && said(&second).contains("detail=remote"),
            "{}",
            said(&second)
        );
        assert_eq!(upstream.received() - before, 1, "{path}");
        let third = get(&other, path, "status=599").await;
        assert!(said(&third).contains("hit") && !said(&third).contains("remote"), "{}", said(&third));
    }
    // What is not for everybody does not come to the store.
    let stored = one.stat(&metric("fills", ";result=stored")).await;
    for answer in ["header=cache-control:private, max-age=60", "header=cache-control:no-store"] {
        get(&one, "/private", answer).await;
    }
    let again = get(&other, "/private", "status=404; header=cache-control:no-store").await;
    assert_eq!(again.status, 404, "{}", said(&again));
    let authorized = to(&one, "GET", "/mine").header("authorization", "x").header("x-upstream", FRESH);
    authorized.send().await.unwrap();
    let theirs = get(&other, "/mine", "status=404; header=cache-control:no-store").await;
    assert_eq!(theirs.status, 404, "{}", said(&theirs));
    let bodies = keys(&webdis).await.len();
    assert!(bodies >= 6, "{bodies} keys, {stored:?} stored");
}

#[tokio::test]
async fn a_purge_at_one_proxy_reaches_the_other_within_the_interval() {
    let (upstream, redis) = (Upstream::start(), Redis::start().await.unwrap());
    let webdis = Webdis::start(&redis).await.unwrap();
    let [one, other] = two(webdis.address(), "", &upstream).await;
    for (what, path, headers) in [
        ("a tag", "/", &[("surrogate-key", "t")][..]),
        ("a prefix", "/a", &[("x-purge", "prefix")]),
        ("a URL", "/a/1", &[]),
        ("everything", "/", &[("x-purge", "all")]),
    ] {
        fill(&one, "/a/1", FRESH).await;
        get(&other, "/a/1", "status=599").await;
        fill(&one, "/b/1", "header=cache-control:max-age=600; header=surrogate-key:other; body=9").await;
        get(&other, "/b/1", "status=599").await;
        assert!(has(&other, "/a/1").await && has(&other, "/b/1").await, "{what}");
        let begin = Instant::now();
        purge(&one, path, headers).await;
        assert!(!has(&one, "/a/1").await, "{what}: at once where it was asked");
        // Not from the shared store either.
        let anew = get(&one, "/a/1", "header=cache-control:no-store; body=7").await;
        assert_eq!(anew.text().len(), 7, "{what}: {}", said(&anew));
        eventually(what, LONG, async || (!has(&other, "/a/1").await).then_some(())).await;
        let took = begin.elapsed();
        assert!(took <= Duration::from_secs(1), "{what} took {took:?}");
        let anew = get(&other, "/a/1", "header=cache-control:no-store; body=7").await;
        assert_eq!(anew.text().len(), 7, "{what}: {}", said(&anew));
        assert_eq!(has(&other, "/b/1").await, what != "everything", "{what}");
        purge(&one, "/", &[("x-purge", "all")]).await;
        eventually("all gone", LONG, async || (!has(&other, "/b/1").await).then_some(())).await;
    }
    // What an unsafe request may have changed goes from all, too.
    fill(&one, "/c", FRESH).await;
    get(&other, "/c", "status=599").await;
    to(&one, "POST", "/c").header("x-upstream", "status=204").send().await.unwrap();
    let anew = get(&one, "/c", "header=cache-control:no-store; body=7").await;
    assert_eq!(anew.text().len(), 7, "{}", said(&anew));
    eventually("the change", LONG, async || (!has(&other, "/c").await).then_some(())).await;
}

#[tokio::test]
async fn what_is_damaged_or_foreign_is_never_served() {
    let (upstream, redis_) = (Upstream::start(), Redis::start().await.unwrap());
    let webdis = Webdis::start(&redis_).await.unwrap();
    let [one, other] = two(webdis.address(), "", &upstream).await;
    fill(&one, "/other", FRESH).await;
    let theirs = keys(&webdis).await.pop().unwrap();
    let theirs = redis(&webdis, &format!("GET/{theirs}.bin")).await.body;
    for (what, reason) in [
        ("foreign", "damaged"),
        ("short", "damaged"),
        ("cut", "damaged"),
        ("changed", "damaged"),
        ("longer", "damaged"),
        ("of another key", "other_key"),
    ] {
        let path = format!("/{}", what.replace(' ', "-"));
        let before = keys(&webdis).await;
        fill(&one, &path, FRESH).await;
        let now = keys(&webdis).await;
        let key = now.iter().find(|key| !before.contains(key)).unwrap();
        let record = redis(&webdis, &format!("GET/{key}.bin")).await.body.to_vec();
        let mut changed = record.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        let wrong = match what {
            "foreign" => b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec(),
            "short" => vec![0],
            "cut" => record[..record.len() - 1].to_vec(),
            "changed" => changed,
            "longer" => [&record[..], b"x"].concat(),
            _ => theirs.to_vec(),
        };
        put(&webdis, key, &wrong).await;
        let refused = metric("refused", &format!(";reason={reason}"));
        let count = other.stat(&refused).await.unwrap_or(0);
        let got = get(&other, &path, "header=cache-control:no-store; body=7").await;
        assert_eq!(got.text().len(), 7, "{what}: {}", said(&got));
        assert!(other.stat(&refused).await > Some(count), "{what} is counted");
    }
    // A log that cannot be read: everything is purged, and a new one begun.
    fill(&one, "/last", FRESH).await;
    get(&other, "/last", "status=599").await;
    put(&webdis, "ballast:p1", b"not a log").await;
    for envoy in [&one, &other] {
        eventually("all gone", LONG, async || (!has(envoy, "/last").await).then_some(())).await;
    }
    come_together(&one, &other, &upstream).await;
}

#[tokio::test]
async fn of_two_hundred_at_once_over_both_one_is_fetched() {
    let (upstream, redis) = (Upstream::start(), Redis::start().await.unwrap());
    let webdis = Webdis::start(&redis).await.unwrap();
    let envoys = two(webdis.address(), "", &upstream).await;
    let load = |envoy: &Envoy| {
        let slow = to(envoy, "GET", "/slow").header("x-upstream", format!("delay=500ms; {FRESH}"));
        Load::of(&envoy.url("/slow")).connections(100).requests(100).each(move |_, _| slow.clone())
    };
    let (one, other) = tokio::join!(load(&envoys[0]).run(), load(&envoys[1]).run());
    assert_eq!(one.unwrap().status(200) + other.unwrap().status(200), 200);
    assert_eq!(upstream.received(), 1);
}

#[tokio::test]
async fn a_store_that_is_down_is_as_if_it_were_not_there() {
    let (upstream, mut redis) = (Upstream::start(), Redis::start().await.unwrap());
    let webdis = Webdis::start(&redis).await.unwrap();
    let [one, other] = two(webdis.address(), "", &upstream).await;
    fill(&one, "/a", FRESH).await;
    redis.kill();
    assert_eq!(get(&one, "/a", "status=599").await.status, 200, "what is here is here");
    let load = |envoy: &Envoy, name: &'static str| {
        let missed = to(envoy, "GET", "/").header("x-upstream", FRESH);
        Load::of(&envoy.url("/"))
            .connections(16)
            .requests(1_000)
            .each(move |number, _| missed.clone().path(&format!("/{name}/{number}")))
    };
    let before = upstream.received();
    let failures = one.stat(&metric("failures", "")).await.unwrap_or(0);
    let report = load(&one, "down").run().await.unwrap();
    assert_eq!(report.status(200), 1_000, "{report}");
    assert_eq!(upstream.received() - before, 1_000);
    let failed = one.stat(&metric("failures", "")).await.unwrap_or(0) - failures;
    assert!(failed <= 100, "{failed} calls for a thousand misses");
    // A purge is told once the store is back.
    purge(&one, "/", &[("surrogate-key", "t")]).await;
    assert!(!has(&one, "/a").await);
    redis.restart().await.unwrap();
    come_together(&one, &other, &upstream).await;
    let sent = metric("purges", ";direction=sent");
    one.wait_for_stat(&sent, |count| count >= 1, LONG).await;
    let received = metric("purges", ";direction=received");
    other.wait_for_stat(&received, |count| count >= 1, LONG).await;
}

#[tokio::test]
async fn objects_in_a_plain_http_store_serve_a_fleet() {
    let (upstream, nginx) = (Upstream::start(), Nginx::start().await.unwrap());
    let remote = r#", "via": "http", "prefix": "cache/ballast""#;
    let [one, other] = two(nginx.address(), remote, &upstream).await;
    let first = fill(&one, "/a", FRESH).await;
    let second = get(&other, "/a", "status=599").await;
    assert_eq!((second.status, second.text()), (200, first.text()));
    assert!(said(&second).contains("detail=remote"), "{}", said(&second));
    assert_eq!(upstream.received(), 1);
    purge(&one, "/", &[("surrogate-key", "t")]).await;
    eventually("the purge", LONG, async || (!has(&other, "/a").await).then_some(())).await;
    let anew = get(&other, "/a", "header=cache-control:no-store; body=7").await;
    assert_eq!(anew.text().len(), 7, "{}", said(&anew));
}
