use super::super::Ask;
use super::super::fixed_window::FixedWindow;
use super::super::token_bucket::TokenBucket;
use super::*;
use crate::slots::Fingerprint;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const NAMES: [&str; 3] = ["burst", "daily", "in-flight"];

fn name_of(limit: u16) -> &'static str {
    NAMES[usize::from(limit)]
}

fn headers(style: HeaderStyle, decision: &Decision) -> Vec<(&'static str, String)> {
    let algorithms = [bucket(), window(1_000), Algorithm::Concurrency { most: 4 }];
    let teller = Teller::new(style, NAMES.into_iter().zip(algorithms));
    let mut told = Vec::new();
    teller.tell(decision, |name, value| told.push((name, value.to_owned())));
    told
}

fn verdict(limit: u16, algorithm: Algorithm, said: Said, remaining: u64, reset_millis: u64) -> Verdict {
    let (client, set) = (Fingerprint(1), 0);
    let ask = Ask { limit, set, client, algorithm, cost: 1, enforced: true, refundable: false };
    let reset = Duration::from_millis(reset_millis);
    Verdict { ask, said, remaining, reset, from_lease: false, evicted_live: false, stored: 0 }
}

fn bucket() -> Algorithm {
    Algorithm::TokenBucket(TokenBucket::new(100, Duration::from_secs(1), 250).unwrap())
}

fn window(most: u32) -> Algorithm {
    Algorithm::FixedWindow(FixedWindow::new(most, Duration::from_secs(86_400)).unwrap())
}

fn decision(verdicts: Vec<Verdict>) -> Decision {
    let refuses = |verdict: &Verdict| verdict.ask.enforced && Reason::of(verdict).is_some();
    Decision { refused_by: verdicts.iter().position(refuses), verdicts }
}

fn passed() -> Decision {
    decision(vec![
        verdict(0, bucket(), Said::Admit, 249, 10),
        verdict(1, window(1_000), Said::Admit, 12, 7_000),
        verdict(2, Algorithm::Concurrency { most: 4 }, Said::Admit, 3, 0),
    ])
}

#[test]
fn draft_11_tells_of_every_limit_with_its_policy() {
    assert_eq!(
        headers(HeaderStyle::Draft11, &passed()),
        [
            (
                "ratelimit-policy",
                r#""burst";q=250;w=3, "daily";q=1000;w=86400, "in-flight";q=4;qu="concurrent-requests""#
                    .to_owned()
            ),
            ("ratelimit", r#""burst";r=249;t=1, "daily";r=12;t=7, "in-flight";r=3"#.to_owned()),
        ]
    );
}

#[test]
fn the_older_headers_tell_of_the_limit_with_least_left() {
    let mut decision = passed();
    decision.verdicts.pop();
    let expected =
        [("x-ratelimit-limit", "1000"), ("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "7")];
    let told = headers(HeaderStyle::XRateLimit, &decision);
    assert_eq!(told, expected.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(headers(HeaderStyle::None, &decision), []);
}

#[test]
fn of_a_limit_that_refuses_it_is_told_when_it_would_admit() {
    let wait = Some(Duration::from_millis(1_001));
    let decision = decision(vec![verdict(1, window(9), Said::Refuse { wait }, 0, 60_000)]);
    assert_eq!(headers(HeaderStyle::Draft11, &decision)[1].1, r#""daily";r=0;t=2"#);
}

#[test]
fn what_is_not_enforced_or_not_known_is_not_told() {
    let mut shadow = verdict(0, bucket(), Said::Refuse { wait: None }, 0, 0);
    shadow.ask.enforced = false;
    let quiet = [
        shadow,
        verdict(1, window(9), Said::NotAsked, 0, 0),
        verdict(1, window(9), Said::Trouble(Trouble::Store), 0, 0),
    ];
    for verdict in quiet {
        for style in [HeaderStyle::Draft11, HeaderStyle::XRateLimit] {
            assert_eq!(headers(style, &decision(vec![verdict.clone()])), [], "{verdict:?}");
        }
    }
}

#[test]
fn numbers_beyond_what_a_structured_field_can_say_are_cut() {
    let largest = verdict(0, bucket(), Said::Admit, u64::MAX, 0);
    let told = headers(HeaderStyle::Draft11, &decision(vec![largest]));
    assert_eq!(told[1].1, r#""burst";r=999999999999999;t=0"#);
}

#[test]
fn the_problem_names_all_limits_in_the_way() {
    let wait = Some(Duration::from_secs(1));
    let decision = decision(vec![
        verdict(0, bucket(), Said::TakenBack, 250, 0),
        verdict(1, window(9), Said::Refuse { wait }, 0, 0),
        verdict(2, Algorithm::Concurrency { most: 4 }, Said::Refuse { wait: None }, 0, 0),
    ]);
    let body = String::from_utf8(problem(429, &decision, name_of).to_json()).unwrap();
    assert_eq!(
        body,
        r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Request cannot be satisfied as assigned quota has been exceeded","status":429,"violated-policies":["daily","in-flight"]}"#
    );
}

#[test]
fn what_is_broken_is_a_problem_of_the_server() {
    let decision = decision(vec![verdict(0, bucket(), Said::Trouble(Trouble::Contended), 0, 0)]);
    let problem = problem(429, &decision, name_of);
    assert!(problem.kind.ends_with("#temporary-reduced-capacity") && problem.more.is_empty());
}

#[test]
fn every_refusal_has_a_reason() {
    let of = |said, cost| {
        let mut verdict = verdict(0, bucket(), said, 0, 0);
        verdict.ask.cost = cost;
        Reason::of(&verdict).map(Reason::as_str)
    };
    assert_eq!(of(Said::Refuse { wait: Some(Duration::ZERO) }, 250), Some("over_limit"));
    assert_eq!(of(Said::Refuse { wait: None }, 251), Some("too_costly"));
    assert_eq!(of(Said::Trouble(Trouble::Contended), 1), Some("contended"));
    assert_eq!(of(Said::Trouble(Trouble::NoIdentity), 1), Some("error"));
    assert_eq!(of(Said::Admit, 1), None);
    assert_eq!(Reason::MissingKey.as_str(), "missing_key");
}
