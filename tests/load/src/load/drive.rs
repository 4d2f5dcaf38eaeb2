//! Goose makes the load: users come and go as a test plan says, each with an address and connections of its own.

use super::operation::Operation;
use super::table::{Scenario, Step};
use crate::recorder::{Came, Recorder};
use anyhow::{Result, anyhow};
use goose::config::GooseConfiguration;
use goose::goose::GooseResponse;
use goose::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// An answer that takes longer is none, in seconds.
const TIMEOUT_SECONDS: &str = "10";

static WARNINGS: Once = Once::new();

/// Goose's warnings, and nobody else's: it would otherwise set a logger that shows those of every library.
struct Goose;

impl log::Log for Goose {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("goose")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("goose: {}", record.args());
        }
    }

    fn flush(&self) {}
}

/// What all users share.
struct Shared {
    recorder: Recorder,
    numbers: AtomicU64,
}

/// Runs the plan against the proxy at this URL to its end. Returns how many requests goose has counted.
///
/// # Errors
///
/// When goose does not start, or refuses the plan.
pub(crate) async fn drive(
    url: &str,
    scenario: &Scenario,
    steps: &[Step],
    recorder: &Recorder,
) -> Result<u64> {
    let plan: Vec<String> = steps.iter().map(|step| format!("{},{}s", step.users, step.seconds)).collect();
    let arguments = ["--host", url, "--test-plan", &plan.join(";"), "--timeout", TIMEOUT_SECONDS];
    let quiet = ["--no-telnet", "--no-print-metrics", "--quiet", "--no-error-summary"];
    let arguments: Vec<&str> = arguments.into_iter().chain(quiet).collect();
    WARNINGS.call_once(|| {
        // Fails when somebody has set one: then they hear it.
        let _ = log::set_logger(&Goose).map(|()| log::set_max_level(log::LevelFilter::Warn));
    });
    let failed = |error: GooseError| anyhow!("goose: {error}");
    let configuration = GooseConfiguration::parse_args_default(&arguments).map_err(failed)?;
    let shared = Arc::new(Shared { recorder: recorder.clone(), numbers: AtomicU64::new(0) });

    let wait = Duration::from_millis(scenario.wait_ms);
    let mut users = goose::goose::Scenario::new(scenario.name).register_transaction(arrive());
    if !wait.is_zero() {
        // Half of it more or less, so that users do not march in step.
        users = users.set_wait_time(wait / 2, wait * 3 / 2).map_err(failed)?;
    }
    for (operation, weight) in scenario.mix {
        users = users.register_transaction(asking(*operation, *weight, &shared).map_err(failed)?);
    }
    let attack = GooseAttack::initialize_with_config(configuration).map_err(failed)?;
    let metrics = attack
        .register_scenario(users)
        .set_scheduler(GooseScheduler::Random)
        .execute()
        .await
        .map_err(failed)?;
    Ok(metrics.requests.values().map(|one| (one.success_count + one.fail_count) as u64).sum())
}

/// A user arrives, at an address of its own: to the filters it is a client of its own.
fn arrive() -> Transaction {
    let arrive: TransactionFunction = Arc::new(|user| {
        Box::pin(async move {
            let address = address_of(user.weighted_users_index);
            user.set_client_builder(
                reqwest::Client::builder().local_address(address).timeout(Duration::from_secs(10)),
            )
            .await
            .map_err(Box::new)
        })
    });
    Transaction::new(arrive).set_on_start()
}

/// One of 127.1.0.0/16.
fn address_of(user: usize) -> IpAddr {
    let byte = |value: usize| u8::try_from(value).expect("less than 250");
    Ipv4Addr::new(127, 1, byte(user / 250 % 250), byte(1 + user % 250)).into()
}

fn asking(operation: Operation, weight: usize, shared: &Arc<Shared>) -> Result<Transaction, GooseError> {
    let shared = Arc::clone(shared);
    let ask: TransactionFunction = Arc::new(move |user| {
        let shared = Arc::clone(&shared);
        Box::pin(async move { ask(user, operation, &shared).await })
    });
    Transaction::new(ask).set_name(operation.name()).set_weight(weight)
}

async fn ask(user: &mut GooseUser, operation: Operation, shared: &Shared) -> TransactionResult {
    let recorder = &shared.recorder;
    if operation == Operation::Crowd {
        let into = recorder.elapsed().subsec_nanos();
        tokio::time::sleep(Duration::from_secs(1) - Duration::from_nanos(into.into())).await;
    }
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    let asked = operation.asked(number, user.weighted_users_index, recorder.elapsed().as_secs());
    let mut builder = user.get_request_builder(&asked.method, &asked.path)?;
    for (name, value) in asked.headers {
        builder = builder.header(name, value);
    }
    let request = GooseRequest::builder()
        .method(asked.method)
        .path(asked.path.as_str())
        .name(operation.name())
        .set_request_builder(builder)
        .build();
    recorder.begin();
    let begun = Instant::now();
    let GooseResponse { mut request, response } = user.request(request).await?;
    let (came, status, why) = judge(response, asked.good, &asked.contains).await;
    recorder.end(operation.name(), came, status, begun.elapsed(), &why);
    if came == Came::Failed {
        // It always answers that it is a failure.
        let _ = user.set_failure(&why, &mut request, None, None);
        return Ok(());
    }
    user.set_success(&mut request)
}

async fn judge(
    response: Result<reqwest::Response, reqwest::Error>,
    good: u16,
    contains: &str,
) -> (Came, Option<u16>, String) {
    let answer = match response {
        Ok(answer) => answer,
        Err(error) => return (Came::Failed, None, told(&error)),
    };
    let (status, comes_back) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    let body = match answer.bytes().await {
        Ok(body) => body,
        Err(error) => return (Came::Failed, None, told(&error)),
    };
    match status {
        _ if status == good && String::from_utf8_lossy(&body).contains(contains) => {
            (Came::Good, Some(status), String::new())
        }
        429 | 503 if comes_back => (Came::Refused, Some(status), String::new()),
        _ if status == good => (Came::Failed, Some(status), "wrong bytes".to_owned()),
        _ => (Came::Failed, Some(status), format!("status {status}")),
    }
}

/// What went wrong, without the address and path, which differ each time.
fn told(error: &reqwest::Error) -> String {
    match () {
        () if error.is_timeout() => "no answer in time".to_owned(),
        () if error.is_connect() => "no connection".to_owned(),
        () => "the connection broke".to_owned(),
    }
}
