//! The page where tokens are needed.

use super::browser::Browser;
use super::{SAMPLE, alone, url};
use ballast_harness::Envoy;
use ballast_upstream::Upstream;
use fantoccini::Locator;

/// What the sample says of access, and what this test says.
const OPEN: &str = r#""access": { "allow": ["127.0.0.0/8"], "allow_loopback": true }"#;
const GUARDED: &str = r#""access": { "read": [{ "name": "wall", "token": "a-token-for-reading" }], "act": [{ "name": "oncall", "token": "a-token-for-actions" }] }"#;

async fn give(browser: &Browser, field: &str, token: &str) {
    browser.client.find(Locator::Id(field)).await.unwrap().send_keys(token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_kept_nowhere_and_opens_what_it_is_for() {
    let _alone = alone().await;
    let upstream = Upstream::start();
    let envoy = Envoy::builder()
        .sample(SAMPLE)
        .replacing(OPEN, GUARDED)
        .upstream(upstream.address())
        .start()
        .await
        .unwrap();
    let browser = Browser::start().await;
    browser.client.goto(&url(&envoy)).await.unwrap();
    browser.until("#tokens-why", |text| text.contains("asks for a token")).await;
    browser.picture("token-light").await;

    give(&browser, "token-read", "not-the-right-token").await;
    browser.press("#tokens [value=use]").await;
    browser.until("#tokens-why", |text| text.contains("not accepted")).await;

    give(&browser, "token-read", "a-token-for-reading").await;
    browser.press("#tokens [value=use]").await;
    browser.until("#age", |text| text == "live").await;
    browser.until("#breakers tbody", |text| text.contains("closed")).await;

    // Reading is not acting.
    browser.press("#breakers .buttons button:nth-child(2)").await;
    browser.press("#confirm-do").await;
    browser.until("#note", |text| text.contains("Not allowed")).await;
    browser.until("#tokens-why", |text| text.contains("token for actions")).await;
    give(&browser, "token-read", "a-token-for-reading").await;
    give(&browser, "token-act", "a-token-for-actions").await;
    browser.press("#tokens [value=use]").await;
    browser.press("#breakers .buttons button:nth-child(2)").await;
    browser.press("#confirm-do").await;
    browser.until("#breakers tbody", |text| text.contains("forced open")).await;
    browser.until("#events", |text| text.contains("oncall")).await;

    let kept = browser
        .script(
            "return [localStorage.length, sessionStorage.length, document.cookie, document.documentElement.outerHTML \
               .includes('a-token-for'), [...document.querySelectorAll('input[type=password]')].some((input) => input.value)]",
        )
        .await;
    assert_eq!(kept, serde_json::json!([0, 0, "", false, false]));
    browser.close().await;
}
