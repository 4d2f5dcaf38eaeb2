//! The incident itself.

use super::measure::{Look, Recorded, Seen};
use super::{Kind, Measures, PATIENCE, PER_SECOND, Plan, Way};
use ballast_harness::{Envoy, Load, Request};
use ballast_upstream::{Answer, Behaviour, Station, Switch, Upstream};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Requests that the shop works on at a time, and how long on each when it is well: 400 a second.
const PLACES: usize = 8;
const WELL: Duration = Duration::from_millis(20);
/// How long when it is slow: 32 a second, of more than a hundred that are asked of it.
const SLOW: Duration = Duration::from_millis(250);
/// How often the shop is asked what it received: it remembers the last 256 requests.
const LOOK_AT_SHOP: Duration = Duration::from_millis(250);
/// Pages of the catalogue.
const PAGES: u64 = 20;

const STATS: &str = concat!(
    r"ballast\.load_shedding\.(level|rejected)|ballast\.circuit_breaker\.(open|refused)",
    r"|ballast\.response_cache\.hits",
);

/// Plays it on a fresh Envoy with four workers.
///
/// # Panics
///
/// When Envoy does not start or the load cannot connect.
pub async fn play(way: Way, plan: Plan) -> Measures {
    let (station, dead) = (Station::new(PLACES, WELL), Switch::off());
    let page = Answer::ok().header("cache-control", "max-age=1").body("a page of the catalogue");
    let failing = |answer| {
        Behaviour::always(answer)
            .station(&station)
            .while_on(&dead, Answer::status(503).body("the shop is closed"))
    };
    let (shop, orders) = (Upstream::start(), Upstream::start());
    shop.script("/", failing(Answer::ok()));
    shop.script("/catalogue", failing(page));
    orders.script("/", Answer::ok().delay(Duration::from_millis(5)));
    let envoy = Envoy::builder()
        .config(way.bootstrap(orders.address()))
        .concurrency(4)
        .upstream(shop.address())
        .name(&format!("incident-{}", way.name()))
        .start()
        .await
        .expect("Envoy starts");
    let url = envoy.url("/");
    let base = url.trim_end_matches('/').to_owned();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observed = Arc::clone(&seen);
    let gap = Duration::from_secs(1) / u32::try_from(PER_SECOND).expect("a small number");
    let count = plan.whole().as_millis() as u64 * PER_SECOND / 1_000;
    let schedule: Vec<Duration> = (0..count).map(|number| gap * number as u32).collect();
    let load = Load::repeating(Request::get(&url).timeout(PATIENCE), &url)
        .connections(16)
        .http2(32)
        .at(schedule)
        .each(move |number, _| request(&base, number))
        .observe(move |outcome| {
            let due = gap * outcome.number as u32;
            let good = outcome.status.is_some_and(|status| status == 200) && outcome.latency <= PATIENCE;
            let kind = Kind::of(outcome.number);
            observed.lock().expect("nobody panics here").push(Seen {
                due,
                kind,
                good,
                status: outcome.status,
            });
        });
    let begin = Instant::now();
    let (looks, arrived) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let beside = async {
        tokio::join!(
            happen(&station, &dead, &plan, begin),
            look(&envoy, begin, &looks),
            look_at_shop(&shop, begin, &arrived)
        )
    };
    tokio::select! {
        done = load.run() => drop(done.expect("the load connects")),
        _ = beside => {}
    }
    let seen = core::mem::take(&mut *seen.lock().expect("nobody panics here"));
    let looks = looks.into_inner().expect("nobody panics here");
    let arrived = arrived.into_inner().expect("nobody panics here");
    Measures::of(plan, &Recorded { seen, looks, arrived })
}

fn request(base: &str, number: u64) -> Request {
    let get = |path: &str| Request::get(&format!("{base}{path}")).timeout(PATIENCE);
    match Kind::of(number) {
        Kind::Order => get(&format!("/orders/{number}")).header("x-priority", "critical"),
        Kind::Catalogue => get(&format!("/catalogue/{}", number % PAGES)),
        Kind::Search => get(&format!("/search/{number}")),
        Kind::Bulk => get(&format!("/bulk/{number}")).header("x-priority", "sheddable"),
    }
}

/// Makes the shop slow, dead and well at its times.
async fn happen(station: &Station, dead: &Switch, plan: &Plan, begin: Instant) {
    let [slow, fails, well] = plan.turns();
    let at = |after: Duration| tokio::time::sleep_until((begin + after).into());
    at(slow).await;
    station.set_service_time(SLOW);
    at(fails).await;
    // What is dead is quick about it.
    station.set_service_time(Duration::from_millis(2));
    dead.set(true);
    at(well).await;
    dead.set(false);
    station.set_service_time(WELL);
    std::future::pending::<()>().await;
}

/// Asks Envoy for its numbers at the end of each second.
async fn look(envoy: &Envoy, begin: Instant, looks: &Mutex<Vec<Look>>) {
    for second in 1_u32.. {
        tokio::time::sleep_until((begin + Duration::from_secs(1) * second).into()).await;
        let stats = envoy.stats_matching(STATS).await;
        looks.lock().expect("nobody panics here").push(Look { second: second - 1, stats });
    }
}

/// Collects which attempts of which requests have reached the shop, and when they were seen.
async fn look_at_shop(shop: &Upstream, begin: Instant, arrived: &Mutex<Vec<(Duration, String, String)>>) {
    let mut known = BTreeSet::new();
    loop {
        tokio::time::sleep(LOOK_AT_SHOP).await;
        for received in shop.last_requests() {
            let header = |name: &str| {
                received
                    .headers
                    .get(name)
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
                    .to_owned()
            };
            let (id, attempt) = (header("x-request-id"), header("x-envoy-attempt-count"));
            if known.insert((id.clone(), attempt.clone())) {
                arrived.lock().expect("nobody panics here").push((begin.elapsed(), id, attempt));
            }
        }
    }
}
