//! What holds for all requests, values and traces of the admin filter's rules.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

use ballast_core::admin::access::{Asker, Credential, Failures, Rights};
use ballast_core::admin::alerts::Board;
use ballast_core::admin::drain::{Advance, Begin, Cancel, Drain, Patience, Phase, Progress, Report};
use ballast_core::admin::exposition::{Format, Series, Value, text};
use ballast_core::admin::health::Since;
use ballast_core::admin::params::Params;
use ballast_core::admin::route::{Class, ROUTES, below, find};
use ballast_core::rewrite::{Edit, Edited};
use ballast_core::time::MonoTime;
use core::time::Duration;
use proptest::prelude::*;

fn edit<E: Edit>(value: &mut Option<Vec<u8>>, edit: &E) -> E::Output {
    match edit.edit(value.as_deref()) {
        Edited::Keep(output) => output,
        Edited::Replace(bytes, output) => {
            *value = Some(bytes);
            output
        }
    }
}

/// What happens to a drain.
#[derive(Clone, Debug)]
enum Event {
    Begin,
    Cancel,
    Step { in_flight: u64, silent: u32, passed_millis: u64 },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        1 => Just(Event::Begin),
        1 => Just(Event::Cancel),
        8 => (0_u64..4, 0_u32..2, 0_u64..20_000)
            .prop_map(|(in_flight, silent, passed_millis)| Event::Step { in_flight, silent, passed_millis }),
    ];
    proptest::collection::vec(event, 0..60)
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Drain::read(Some(&bytes));
        let _ = Report::decode(&bytes);
        let _ = Failures::read(Some(&bytes));
        let _ = Board::read(Some(&bytes));
        let _ = Since::read(Some(&bytes));
        for route in ROUTES {
            let _ = Params::read(route.parameters, &bytes, b"");
            let _ = Params::read(route.parameters, b"", &bytes);
        }
        if let Some((path, _)) = below("/ballast", &bytes) {
            let _ = find(b"GET", path);
        }
    }

    #[test]
    fn only_a_path_that_is_written_like_one_of_the_table_is_an_endpoint(
        method in "[A-Z]{3,7}",
        path in "[/a-z.%0-9-]{0,40}",
    ) {
        if let Ok(found) = find(method.as_bytes(), path.as_bytes()) {
            let name = found.name.unwrap_or_default();
            prop_assert_eq!(found.route.path.replace("{name}", &name), path);
            prop_assert!(!name.contains(['/', '.', '%']));
        }
    }

    #[test]
    fn only_a_whole_token_gives_a_right(token in "[!-~]{16,40}", given in "[ -~]{0,60}", class in 0..4_usize) {
        let credential = Credential::new("a", token.as_bytes()).unwrap();
        let rights = Rights { act: vec![credential], ..Rights::default() };
        let class = [Class::Probe, Class::Page, Class::Read, Class::Act][class];
        let header = format!("Bearer {given}");
        let asker = Asker { authorization: Some(header.as_bytes()), ..Asker::default() };
        let may = rights.check(class, &asker).is_ok();
        prop_assert_eq!(may, matches!(class, Class::Probe | Class::Page) || given.trim() == token);
    }

    #[test]
    fn a_drain_only_goes_forward_ends_in_time_and_never_while_somebody_may_take_work(events in events()) {
        let patience = Patience {
            draining: Duration::from_secs(30),
            closing: Duration::from_secs(10),
            force_after: Duration::from_secs(35),
        };
        let (mut value, mut now, mut numbers) = (None, MonoTime::from_millis(1), Vec::new());
        for event in events {
            let before = Drain::read(value.as_deref());
            match event {
                Event::Begin => {
                    let (drain, is_new) = edit(&mut value, &Begin { by: "op".to_owned(), now });
                    prop_assert_eq!(is_new, before.is_none());
                    if is_new {
                        prop_assert!(!numbers.contains(&drain.number));
                        numbers.push(drain.number);
                    }
                }
                Event::Cancel => prop_assert_eq!(edit(&mut value, &Cancel), before),
                Event::Step { in_flight, silent, passed_millis } => {
                    now = now.after(Duration::from_millis(passed_millis));
                    let Some(drain) = before else { continue };
                    let progress = Progress { in_flight, refusing: 1, silent };
                    let next = drain.step(&progress, None, &patience, now);
                    if now.since(drain.begun) >= patience.force_after {
                        let phase = next.as_ref().map_or(drain.phase, |next| next.phase);
                        prop_assert_eq!(phase, Phase::Finished);
                    }
                    let Some(next) = next else { continue };
                    prop_assert!(next.phase > drain.phase);
                    let in_phase = now.since(drain.since);
                    let is_late = in_phase >= Duration::from_secs(10) || now.since(drain.begun) >= patience.force_after;
                    prop_assert!(is_late || (in_flight == 0 && silent == 0), "{:?} -> {:?}", drain, next);
                    prop_assert!(next.abandoned == 0 || next.phase == Phase::Finished);
                    let advanced = edit(&mut value, &Advance { from: drain, to: next.clone() });
                    prop_assert!(advanced);
                    prop_assert_eq!(Drain::read(value.as_deref()), Some(next));
                }
            }
        }
    }

    #[test]
    fn every_line_of_metrics_can_be_parsed(
        series in proptest::collection::vec(
            (".{0,20}", proptest::collection::vec((".{0,10}", ".{0,20}"), 0..4), any::<u64>(), any::<bool>()),
            0..12,
        ),
    ) {
        let series: Vec<Series> = series
            .into_iter()
            .map(|(name, labels, value, is_counter)| {
                let value = if is_counter { Value::Counter(value) } else { Value::Gauge(value.cast_signed()) };
                Series { name, labels, value }
            })
            .collect();
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let text = text(&series, format);
            let name = regex_lite::Regex::new(
                r#"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\["\\n])*"(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\["\\n])*")*\})? -?[0-9]+$"#,
            )
            .unwrap();
            let mut seen = std::collections::BTreeSet::new();
            for line in text.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#')) {
                prop_assert!(name.is_match(line), "{line:?}");
                let (series, _) = line.rsplit_once(' ').unwrap();
                prop_assert!(seen.insert(series.to_owned()), "twice: {series:?}");
            }
        }
    }
}
