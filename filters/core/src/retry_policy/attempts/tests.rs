use super::*;
use crate::config::parse;
use crate::random::Fixed;
use crate::retry_policy::config::Config;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn policy() -> Policy {
    let text = r#"{"policies": [{"name": "reads", "max_attempts": 3, "timeout": "1s",
        "backoff": {"strategy": "exponential", "jitter": "none", "base": "100ms", "max": "10s"},
        "respect_retry_after": {"max": "500ms"}}]}"#;
    let mut config: Config = parse(text.as_bytes()).unwrap();
    config.policies.remove(0)
}

const FREE: Situation =
    Situation { now: MonoTime::from_millis(0), obstacle: None, budget: 10, throttled: false };
const FAILED: Said = Said { retriable: true, spent: false, asked: Asked::Nothing };

/// The decision after so many failing attempts.
fn after(failures: u32, said: Said, situation: Situation) -> Decision {
    let mut attempts = Attempts::new(Some(MonoTime::from_millis(1_000)));
    for _ in 1..failures {
        let _ = attempts.ended(&policy(), Outcome::Reset, FAILED, &FREE, &mut Fixed(0));
    }
    attempts.ended(&policy(), Outcome::Answer(503), said, &situation, &mut Fixed(0))
}

#[test]
fn each_gate_refuses_with_its_reason() {
    let refused = |refusal| Decision::Deliver(Some(refusal));
    let asked = |asked| Said { asked, ..FAILED };
    for (name, failures, said, situation, expected) in [
        ("not retriable", 1, Said::default(), FREE, Decision::Deliver(None)),
        ("the first retry", 1, FAILED, FREE, Decision::Retry(MS(100))),
        ("the second retry", 2, FAILED, FREE, Decision::Retry(MS(200))),
        ("three attempts", 3, FAILED, FREE, refused(Refusal::Attempts)),
        ("marked", 1, Said { spent: true, ..FAILED }, FREE, refused(Refusal::Spent)),
        ("asked to wait", 1, asked(Asked::Wait(MS(300))), FREE, Decision::Retry(MS(300))),
        ("asked for less", 1, asked(Asked::Wait(MS(1))), FREE, Decision::Retry(MS(100))),
        ("asked for too much", 1, asked(Asked::Wait(MS(501))), FREE, refused(Refusal::RetryAfter)),
        ("asked to stay away", 1, asked(Asked::Never), FREE, refused(Refusal::RetryAfter)),
        (
            "the wait passes the deadline",
            1,
            FAILED,
            Situation { now: MonoTime::from_millis(900), ..FREE },
            refused(Refusal::Deadline),
        ),
        (
            "the wait just fits",
            1,
            FAILED,
            Situation { now: MonoTime::from_millis(899), ..FREE },
            Decision::Retry(MS(100)),
        ),
        (
            "breaker",
            1,
            FAILED,
            Situation { obstacle: Some(Refusal::BreakerOpen), ..FREE },
            refused(Refusal::BreakerOpen),
        ),
        ("throttle", 1, FAILED, Situation { throttled: true, ..FREE }, refused(Refusal::Throttle)),
        ("budget", 1, FAILED, Situation { budget: 0, ..FREE }, refused(Refusal::Budget)),
    ] {
        assert_eq!(after(failures, said, situation), expected, "{name}");
    }
}

#[test]
fn the_access_log_shows_all_attempts_and_what_stopped_them() {
    let mut attempts = Attempts::new(None);
    assert_eq!(attempts.summary("reads"), "reads");
    let _ = attempts.ended(&policy(), Outcome::ConnectFailure, FAILED, &FREE, &mut Fixed(0));
    assert!(!attempts.is_spent());
    let _ = attempts.ended(
        &policy(),
        Outcome::Answer(503),
        FAILED,
        &Situation { budget: 0, ..FREE },
        &mut Fixed(0),
    );
    assert_eq!(attempts.summary("reads"), "reads,connect_failure+503,budget");
    assert!(attempts.is_spent());
    assert_eq!(attempts.refused(), Some(Refusal::Budget));
}

#[test]
fn an_answer_that_was_refused_a_retry_is_spent_and_a_good_first_one_is_not() {
    let mut attempts = Attempts::new(None);
    let _ = attempts.ended(&policy(), Outcome::Answer(200), Said::default(), &FREE, &mut Fixed(0));
    assert!(!attempts.is_spent());
    assert_eq!(attempts.refuse(Refusal::Call), Decision::Deliver(Some(Refusal::Call)));
    assert!(attempts.is_spent());
}
