//! The page during an incident.

use super::browser::Browser;
use super::{SAMPLE, SOON, alone, url};
use ballast_harness::{Envoy, Request, eventually};
use ballast_upstream::{Answer, Upstream};
use std::time::{Duration, Instant};

const BREAKER: &str = "#breakers tbody tr:first-child";
const STATE: &str = "#breakers tbody tr:first-child td:nth-of-type(1)";
/// From the trip to the sight of it.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// Fails until the breaker has opened; when that was.
async fn trip(envoy: &Envoy, upstream: &Upstream) -> Instant {
    upstream.script("/", Answer::status(500));
    eventually("the breaker to open", SOON, async || {
        let answer = Request::get(&envoy.url("/")).send().await.unwrap();
        (answer.status == 503).then(Instant::now)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_loads_cleanly_shows_a_trip_within_two_seconds_and_its_buttons_act() {
    let _alone = alone().await;
    let upstream = Upstream::start();
    let envoy = Envoy::builder().sample(SAMPLE).upstream(upstream.address()).start().await.unwrap();
    let browser = Browser::start().await;
    let page = url(&envoy);
    browser.client.goto(&page).await.unwrap();
    browser.until("#age", |text| text == "live").await;
    browser.until(STATE, |text| text.contains("closed")).await;
    for _ in 0..20 {
        Request::get(&envoy.url("/")).send().await.unwrap();
    }
    browser.picture("quiet-light").await;

    // What is pressed next is still there after the page has been drawn again.
    let reset = format!("{BREAKER} .buttons button:first-child");
    browser.script(&format!("document.querySelector({reset:?}).focus()")).await;
    let tripped = trip(&envoy, &upstream).await;
    browser.until(STATE, |text| text.contains("open")).await;
    let after = tripped.elapsed();
    assert!(after < SHOWN_WITHIN, "shown after {after:?}");
    println!("the trip was shown after {after:?}");
    let focused = browser.script("return document.activeElement.getAttribute('aria-label')").await;
    assert_eq!(focused, "Reset upstream");
    let log = browser.until("#events", |text| text.contains("breaker opened")).await;
    assert!(log.contains("upstream"), "{log}");
    browser.picture("incident-light").await;

    // An order to keep it open, and the one that takes everything back, each asked about first.
    browser.press(&format!("{BREAKER} .buttons button:nth-child(2)")).await;
    browser.until("#confirm-h", |text| text.contains("Force open upstream")).await;
    browser.picture("confirm-light").await;
    browser.press("#confirm-do").await;
    browser.until(STATE, |text| text.contains("forced open")).await;
    upstream.script("/", Answer::ok());
    browser.press(&reset).await;
    browser.press("#confirm-do").await;
    browser.until(STATE, |text| text.contains("closed") && !text.contains("forced")).await;
    assert_eq!(Request::get(&envoy.url("/")).send().await.unwrap().status, 200);

    // Another one is called off.
    browser.press(&format!("{BREAKER} .buttons button:nth-child(2)")).await;
    browser.press("#confirm [value=cancel]").await;
    browser.until("#confirm-h", |_| true).await;
    assert_eq!(Request::get(&envoy.url("/")).send().await.unwrap().status, 200);

    small_and_dark(&browser).await;
    everything_has_a_name(&browser).await;

    assert_eq!(browser.console().await, [serde_json::Value::Null; 0], "the console is silent");
    let own = page.strip_suffix("dashboard").unwrap();
    let requests = browser.requests().await;
    assert!(requests.len() > 10, "{requests:?}");
    let elsewhere: Vec<_> = requests.iter().filter(|address| !address.starts_with(own)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    browser.close().await;
}

/// 400 pixels are enough: nothing sticks out, and each button can be pressed.
async fn small_and_dark(browser: &Browser) {
    browser.show_as(1280, "dark").await;
    browser.picture("dark").await;
    browser.show_as(400, "dark").await;
    browser.script("scrollTo(0, 0)").await;
    browser.picture("narrow-dark").await;
    browser.show_as(400, "light").await;
    browser.script("document.querySelector('#breakers').scrollIntoView()").await;
    browser.picture("narrow-light").await;
    let width = browser.script("return document.documentElement.scrollWidth").await;
    assert_eq!(width, 400);
    let outside = browser
        .script(
            "return [...document.querySelectorAll('main button, main input, main select')].filter((node) => { \
               const box = node.getBoundingClientRect(); return box.width > 0 && (box.left < 0 || box.right > 400); }) \
             .map((node) => node.textContent || node.id)",
        )
        .await;
    assert_eq!(outside, serde_json::json!([]));
    browser.press(&format!("{BREAKER} .buttons button:nth-child(4)")).await;
    browser.until("#confirm-h", |text| text.contains("Metrics only upstream")).await;
    browser.press("#confirm [value=cancel]").await;
    browser.show_as(1280, "light").await;
}

/// Whoever does not see the page can use it: each control and picture says what it is.
async fn everything_has_a_name(browser: &Browser) {
    let nameless = browser
        .script(
            "return [...document.querySelectorAll('button, input, select, meter, svg[role=img], section, dialog, th')] \
               .filter((node) => { const by = (node.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => \
                 document.getElementById(id)?.textContent ?? '').join(''); \
                 return !(node.getAttribute('aria-label') || by.trim() || node.labels?.length || \
                   (['BUTTON', 'TH'].includes(node.tagName) && node.textContent.trim())); }) \
               .map((node) => node.outerHTML.slice(0, 200))",
        )
        .await;
    assert_eq!(nameless, serde_json::json!([]));
}
