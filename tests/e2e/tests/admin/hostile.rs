//! Requests of somebody who means harm: the right status, nothing changed, no VM lost.

use super::{ACT, READ, admin, ask, json, url};
use ballast_harness::{Envoy, Request};
use ballast_upstream::Upstream;

/// What a request gets; `None`: Envoy itself closed the connection.
async fn status(request: Request) -> Option<u16> {
    request.send().await.ok().map(|response| response.status)
}

/// Asks, and notes whoever gets another status than one of these.
struct Attacks<'e> {
    envoy: &'e Envoy,
    count: u32,
    wrong: Vec<String>,
}

impl Attacks<'_> {
    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
        allowed: &[u16],
    ) {
        self.count += 1;
        let mut request = Request::new(method, &url(self.envoy, path));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let status = status(request).await;
        if !status.is_some_and(|status| allowed.contains(&status)) {
            self.wrong.push(format!("{method} {path:.60} {headers:.60?}: {status:?}, not {allowed:?}"));
        }
    }
}

#[tokio::test]
async fn more_than_fifty_hostile_requests_change_nothing() {
    let upstream = Upstream::start();
    let envoy = admin("", &upstream).start().await.unwrap();
    let act = ("authorization", ACT);
    let mut attacks = Attacks { envoy: &envoy, count: 0, wrong: Vec::new() };
    // Envoy's own normalization makes one spelling of some, refuses others, and what is left is no endpoint.
    for path in [
        "/../ballast/none",
        "/drain/",
        "/drain%00",
        "/drain%2f",
        "/drain;x",
        "/../../etc/passwd",
        "/circuit-breakers/%2e%2e/%2e%2e/reset",
        "/DRAIN",
        "/drain%5c",
        "/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/drain%0d%0ax:y",
    ] {
        attacks.ask("POST", path, &[act], None, &[400, 404, 405]).await;
    }
    for (method, allowed) in
        [("TRACE", 405), ("PROPFIND", 405), ("PATCH", 405), ("OPTIONS", 405), ("LOCK", 405)]
    {
        attacks.ask(method, "/drain", &[act], None, &[allowed, 400, 501]).await;
    }
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        attacks.ask("POST", "/drain", &[act, (name, value)], None, &[403]).await;
    }
    attacks.ask("POST", "/drain", &[("authorization", READ)], None, &[403]).await;
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-envoy-internal", "true"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/ballast/health/live"),
        ("forwarded", "for=127.0.0.1"),
        ("x-ballast-token", "act-token-0123456789"),
        ("proxy-authorization", ACT),
        ("cookie", "authorization=act-token-0123456789"),
    ] {
        attacks.ask("POST", "/drain", &[(name, value)], None, &[401]).await;
    }
    for query in ["?force=true", "?%ff=%ff", "?drain=%00", "?=x"] {
        attacks.ask("POST", &format!("/drain{query}"), &[act], None, &[400]).await;
    }
    let many = "tag=a&".repeat(300);
    attacks.ask("POST", &format!("/cache/purge?{many}"), &[act], None, &[400]).await;
    attacks.ask("POST", "/rate-limits/a/reset?id=%27%3B--", &[act], None, &[400]).await;
    attacks.ask("GET", "/events?limit=99999999999999999999", &[act], None, &[400]).await;
    attacks.ask("POST", "/benchmark?rounds=4294967296", &[act], None, &[400]).await;
    attacks.ask("GET", &format!("/state?cursor={}", "/".repeat(4_000)), &[act], None, &[400]).await;
    // Bodies: no JSON, deep, huge, and more than is announced to be taken.
    for body in [&b"{"[..], b"[]", b"\xff\xfe", b"null", b"{\"all\": {\"a\": 1}}"] {
        attacks.ask("POST", "/cache/purge", &[act], Some(body.to_vec()), &[400]).await;
    }
    attacks.ask("POST", "/cache/purge", &[act], Some(b"[".repeat(60_000)), &[400]).await;
    attacks.ask("POST", "/cache/purge", &[act], Some(vec![b' '; 100_000]), &[413]).await;
    attacks.ask("PUT", "/state", &[act], Some(vec![b'x'; 3 << 19]), &[413]).await;
    attacks
        .ask(
            "PUT",
            "/state",
            &[act],
            Some(br#"{"version": 1, "filter": "../x", "namespace": "y"}"#.to_vec()),
            &[400],
        )
        .await;
    // Wrong tokens, from the one network that this test has: last, since from the eleventh on no token is looked at.
    for token in [
        "Bearer",
        "Bearer x",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer null",
        "Bearer act-token-012345678",
        "Bearer act-token-01234567890",
        "Bearer ACT-TOKEN-0123456789",
        "act-token-0123456789",
        "bearer  ",
        "Digest a=b",
    ] {
        attacks.ask("POST", "/drain", &[("authorization", token)], None, &[401]).await;
    }
    attacks.ask("POST", "/drain", &[("authorization", "Bearer x")], None, &[429]).await;
    attacks.ask("POST", "/drain", &[act], None, &[429]).await;
    assert!(attacks.wrong.is_empty(), "{:#?}", attacks.wrong);
    assert!(attacks.count >= 50, "{}", attacks.count);
    // Nothing has changed: clients are served, and what needs no token says so.
    assert_eq!(Request::get(&envoy.url("/")).send().await.unwrap().status, 200);
    let ready = Request::get(&url(&envoy, "/health/ready")).send().await.unwrap();
    assert_eq!((ready.status, &json(&ready)["ready"]), (200, &true.into()));
    assert_eq!(ask(&envoy, "GET", "/health/live").await.status, 200);
    let log = envoy.log();
    assert!(!log.contains("panicked") && !log.contains("unreachable"), "{log}");
}
