//! Limits hold whoever wins: between any read of one worker and its write, others decide.

use crate::{A_TICK, limits, of_every_algorithm, passed_until_all_refuse};
use ballast_contract::{Sequence, Workers, status};
use ballast_wasm_host::Stream;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const WORKERS: usize = 4;

/// Sends `requests` to workers in a seeded order. Before a worker's write, now and then another one serves a request
/// from beginning to end or all others tick, so that the first one's write comes too late. Gives what `serve` gave.
fn race<T: 'static>(
    workers: &Rc<Workers>,
    seed: u64,
    requests: usize,
    serve: impl Fn(&Workers, usize) -> T + Clone + 'static,
) -> Vec<T> {
    let (results, running) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
    let sequence = Rc::new(RefCell::new(Sequence::new(seed)));
    let inner =
        (Rc::clone(workers), Rc::clone(&results), Rc::clone(&running), Rc::clone(&sequence), serve.clone());
    workers.host.before_shared_set(move |host, _| {
        let (workers, results, running, sequence, serve) = &inner;
        let mut sequence = sequence.borrow_mut();
        for _ in 0..sequence.below(3) {
            let other = (running.get() + 1 + sequence.below(WORKERS - 1)) % WORKERS;
            let result = serve(workers, other);
            results.borrow_mut().push(result);
        }
        if sequence.below(6) == 0 {
            host.advance(A_TICK);
        }
    });
    for _ in 0..requests {
        let worker = sequence.borrow_mut().below(WORKERS);
        running.set(worker);
        let result = serve(workers, worker);
        results.borrow_mut().push(result);
    }
    workers.host.clear_before_shared_set();
    results.take()
}

#[test]
fn exactly_as_many_pass_as_the_limit_says_under_any_interleaving() {
    const LIMIT: usize = 60;
    for limit in of_every_algorithm(60) {
        for seed in 0..12 {
            let workers = Rc::new(limits(WORKERS, &limit));
            let raced = race(&workers, seed, 100, |workers, worker| status(&workers.get(worker, "/", &[])));
            let passed = raced.iter().filter(|status| **status == 200).count();
            assert!(raced.len() > 100, "nobody came in between");
            assert!(passed <= LIMIT, "{limit}, seed {seed}: {passed}");
            let more = passed_until_all_refuse(&workers, "/");
            assert_eq!(passed + more, LIMIT, "{limit}, seed {seed}");
        }
    }
}

#[test]
fn never_more_are_in_flight_than_allowed_under_any_interleaving() {
    const MOST: usize = 5;
    for seed in 0..12 {
        let workers =
            Rc::new(limits(WORKERS, r#"{"name": "a", "algorithm": "concurrency", "max_concurrent": 5}"#));
        let in_flight: Rc<RefCell<Vec<Stream>>> = Rc::default();
        let most = Rc::new(Cell::new(0));
        let (held, highest) = (Rc::clone(&in_flight), Rc::clone(&most));
        race(&workers, seed, 200, move |workers, worker| {
            let stream = workers.get(worker, "/", &[]);
            if stream.local_reply().is_some() {
                stream.finish().unwrap();
                return;
            }
            held.borrow_mut().push(stream);
            let count = held.borrow().len();
            highest.set(highest.get().max(count));
        });
        assert_eq!(in_flight.borrow().len(), MOST, "seed {seed}");
        assert_eq!(most.get(), MOST, "seed {seed}");
        for worker in 0..WORKERS {
            status(&in_flight.borrow_mut().remove(0));
            in_flight.borrow_mut().push(workers.get(worker, "/", &[]));
            assert_eq!(in_flight.borrow()[MOST - 1].local_reply(), None, "seed {seed}");
            assert_eq!(status(&workers.get(0, "/", &[])), 429, "seed {seed}: one permit, not two");
        }
        in_flight.take().iter().for_each(|stream| _ = status(stream));
        assert_eq!(crate::metric(&workers.host, "keys"), 0, "seed {seed}");
    }
}

#[test]
fn a_request_that_one_limit_refuses_uses_up_no_other_under_any_interleaving() {
    let both = r#"
        {"name": "large", "rate": "1/d", "burst": 80},
        {"name": "small", "match": {"path": {"exact": "/small"}}, "rate": "1/d", "burst": 30}"#;
    for seed in 0..12 {
        let workers = Rc::new(limits(WORKERS, both));
        let raced = race(&workers, seed, 100, |workers, worker| status(&workers.get(worker, "/small", &[])));
        let passed = raced.iter().filter(|status| **status == 200).count();
        assert_eq!(passed + passed_until_all_refuse(&workers, "/small"), 30, "seed {seed}");
        assert_eq!(passed_until_all_refuse(&workers, "/"), 50, "seed {seed}: the rest of the large one");
    }
}
