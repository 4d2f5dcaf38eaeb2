//! Envoy's own filter speaks to the same service: what both understand is the protocol.

use super::{alone, fleet, service};
use ballast_harness::{Redis, Request};
use ballast_upstream::Upstream;

/// Envoy's filter in the place of this one.
const NATIVE: &str = r#"
                  - name: envoy.filters.http.ratelimit
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
                      domain: ballast
                      failure_mode_deny: true
                      timeout: 2s
                      enable_x_ratelimit_headers: DRAFT_VERSION_03
                      rate_limit_service:
                        transport_api_version: V3
                        grpc_service: { envoy_grpc: { cluster_name: ratelimit } }
                  - name: envoy.filters.http.router
"#;

/// What makes it send the entry that this filter sends.
const ACTIONS: &str = r#"route:
                            cluster: upstream
                            rate_limits:
                              - actions: [{ generic_key: { descriptor_key: limit, descriptor_value: all } }]"#;

#[tokio::test]
async fn envoys_own_filter_and_this_one_spend_the_same_limit() {
    let _alone = alone().await;
    let (upstream, redis) = (Upstream::start(), Redis::start().await.unwrap());
    let service = service(&redis, &["limit=all:5/year"]);
    let limit =
        r#"[{"name": "all", "global": {"cluster": "ratelimit", "timeout": "2s", "on_error": "deny"}}]"#;
    let ours = fleet(limit, &upstream, service.address()).start().await.unwrap();
    let native = fleet("[]", &upstream, service.address())
        .replacing("\n                  - name: envoy.filters.http.router\n", NATIVE)
        .replacing("route: { cluster: upstream }", ACTIONS)
        .start()
        .await
        .unwrap();
    let mut said = Vec::new();
    for (envoy, header) in [
        (&native, "x-ratelimit-remaining"),
        (&ours, "ratelimit"),
        (&native, "x-ratelimit-remaining"),
        (&ours, "ratelimit"),
        (&native, "x-ratelimit-remaining"),
        (&ours, "ratelimit"),
        (&native, "x-ratelimit-remaining"),
    ] {
        let answer = Request::get(&envoy.url("/")).send().await.unwrap();
        let told = answer.header(header).unwrap_or_default().to_owned();
        let left = told.split(';').find_map(|part| part.strip_prefix("r=")).unwrap_or(&told).to_owned();
        said.push((answer.status, left));
    }
    let expected = [(200, "4"), (200, "3"), (200, "2"), (200, "1"), (200, "0"), (429, "0"), (429, "0")];
    assert_eq!(said, expected.map(|(status, left)| (status, left.to_owned())));
    assert_eq!(service.seen().calls, 7);
}
