use super::*;
use crate::load_shedding::admission;
use crate::load_shedding::gate::Strategy;
use crate::load_shedding::level::Thresholds;
use crate::load_shedding::limit::gradient2::Gradient2;
use crate::load_shedding::limit::{self, Algorithm};
use crate::load_shedding::queue::{self, Order};
use crate::slots::Fingerprint;
use crate::units::Share;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn settings() -> Settings {
    Settings {
        limit: limit::Settings {
            algorithm: Algorithm::Gradient2(Gradient2 { tolerance: 1.25 }),
            initial: 20,
            min: 4,
            max: 1_000,
        },
        percentile: 0.5,
        window: Duration::from_millis(100),
        min_samples: 16,
        classes: 2,
        strategy: Strategy::Adaptive,
        queue: queue::Settings {
            max_length: 10,
            target_delay: Duration::from_millis(5),
            max_wait: Duration::from_millis(200),
            order: Order::AdaptiveLifo,
        },
        admission: vec![admission::Settings {
            success_rate: Share::from_basis_points(9_500),
            window: Duration::from_secs(1),
            aggression: 1.0,
            max_rejection: Share::from_basis_points(8_000),
            min_rps: 5,
        }],
        thresholds: Thresholds { elevated: 0.8, high: 0.95, critical: 1.1 },
    }
}

const fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

/// A report every 100 ms, so often, from `from` on.
fn report(board: &mut Board, settings: &Settings, from: u64, times: u64, report: &Report) {
    for step in 1..=times {
        board.add(settings, report, at(from + step * 100), 0);
    }
}

fn seen(settings: &Settings, arrived: u32, refused: u32) -> Report {
    Report { arrived, refused, in_flight: 20, ..Report::new(settings) }
}

#[test]
fn a_window_is_a_step_once_it_is_long_enough_and_has_enough_samples() {
    let settings = settings();
    let mut samples = Samples::default();
    (0..8).for_each(|_| samples.success(Duration::from_millis(20), 20));
    let eight = Report { samples, ..Report::new(&settings) };
    let mut board = Board::new(&settings, at(0));
    for (millis, known) in [(50, false), (99, false), (99, false), (100, true)] {
        board.add(&settings, &eight, at(millis), 0);
        assert_eq!(board.floor().is_some(), known, "at {millis} ms");
    }
    let mut board = Board::new(&settings, at(0));
    board.add(&settings, &eight, at(150), 0);
    assert_eq!(board.floor(), None, "eight are too few");
    board.add(&settings, &eight, at(160), 0);
    assert!(board.floor().is_some());
}

#[test]
fn the_gate_closes_when_much_is_refused_and_opens_when_there_is_room() {
    let settings = settings();
    let mut board = Board::new(&settings, at(0));
    report(&mut board, &settings, 0, 10, &seen(&settings, 100, 5));
    assert!(board.gate(&settings).is_open() && !board.is_overloaded(), "a little is the queue's business");
    report(&mut board, &settings, 1_000, 10, &seen(&settings, 100, 75));
    assert!(!board.gate(&settings).is_open() && board.is_overloaded());
    assert!((board.refused_share() - 0.75).abs() < 0.05, "{}", board.refused_share());
    // There is room all at once: what was refused a moment ago is no reason to go on.
    let room = Report { in_flight: 2, ..seen(&settings, 100, 0) };
    report(&mut board, &settings, 2_000, 5, &room);
    assert!(board.gate(&settings).is_open(), "{}", board.refused_share());
}

#[test]
fn an_upstreams_signal_closes_the_gate_and_counts_as_overload() {
    let settings = settings();
    let mut board = Board::new(&settings, at(0));
    let busy = Report { signals: (2.0, 10), ..Report::new(&settings) };
    report(&mut board, &settings, 0, 20, &busy);
    assert!(!board.gate(&settings).is_open());
    assert_eq!(board.level(), Overload::High);
    let calm = Report { signals: (0.0, 10), ..Report::new(&settings) };
    report(&mut board, &settings, 2_000, 60, &calm);
    assert!(board.gate(&settings).is_open());
    assert_eq!(board.level(), Overload::None);
}

#[test]
fn whatever_upstreams_say_the_board_can_be_read_back() {
    let settings = settings();
    let signal = super::super::signal::Signal::new("x-load".to_owned(), None, 0.01);
    let over = signal.over(|_| Some(b"1e308")).unwrap();
    let report = Report { signals: (over * 1e9, 1_000_000_000), ..Report::new(&settings) };
    let mut board = Board::new(&settings, at(0));
    (0..50).for_each(|_| board.add(&settings, &report, at(1), 0));
    assert_eq!(Board::decode(&board.encode()), Some(board));
}

#[test]
fn what_is_refused_counts_as_load() {
    let settings = settings();
    let mut board = Board::new(&settings, at(0));
    report(&mut board, &settings, 0, 30, &seen(&settings, 100, 50));
    assert!((board.load() - 2.0).abs() < 0.1, "{}", board.load());
    assert_eq!(board.level(), Overload::Critical);
}

#[test]
fn a_board_of_other_settings_begins_anew() {
    let settings = settings();
    let mut board = Board::new(&settings, at(0));
    report(&mut board, &settings, 0, 30, &seen(&settings, 100, 50));
    let bytes = board.encode();
    assert_eq!(Board::read(Some(&bytes), &settings, at(9)), board);
    let fresh = Board::new(&settings, at(9));
    let other = Settings { classes: 3, ..settings.clone() };
    assert_eq!(Board::read(Some(&bytes), &other, at(9)), Board::new(&other, at(9)));
    let other = Settings { admission: Vec::new(), ..settings.clone() };
    assert_eq!(Board::read(Some(&bytes), &other, at(9)), Board::new(&other, at(9)));
    for foreign in [None, Some(&b"foreign"[..]), Some(&bytes[1..]), Some(&bytes[..bytes.len() - 1])] {
        assert_eq!(Board::read(foreign, &settings, at(9)), fresh);
    }
}

#[test]
fn an_idle_worker_writes_nothing_between_two_looks() {
    let settings = std::rc::Rc::new(settings());
    let board = Board::new(&settings, at(1_000)).encode();
    let merging = |report: Report, now| Merging {
        settings: std::rc::Rc::clone(&settings),
        report,
        now: at(now),
        noise: 0,
    };
    let idle = || Report::new(&settings);
    let busy = || Report { arrived: 1, ..Report::new(&settings) };
    for (report, now, old, writes) in [
        (idle(), 1_050, true, false),
        (idle(), 1_100, true, true),
        (busy(), 1_050, true, true),
        (idle(), 1_050, false, true),
    ] {
        let edited = merging(report.clone(), now).edit(old.then_some(&board[..]));
        assert_eq!(matches!(edited, Edited::Replace(..)), writes, "{now} {old} {report:?}");
    }
}

#[test]
fn what_many_callers_and_rules_make_is_read_back() {
    let settings = settings();
    let mut board = Board::new(&settings, at(0));
    let mut all = seen(&settings, 100, 50);
    (0..500).for_each(|caller| all.callers.count(Fingerprint(caller * 0x1_0000_0000_0000_0101)));
    all.mix.count(1);
    all.tallies[0].count(false);
    all.samples.drop(7);
    report(&mut board, &settings, 0, 3, &all);
    assert_eq!(Board::decode(&board.encode()), Some(board));
}
