use super::*;
use crate::admin::checks::Check;
use crate::admin::exposition::{Series, Value as Shown};
use crate::plane::{Facts, Overload};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn at(second: u64) -> MonoTime {
    MonoTime::from_millis(second * 1_000)
}

fn overloaded(hold: u64) -> Alert {
    Alert {
        name: "overload".to_owned(),
        severity: Severity::Critical,
        summary: "the process is overloaded".to_owned(),
        when: Condition { source: Source::Fact(FactName::OverloadLevel), bound: Bound::Above(1.0) },
        hold: Duration::from_secs(hold),
    }
}

fn facts(level: u8) -> Facts {
    Facts { overload: Overload::from_level(level).unwrap(), ..Facts::default() }
}

fn nothing(facts: Facts, checks: &VecMap<String, Check>) -> Readings<'_> {
    Readings { facts, checks, series: &[], reports: &[] }
}

#[test]
fn an_alert_fires_once_its_condition_has_held_and_ends_with_it() {
    let (alerts, checks) = ([overloaded(5)], VecMap::new());
    let (mut board, mut rates) = (Board::default(), Rates::default());
    for (second, level, state, change) in [
        (10, 0, "inactive", None),
        (11, 2, "pending", None),
        (12, 1, "inactive", None),
        (13, 2, "pending", None),
        (17, 3, "pending", None),
        (18, 3, "firing", Some((18, None))),
        (30, 2, "firing", None),
        (31, 0, "inactive", Some((18, Some(31)))),
    ] {
        let readings = nothing(facts(level), &checks);
        let changes = board.evaluate(&alerts, &readings, &mut rates, at(second));
        let seen: Vec<_> = changes.iter().map(|change| (change.since, change.ended)).collect();
        let expected: Vec<_> =
            change.map(|(since, ended): (u64, Option<u64>)| (at(since), ended.map(at))).into_iter().collect();
        assert_eq!(seen, expected, "at {second}");
        // Whoever leads next goes on with what is written.
        board = Board::read(Some(&board.encode()));
        let shown = board.show(&alerts, 10);
        assert_eq!(shown["alerts"][0]["state"], state, "at {second}");
        assert_eq!(board.firing(&alerts).len(), usize::from(state == "firing"));
    }
    let shown = board.show(&alerts, 10);
    assert_eq!(shown["history"][0]["since_mono_ns"], 18_000_000_000_u64);
    assert_eq!(shown["history"][0]["value"], 2.0);
    assert_eq!(board.show(&alerts, 0)["history"], serde_json::json!([]));
}

#[test]
fn history_is_bounded_and_what_is_not_configured_any_more_ends() {
    let (alerts, checks) = ([overloaded(0)], VecMap::new());
    let (mut board, mut rates) = (Board::default(), Rates::default());
    for second in 0..500 {
        let level = if second % 2 == 0 { 3 } else { 0 };
        board.evaluate(&alerts, &nothing(facts(level), &checks), &mut rates, at(second));
    }
    assert_eq!(board.show(&alerts, 1_000)["history"].as_array().unwrap().len(), 100);
    board.evaluate(&alerts, &nothing(facts(3), &checks), &mut rates, at(600));
    let changes = board.evaluate(&[], &nothing(facts(3), &checks), &mut rates, at(601));
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].ended, Some(at(601)));
    assert_eq!(Board::read(Some(b"foreign")), Board::default());
}

fn value(source: Source, bound: Bound, readings: &Readings<'_>) -> Option<f64> {
    Condition { source, bound }.value("a", readings, &mut Rates::default(), at(1))
}

#[test]
fn a_condition_reads_metrics_reports_facts_and_checks() {
    let series = |rule: &str, shown| Series {
        name: "ballast.rate_limit.limited".to_owned(),
        labels: vec![("rule".to_owned(), rule.to_owned())],
        value: shown,
    };
    let series = [series("a", Shown::Counter(3)), series("b", Shown::Counter(4))];
    let report = |namespace: &str, fills: [f64; 2]| Report {
        filter: "rate-limit".to_owned(),
        namespace: namespace.to_owned(),
        json: serde_json::json!({"rules": [{"fill": fills[0], "on": true}, {"fill": fills[1]}], "n": null}),
    };
    let reports = [report("x", [0.2, 0.9]), report("y", [0.5, 0.1])];
    let failed = Check { passing: Some(false), ..Check::default() };
    let checks = [("db".to_owned(), failed), ("new".to_owned(), Check::default())].into_iter().collect();
    let readings = Readings { facts: facts(2), checks: &checks, series: &series, reports: &reports };
    let metric = |name: &str, rule: Option<&str>| Source::Metric {
        name: name.to_owned(),
        labels: rule.map(|rule| ("rule".to_owned(), rule.to_owned())).into_iter().collect(),
        per_second_over: None,
    };
    let status = |namespace: Option<&str>, pointer: &str| Source::Status {
        filter: "rate-limit".to_owned(),
        namespace: namespace.map(str::to_owned),
        pointer: pointer.split('/').skip(1).map(str::to_owned).collect(),
    };
    let check = |name: &str| Source::Check(name.to_owned());
    let (above, below) = (Bound::Above(0.0), Bound::Below(0.0));
    for (source, bound, expected) in [
        (metric("ballast_rate_limit_limited", None), above, Some(7.0)),
        (metric("ballast_rate_limit_limited", Some("b")), above, Some(4.0)),
        (metric("ballast_rate_limit_limited", Some("c")), above, None),
        (metric("ballast_rate_limit", None), above, None),
        (status(None, "/rules/*/fill"), above, Some(0.9)),
        (status(None, "/rules/*/fill"), below, Some(0.1)),
        (status(Some("y"), "/rules/*/fill"), above, Some(0.5)),
        (status(Some("y"), "/rules/1/fill"), above, Some(0.1)),
        (status(None, "/rules/0/on"), above, Some(1.0)),
        (status(None, "/rules/7/fill"), above, None),
        (status(None, "/n"), above, None),
        (status(None, "/n/m"), above, None),
        (Source::Fact(FactName::OverloadLevel), above, Some(2.0)),
        (Source::Fact(FactName::Draining), above, Some(0.0)),
        (check("db"), above, Some(1.0)),
        (check("new"), above, Some(0.0)),
        (check("none"), above, None),
    ] {
        assert_eq!(value(source.clone(), bound, &readings), expected, "{source:?}");
    }
}

fn changed(name: &str, severity: Severity, ended: Option<u64>) -> Change {
    change(name, severity, "s".to_owned(), 1, ended.map(at), Some(1.0))
}

#[test]
fn what_changes_together_is_told_together_and_tried_a_few_times() {
    let mut outgoing = Outgoing::default();
    let wait = Duration::from_secs(5);
    let step = |outgoing: &mut Outgoing, changes: &[Change], second| {
        outgoing.step(changes, &[], Severity::Warning, wait, None, at(second))
    };
    let (a, b) = (changed("a", Severity::Critical, None), changed("b", Severity::Warning, None));
    assert_eq!(step(&mut outgoing, &[a.clone(), changed("c", Severity::Info, None)], 10), None);
    assert_eq!(step(&mut outgoing, core::slice::from_ref(&b), 14), None);
    let ended = changed("a", Severity::Critical, Some(14));
    let batch = step(&mut outgoing, core::slice::from_ref(&ended), 15).unwrap();
    assert_eq!(batch.changes, [b.clone(), ended.clone()], "of an alert the last word counts");
    assert_eq!(step(&mut outgoing, &[], 100), None);
    let mut batch = batch;
    for second in [200, 201, 202, 203] {
        outgoing.failed(batch, at(second));
        batch = step(&mut outgoing, &[], second).unwrap();
        assert_eq!(batch.changes.len(), 2);
    }
    outgoing.failed(batch, at(204));
    assert_eq!((step(&mut outgoing, &[], 204), outgoing.dropped), (None, 2));
}

#[test]
fn a_receiver_that_forgets_is_told_again_what_fires() {
    let mut outgoing = Outgoing::default();
    let firing = [changed("a", Severity::Critical, None)];
    let repeat = Some(Duration::from_secs(60));
    let mut step = |changes: &[Change], firing: &[Change], second| {
        let batch = outgoing.step(changes, firing, Severity::Info, Duration::ZERO, repeat, at(second));
        batch.map(|batch| batch.changes.len())
    };
    assert_eq!(step(&firing, &firing, 10), Some(1));
    assert_eq!(step(&[], &firing, 69), None);
    assert_eq!(step(&[], &firing, 70), Some(1));
    assert_eq!(step(&[changed("b", Severity::Info, Some(71))], &firing, 71), Some(2));
    assert_eq!(step(&[], &[], 1_000), None);
}

#[test]
fn messages_have_the_form_that_receivers_know() {
    let changes = [changed("a", Severity::Critical, None), changed("b", Severity::Info, Some(9))];
    let body = alertmanager_body(&changes, &[("cluster".to_owned(), "eu".to_owned())]);
    assert_eq!(
        body[0]["labels"],
        serde_json::json!({"alertname": "a", "severity": "critical", "source": "ballast", "cluster": "eu"})
    );
    assert_eq!(body[0]["annotations"]["summary"], "s");
    assert!(body[0].get("endsAt_mono_ns").is_none());
    assert_eq!(body[1]["endsAt_mono_ns"], at(9).as_nanos());
    let body = web_hook_body(&changes, at(10));
    assert_eq!(body["alerts"][0]["state"], "firing");
    assert_eq!(body["alerts"][1]["state"], "resolved");
}
