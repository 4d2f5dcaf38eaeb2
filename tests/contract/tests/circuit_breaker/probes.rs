//! Permits of probes come back, however the probe or its worker ends.

use crate::{A_SECOND, FIVE, all_live, answer, ask, call, configuration, passes, probes, rule, trip};
use std::cell::RefCell;
use std::rc::Rc;

#[test]
fn clients_that_leave_give_their_permits_back() {
    let workers = rule(2, FIVE);
    trip(&workers);
    workers.host.advance(10 * A_SECOND);
    for _ in 0..5 {
        let passed = probes(&workers, 6);
        assert_eq!(passed.len(), 2);
        for stream in passed {
            stream.set_property(&["response", "flags"], 0x4000_u64.to_le_bytes());
            stream.client_gone().unwrap();
        }
    }
    probes(&workers, 6).iter().for_each(|stream| answer(stream, "200"));
    assert!(call(&workers, 0, "200"));
}

#[test]
fn without_a_verdict_it_reopens_and_late_probes_say_nothing() {
    let workers = rule(2, FIVE);
    trip(&workers);
    workers.host.advance(10 * A_SECOND);
    let hanging = probes(&workers, 6);
    workers.host.advance(19 * A_SECOND);
    assert!(!call(&workers, 0, "200"));
    workers.host.advance(A_SECOND);
    assert!(!call(&workers, 0, "200"), "open again");
    hanging.iter().for_each(|stream| answer(stream, "200"));
    assert!(!call(&workers, 1, "200"));
    workers.host.advance(10 * A_SECOND);
    probes(&workers, 6).iter().for_each(|stream| answer(stream, "200"));
    assert!(call(&workers, 0, "200"));
}

#[test]
fn the_permits_of_a_crashed_worker_are_free_once_it_is_declared_dead() {
    let long = FIVE.replace("\"20s\"", "\"1h\"");
    let mut workers = rule(2, &long);
    trip(&workers);
    workers.host.advance(10 * A_SECOND);
    let lost = [ask(&workers, 0), ask(&workers, 0)];
    assert!(lost.iter().all(passes));
    workers.vms[0].kill();
    workers.host.advance(8 * A_SECOND);
    assert!(!passes(&ask(&workers, 1)), "it could be stalled");
    workers.host.advance(4 * A_SECOND);
    let passed = [ask(&workers, 1), ask(&workers, 1), ask(&workers, 1)];
    assert_eq!(passed.iter().filter(|stream| passes(stream)).count(), 2);
    workers.restart(0, &configuration(&long));
    passed.iter().filter(|stream| passes(stream)).for_each(|stream| answer(stream, "200"));
    assert!(call(&workers, 0, "200") && call(&workers, 1, "200"));
}

#[test]
fn never_more_probes_are_out_than_allowed_whoever_comes_between() {
    let workers = Rc::new(rule(4, FIVE));
    trip(&workers);
    workers.host.advance(10 * A_SECOND);
    let out: Rc<RefCell<Vec<_>>> = Rc::default();
    let (inner, held) = (Rc::clone(&workers), Rc::clone(&out));
    let turn = RefCell::new(0);
    workers.host.before_shared_set(move |_, _| {
        *turn.borrow_mut() += 1;
        let stream = ask(&inner, 1 + *turn.borrow() % 3);
        if passes(&stream) {
            held.borrow_mut().push(stream);
        }
    });
    for _ in 0..10 {
        let stream = ask(&workers, 0);
        if passes(&stream) {
            out.borrow_mut().push(stream);
        }
    }
    workers.host.clear_before_shared_set();
    assert_eq!(out.borrow().len(), 2);
    out.take().iter().for_each(|stream| answer(stream, "200"));
    assert!(call(&workers, 0, "200") && all_live(&workers));
}
