//! Steps of the wall clock.
//!
//! Under each filter by itself in the in-process host, whose clocks a test moves; and under a whole Envoy, whose wall clock
//! `ballast-clock-shift` moves while it runs.

use super::invariants::{self, Tokens};
use super::scene::Scene;
use super::{Outcome, Scale};
use crate::Check;
use crate::watch::admin_url;
use anyhow::{Context, Result};
use ballast_contract::{Workers, filter, status};
use ballast_harness::{Envoy, EnvoyBuilder, Mode, Request, RunDir, paths, workspace_library};
use ballast_upstream::{Answer, Upstream};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

const HOUR: i64 = 3_600;
const NANOS: i64 = 1_000_000_000;
/// A clock was moved if it is so near to where it should be, in seconds: a date has no parts of a second, and a busy machine is late.
const NEAR: i64 = 10;
const A_TICK: Duration = Duration::from_millis(104);

/// Each filter by itself.
pub(super) async fn filters(_: Scale) -> Result<Outcome> {
    let checks = tokio::task::spawn_blocking(|| {
        let mut checks = Vec::new();
        for (step, called) in [(HOUR, "an hour ahead"), (-HOUR, "an hour back")] {
            for algorithm in ["token_bucket", "sliding_window", "fixed_window"] {
                checks.push(limit(algorithm, step, called));
            }
            checks.extend([places(step, called), breaker(step, called), cache(step, called)]);
        }
        checks
    });
    Ok(Outcome { checks: checks.await?, ..Outcome::default() })
}

fn step(workers: &Workers, seconds: i64) {
    let now = i64::try_from(workers.host.wall_nanos()).expect("a time of this century");
    workers.host.set_wall_nanos((now + seconds * NANOS).cast_unsigned());
    workers.host.advance(A_TICK);
}

/// A limit of 20 of which 8 are used before the step lets 12 through after it.
fn limit(algorithm: &str, seconds: i64, called: &str) -> Check {
    let rate =
        if algorithm == "token_bucket" { r#""rate": "1/d", "burst": 20"# } else { r#""rate": "20/d""# };
    let configuration = format!(r#"{{"limits": [{{"name": "a", "algorithm": "{algorithm}", {rate}}}]}}"#);
    let workers = Workers::start(&filter("rate-limit"), 2, &configuration);
    let passes = |worker| u64::from(status(&workers.get(worker, "/", &[])) == 200);
    let before: u64 = (0..8).map(|number| passes(number % 2)).sum();
    step(&workers, seconds);
    // Tokens that one worker holds in advance come back on a tick.
    let round = |_| {
        workers.host.advance(A_TICK);
        (0..20).map(|number| passes(number % 2)).sum::<u64>()
    };
    let after: u64 = (0..5).map(round).sum();
    Check::same(&format!("{called}: {algorithm} of 20, 8 of them used before"), 20, before + after)
}

/// A place that is held before the step is held after it, and free when its request has ended.
fn places(seconds: i64, called: &str) -> Check {
    let limit = r#"{"limits": [{"name": "a", "algorithm": "concurrency", "max_concurrent": 1}]}"#;
    let workers = Workers::start(&filter("rate-limit"), 2, limit);
    let held = workers.get(0, "/", &[]);
    step(&workers, seconds);
    let seen = [status(&workers.get(1, "/", &[])), status(&held), status(&workers.get(1, "/", &[]))];
    let name = format!("{called}: the one place, while it is held, of who holds it, afterwards");
    Check::new(&name, "[429, 200, 200]", format!("{seen:?}"), seen == [429, 200, 200])
}

/// A breaker that opened before the step is open after it, and closes in its time.
fn breaker(seconds: i64, called: &str) -> Check {
    let rule = r#"{"breakers": [{"name": "a", "key": [], "trip": {"consecutive_failures": 5},
        "open": {"for": "10s", "multiplier": 1, "max": "10s", "jitter": "0%"},
        "half_open": {"max_calls": 1, "success_threshold": 1, "max_duration": "20s"}}]}"#;
    let workers = Workers::start(&filter("circuit-breaker"), 2, rule);
    let call = |worker: usize, answer: &str| {
        let stream = workers.get(worker, "/", &[]);
        let passed = stream.local_reply().is_none();
        if passed {
            stream.set_property(&["response", "code_details"], "via_upstream");
            stream.response_headers(&[(":status", answer)], true).expect("the VM lives");
        }
        stream.finish().expect("the VM lives");
        passed
    };
    (0..5).for_each(|number| assert!(call(number % 2, "503"), "call {number}"));
    step(&workers, seconds);
    let early = call(0, "200");
    workers.host.advance(Duration::from_secs(10));
    let probe = call(1, "200");
    workers.host.advance(A_TICK);
    let seen = [early, probe, call(0, "200"), call(1, "200")];
    let name = format!("{called}: an open breaker lets through: at once, after 10 s, and then");
    let wanted = [false, true, true, true];
    Check::new(&name, format!("{wanted:?}"), format!("{seen:?}"), seen == wanted)
}

/// A page that was fresh for a minute before the step is what it was, and is fetched again after a minute.
fn cache(seconds: i64, called: &str) -> Check {
    let workers = Workers::start(&filter("response-cache"), 2, r#"{"rules": [{"name": "all"}]}"#);
    let get = |worker, body: &str| {
        let stream = workers.get(worker, "/page", &[(":scheme", "http")]);
        let got = if let Some(reply) = stream.local_reply() {
            String::from_utf8_lossy(&reply.body).into_owned()
        } else {
            let headers = [(":status", "200"), ("cache-control", "max-age=60")];
            stream.response_headers(&headers, false).expect("the VM lives");
            stream.response_body(body, true).expect("the VM lives");
            String::from_utf8_lossy(&stream.response().body).into_owned()
        };
        stream.finish().expect("the VM lives");
        got
    };
    let first = get(0, "first");
    step(&workers, seconds);
    let still = [get(0, "second"), get(1, "second")];
    workers.host.advance(Duration::from_secs(61));
    let seen = [first, still[0].clone(), still[1].clone(), get(1, "third")];
    let wanted = ["first", "first", "first", "third"];
    let name = format!("{called}: a page before, after at both workers, and a minute later");
    Check::new(&name, format!("{wanted:?}"), format!("{seen:?}"), seen == wanted)
}

/// A whole Envoy.
pub(super) async fn envoy(scale: Scale) -> Result<Outcome> {
    let library = workspace_library("ballast-clock-shift")?;
    // A container sees the repository under its own path, and so this directory.
    let directory = RunDir::new()?;
    let file = directory.join("shift");
    std::fs::write(&file, 0_i64.to_ne_bytes())?;
    let change = |builder: EnvoyBuilder, _: &Upstream| {
        // An image need not have what a Rust library links to.
        let builder = if paths::envoy_binary().is_some() { builder.mode(Mode::Process) } else { builder };
        builder
            .environment("LD_PRELOAD", &library.display().to_string())
            .environment("BALLAST_CLOCK_SHIFT", &file.display().to_string())
    };
    let mut scene = Scene::start_with("clock-steps-envoy", Answer::ok(), change).await?;
    scene.begin().await;
    let from = scene.elapsed();
    let mut checks = Vec::new();
    for (seconds, called) in [(HOUR, "an hour ahead"), (-HOUR, "an hour back"), (0, "where it was")] {
        shift(&file, seconds)?;
        tokio::time::sleep(scale.trouble() / 3).await;
        let ahead = ahead(&scene.envoy).await?;
        let name = format!("the proxy's clock, {called}: seconds ahead of this machine's");
        let held = (ahead - seconds).abs() <= NEAR;
        checks.push(Check::new(&name, format!("about {seconds}"), ahead, held));
    }
    let to = scene.elapsed();
    scene.end().await;
    checks.push(Check::same("requests of the quiet load that failed", 0, scene.failed()));
    checks.extend(invariants::all(&scene, Tokens::All).await);
    Ok(Outcome { trouble: Some((from, to)), ..scene.outcome(checks) })
}

/// In place: the proxy has mapped the file.
fn shift(file: &Path, seconds: i64) -> Result<()> {
    let mut file = OpenOptions::new().write(true).open(file)?;
    Ok(file.write_all(&(seconds * NANOS).to_ne_bytes())?)
}

/// By how many seconds the proxy's wall clock is ahead of this machine's: it dates the answers that it makes itself.
async fn ahead(envoy: &Envoy) -> Result<i64> {
    let url = admin_url(envoy, "/health").context("the chain has a listener for the admin filter")?;
    let answer = Request::get(&url).send().await?;
    let date = httpdate::parse_http_date(answer.header("date").context("a date")?)?;
    let seconds = |time: SystemTime| -> Result<i64> {
        Ok(i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH)?.as_secs())?)
    };
    Ok(seconds(date)? - seconds(SystemTime::now())?)
}
