//! No outcome is lost and no trip false, whoever comes between a read and its write.

use crate::{FIVE, all_live, answer, ask, call, metric, passes, rule};
use ballast_contract::{Sequence, Workers};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const WORKERS: usize = 4;

/// Ends calls that are under way, some of them in front of another worker's write.
fn race(workers: &Rc<Workers>, seed: u64, statuses: Vec<&'static str>) {
    let mut sequence = Sequence::new(seed);
    let mut begin = |status| {
        let worker = sequence.below(WORKERS);
        let stream = ask(workers, worker);
        assert!(passes(&stream));
        (worker, stream, status)
    };
    let under_way: Vec<_> = statuses.into_iter().map(&mut begin).collect();
    let (left, running) = (Rc::new(RefCell::new(under_way)), Rc::new(Cell::new(0)));
    let came_between = Rc::new(Cell::new(0));
    let (inner, now, count) = (Rc::clone(&left), Rc::clone(&running), Rc::clone(&came_between));
    let between = RefCell::new(Sequence::new(seed + 1));
    workers.host.before_shared_set(move |_, _| {
        for _ in 0..between.borrow_mut().below(3) {
            let other = inner.borrow().iter().position(|(worker, _, _)| *worker != now.get());
            let Some(other) = other else { break };
            let (_, stream, status) = inner.borrow_mut().remove(other);
            answer(&stream, status);
            count.set(count.get() + 1);
        }
    });
    loop {
        let next = left.borrow_mut().pop();
        let Some((worker, stream, status)) = next else { break };
        running.set(worker);
        answer(&stream, status);
    }
    workers.host.clear_before_shared_set();
    assert!(came_between.get() > 5, "nobody came in between");
}

#[test]
fn every_failure_counts_under_any_interleaving() {
    const HUNDRED: &str = r#"{"name": "a", "key": [], "trip": {"consecutive_failures": 100}}"#;
    for seed in 0..8 {
        let workers = Rc::new(rule(WORKERS, HUNDRED));
        race(&workers, seed, vec!["500"; 99]);
        assert_eq!(metric(&workers.host, "transitions", ";to=open"), 0, "seed {seed}");
        assert!(call(&workers, 0, "500"), "the hundredth");
        assert!(!call(&workers, 1, "200"), "seed {seed}");
        assert!(all_live(&workers));
    }
}

#[test]
fn a_rate_is_of_all_calls_under_any_interleaving() {
    const HALF: &str = r#"{"name": "a", "key": [], "window": {"type": "count", "size": 200, "min_calls": 100},
        "trip": {"failure_rate": "50%"}}"#;
    for seed in 0..8 {
        // 49 failures and 50 successes in any order, of which many successes are gathered: one more failure trips it.
        let workers = Rc::new(rule(WORKERS, HALF));
        (0..20).for_each(|number| assert!(call(&workers, number % WORKERS, "200")));
        let statuses = (0..79).map(|number| if number < 49 { "500" } else { "200" });
        let mut statuses: Vec<_> = statuses.collect();
        let mut sequence = Sequence::new(seed);
        for at in (1..statuses.len()).rev() {
            statuses.swap(at, sequence.below(at + 1));
        }
        race(&workers, seed, statuses);
        assert_eq!(metric(&workers.host, "transitions", ";to=open"), 0, "seed {seed}");
        assert!(call(&workers, 0, "500"), "50 of 100");
        assert!(!call(&workers, 1, "200"), "seed {seed}");
    }
}

#[test]
fn once_open_nothing_passes_whichever_worker_it_comes_to_and_however_early() {
    let workers = Rc::new(rule(WORKERS, FIVE));
    (0..4).for_each(|worker| assert!(call(&workers, worker, "500")));
    let fifth = ask(&workers, 0);
    let opened = Rc::new(RefCell::new(0));
    let (inner, seen) = (Rc::clone(&workers), Rc::clone(&opened));
    workers.host.before_shared_set(move |_, key| {
        // Between the watch list and the breaker, requests find a breaker that is closed, and pass.
        if key.contains("/breaker/a/") {
            *seen.borrow_mut() += 1;
            let early = ask(&inner, 1);
            assert!(passes(&early));
            early.client_gone().unwrap();
        }
    });
    answer(&fifth, "500");
    workers.host.clear_before_shared_set();
    assert!(*opened.borrow() > 0);
    (0..WORKERS).for_each(|worker| assert!(!call(&workers, worker, "200")));
}
