//! Load shedding under any traffic: limits stay within bounds, nothing is lost, the critical come last to be shed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use ballast_core::load_shedding::Settings;
use ballast_core::load_shedding::board::{Board, Report};
use ballast_core::load_shedding::gate::Strategy as Strategies;
use ballast_core::load_shedding::level::Thresholds;
use ballast_core::load_shedding::limit::aimd::Aimd;
use ballast_core::load_shedding::limit::gradient2::Gradient2;
use ballast_core::load_shedding::limit::vegas::Vegas;
use ballast_core::load_shedding::limit::{self, Algorithm, Limit, Window};
use ballast_core::load_shedding::priority::Mix;
use ballast_core::load_shedding::queue::{self, Order};
use ballast_core::load_shedding::share::{correction, count};
use ballast_core::load_shedding::worker::{Arrival, Counters, Verdict, Worker};
use ballast_core::random::SplitMix;
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use proptest::collection::vec;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        (1.0..10.0).prop_map(|tolerance| Algorithm::Gradient2(Gradient2 { tolerance })),
        Just(Algorithm::Vegas(Vegas { smoothing: 1.0 })),
        (1..10_000_u64).prop_map(|millis| Algorithm::Aimd(Aimd { timeout: Duration::from_millis(millis) })),
        Just(Algorithm::Fixed),
    ]
}

fn limits() -> impl Strategy<Value = limit::Settings> {
    (algorithm(), 1..2_000_u32, 0..2_000_u32, any::<prop::sample::Index>()).prop_map(
        |(algorithm, min, more, at)| {
            let initial = min + u32::try_from(at.index(usize::try_from(more).unwrap() + 1)).unwrap();
            limit::Settings { algorithm, initial, min, max: min + more }
        },
    )
}

/// What samples can say, and much that they cannot.
fn window() -> impl Strategy<Value = Window> {
    let latency = prop_oneof![0.0..1e12, Just(0.0), Just(1.0), 1e6..1e8];
    (latency, 0.0..5_000.0, 0.0..5_000.0, 0.0..=1.0_f64).prop_map(
        |(latency, in_flight, most_in_flight, drop_share)| Window {
            latency,
            mean: latency * (0.5 + drop_share),
            in_flight,
            most_in_flight,
            dropped: drop_share >= 0.05,
            drop_share,
            left: drop_share > 0.5,
        },
    )
}

fn settings(limit: limit::Settings, strategy: Strategies, max_length: u32) -> Settings {
    Settings {
        limit,
        percentile: 0.5,
        window: Duration::from_millis(100),
        min_samples: 16,
        classes: 4,
        strategy,
        queue: queue::Settings {
            max_length,
            target_delay: Duration::from_millis(5),
            max_wait: Duration::from_millis(200),
            order: Order::AdaptiveLifo,
        },
        admission: Vec::new(),
        thresholds: Thresholds { elevated: 0.8, high: 0.95, critical: 1.1 },
    }
}

fn fixed(limit: u32) -> limit::Settings {
    limit::Settings { algorithm: Algorithm::Fixed, initial: limit, min: limit, max: limit }
}

fn strategy() -> impl Strategy<Value = Strategies> {
    prop_oneof![
        Just(Strategies::Adaptive),
        Just(Strategies::Priority),
        Just(Strategies::Fair),
        Just(Strategies::Random)
    ]
}

#[derive(Default)]
struct Shared {
    in_flight: Cell<i64>,
    queued: Cell<i64>,
}

impl Counters for Shared {
    fn in_flight(&self) -> u32 {
        u32::try_from(self.in_flight.get()).unwrap()
    }
    fn add_in_flight(&self, change: i64) {
        self.in_flight.set(self.in_flight.get() + change);
    }
    fn queued(&self) -> u32 {
        u32::try_from(self.queued.get()).unwrap()
    }
    fn add_queued(&self, change: i64) {
        self.queued.set(self.queued.get() + change);
    }
}

/// What happens at one of the workers.
#[derive(Clone, Debug)]
enum Event {
    Arrive { class: u8, caller: u8 },
    End(prop::sample::Index),
    Leave(prop::sample::Index),
    Admit,
    Expire,
    Report,
    Pass(u64),
}

fn event() -> impl Strategy<Value = (usize, Event)> {
    let event = prop_oneof![
        4 => (0..4_u8, 0..5_u8).prop_map(|(class, caller)| Event::Arrive { class, caller }),
        2 => any::<prop::sample::Index>().prop_map(Event::End),
        1 => any::<prop::sample::Index>().prop_map(Event::Leave),
        1 => Just(Event::Admit),
        1 => Just(Event::Expire),
        1 => Just(Event::Report),
        2 => (1..120_u64).prop_map(Event::Pass),
    ];
    (0..3_usize, event)
}

proptest! {
    #[test]
    fn a_limit_stays_within_its_bounds_whatever_the_samples_are(
        settings in limits(),
        windows in vec((window(), any::<u64>()), 0..300),
    ) {
        let mut limit = Limit::initial(&settings);
        for (window, noise) in &windows {
            limit = limit.step(&settings, window, *noise);
            let allowed = limit.allowed(&settings);
            prop_assert!((settings.min..=settings.max).contains(&allowed), "{allowed} after {window:?}");
        }
    }

    #[test]
    fn a_limit_is_read_back_as_it_was(settings in limits(), windows in vec((window(), any::<u64>()), 0..50)) {
        let mut limit = Limit::initial(&settings);
        for (window, noise) in &windows {
            limit = limit.step(&settings, window, *noise);
        }
        let mut writer = ballast_core::wire::Writer::default();
        limit.encode(&mut writer);
        let bytes = writer.finish();
        prop_assert_eq!(Limit::decode(&mut ballast_core::wire::Reader::new(&bytes)), Some(limit));
    }

    #[test]
    fn the_classes_are_shed_from_the_least_important_up_and_as_much_as_must_go(
        counts in vec(0..200_u32, 1..8),
        excess in 0.0..=1.0_f64,
    ) {
        let mut mix = Mix::new(counts.len());
        for (class, count) in counts.iter().enumerate() {
            (0..*count).for_each(|_| mix.count(u8::try_from(class).unwrap()));
        }
        let shed = mix.shed(excess);
        let total: u32 = counts.iter().sum();
        for (class, share) in shed.iter().enumerate() {
            prop_assert!((0.0..=1.0).contains(share));
            if *share > 0.0 && total > 0 {
                for less in class + 1..counts.len() {
                    prop_assert!(counts[less] == 0 || shed[less] == 1.0, "{shed:?}");
                }
            }
        }
        if total > 0 {
            let gone: f64 = shed.iter().zip(&counts).map(|(share, count)| share * f64::from(*count)).sum();
            prop_assert!((gone - excess * f64::from(total)).abs() < 1e-6, "{gone}");
        }
    }

    /// Admitted = released + in flight, over all workers, after any history; and a fixed limit is never exceeded.
    #[test]
    fn nothing_is_lost_and_nothing_is_counted_twice(
        limit in 1..8_u32,
        max_length in 0..8_u32,
        strategy in strategy(),
        events in vec(event(), 1..300),
    ) {
        let settings = Rc::new(settings(fixed(limit), strategy, max_length));
        let shared = Shared::default();
        let mut workers: Vec<Worker<u32>> = (0..3).map(|_| Worker::new(Rc::clone(&settings))).collect();
        let mut board = Board::new(&settings, MonoTime::ZERO);
        let mut random = SplitMix::new(1);
        let (mut in_flight, mut waiting) = (vec![Vec::new(); 3], vec![BTreeSet::new(); 3]);
        let (mut next, mut now) = (0_u32, 1_000_u64);
        for (at, event) in events {
            let (worker, time) = (&mut workers[at], MonoTime::from_millis(now));
            match event {
                Event::Arrive { class, caller } => {
                    let arrival = Arrival { class, caller: Some(Fingerprint(caller.into())) };
                    let (verdict, expelled) = worker.arrive(&arrival, next, &shared, time, &mut random);
                    match verdict {
                        Verdict::Enter(_) => in_flight[at].push(next),
                        Verdict::Wait => _ = waiting[at].insert(next),
                        Verdict::Refuse(_) => {}
                    }
                    if let Some(expelled) = expelled {
                        prop_assert!(waiting[at].remove(&expelled.ticket));
                    }
                    next += 1;
                }
                Event::End(which) if !in_flight[at].is_empty() => {
                    let which = which.index(in_flight[at].len());
                    in_flight[at].swap_remove(which);
                    let _ = worker.release(&shared, &mut random);
                }
                Event::Leave(which) if !waiting[at].is_empty() => {
                    let ticket = *waiting[at].iter().nth(which.index(waiting[at].len())).unwrap();
                    waiting[at].remove(&ticket);
                    prop_assert!(worker.abandon(ticket, &shared));
                    prop_assert!(!worker.abandon(ticket, &shared));
                }
                Event::Admit => {
                    for entered in worker.admit_waiting(&shared, time) {
                        prop_assert!(waiting[at].remove(&entered.ticket));
                        in_flight[at].push(entered.ticket);
                    }
                }
                Event::Expire => {
                    for expelled in worker.expire(&shared, time) {
                        prop_assert!(waiting[at].remove(&expelled.ticket));
                    }
                }
                Event::Report => {
                    let report = worker.report(&shared);
                    board.add(&settings, &report, time, 0);
                    worker.learn(&board);
                }
                Event::Pass(millis) => now += millis,
                Event::End(_) | Event::Leave(_) => {}
            }
            let held: usize = in_flight.iter().map(Vec::len).sum();
            let waits: usize = waiting.iter().map(BTreeSet::len).sum();
            prop_assert_eq!(usize::try_from(shared.in_flight.get()).unwrap(), held);
            prop_assert_eq!(usize::try_from(shared.queued.get()).unwrap(), waits);
            prop_assert!(held <= usize::try_from(limit).unwrap());
            prop_assert!(waits <= usize::try_from(max_length).unwrap());
            for (worker, (held, waits)) in workers.iter().zip(in_flight.iter().zip(&waiting)) {
                prop_assert_eq!((usize::try_from(worker.held()).unwrap(), worker.waiting()), (held.len(), waits.len()));
            }
        }
    }

    /// While others are in flight or wait, a critical request is never refused where those who are less important are served.
    #[test]
    fn the_critical_do_not_starve(
        others in vec(1..4_u8, 1..60),
        limit in 1..6_u32,
        seed in any::<u64>(),
    ) {
        let settings = Rc::new(settings(fixed(limit), Strategies::Adaptive, 4));
        let shared = Shared::default();
        let mut worker: Worker<u32> = Worker::new(settings);
        let mut random = SplitMix::new(seed);
        let time = MonoTime::from_millis(1_000);
        let mut in_flight = 0;
        for (ticket, class) in (0..).zip(others) {
            let (verdict, _) = worker.arrive(&Arrival { class, caller: None }, ticket, &shared, time, &mut random);
            in_flight += u32::from(matches!(verdict, Verdict::Enter(_)));
        }
        let critical = Arrival { class: 0, caller: None };
        let (verdict, _) = worker.arrive(&critical, u32::MAX, &shared, time, &mut random);
        prop_assert!(!matches!(verdict, Verdict::Refuse(_)), "{verdict:?}");
        if verdict == Verdict::Wait {
            prop_assert!(in_flight == limit);
            let _ = worker.release(&shared, &mut random);
            let entered = worker.admit_waiting(&shared, time);
            prop_assert_eq!(entered[0].ticket, u32::MAX, "the next place is the critical one's");
        }
    }

    /// A board is one value or none under any bytes.
    #[test]
    fn any_bytes_are_a_board_or_none(bytes in vec(any::<u8>(), 0..400)) {
        if let Some(board) = Board::decode(&bytes) {
            prop_assert!(Board::decode(&board.encode()).is_some());
        }
    }

    #[test]
    fn a_damaged_board_is_a_board_or_none_and_its_limit_is_within_bounds(
        limits in limits(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        window in window(),
    ) {
        let settings = settings(limits, Strategies::Adaptive, 10);
        let mut board = Board::new(&settings, MonoTime::from_millis(1));
        board.add(&settings, &Report::new(&settings), MonoTime::from_millis(200), 0);
        let mut bytes = board.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let now = MonoTime::from_millis(400);
        let mut read = Board::read(Some(&bytes), &settings, now);
        let mut report = Report::new(&settings);
        for _ in 0..20 {
            report.samples.success(Duration::from_nanos(window.latency as u64), window.in_flight as u32);
        }
        read.add(&settings, &report, now, 0);
        prop_assert!((settings.limit.min..=settings.limit.max).contains(&read.allowed(&settings)));
        prop_assert!(Board::decode(&read.encode()).is_some(), "what was read can be written");
    }

    /// However corrections of one slot's count interleave, the total is the sum of the slots' counts, and once they stop racing
    /// the slots say what is.
    #[test]
    fn corrections_that_race_keep_the_sum_and_the_next_one_is_right(
        slots in vec((0..50_u32, any::<u64>()), 1..5),
        races in vec((any::<prop::sample::Index>(), 2..4_usize), 0..20),
    ) {
        // What slots say is off by little in either direction.
        let mut shown: Vec<u64> = slots.iter().map(|(actual, off)| u64::from(*actual).wrapping_add(off % 9).wrapping_sub(4)).collect();
        let mut total = shown.iter().fold(0_u64, |sum, shown| sum.wrapping_add(*shown));
        for (slot, at_once) in races {
            let slot = slot.index(shown.len());
            let change = correction(slots[slot].0, shown[slot]);
            for _ in 0..at_once {
                shown[slot] = shown[slot].wrapping_add_signed(change);
                total = total.wrapping_add_signed(change);
            }
            prop_assert_eq!(total, shown.iter().fold(0_u64, |sum, shown| sum.wrapping_add(*shown)));
        }
        for (slot, (actual, _)) in slots.iter().enumerate() {
            let change = correction(*actual, shown[slot]);
            shown[slot] = shown[slot].wrapping_add_signed(change);
            total = total.wrapping_add_signed(change);
        }
        prop_assert_eq!(count(total), slots.iter().map(|(actual, _)| actual).sum::<u32>());
    }
}
