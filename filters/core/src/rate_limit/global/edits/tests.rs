use super::super::super::fixed_window::FixedWindow;
use super::*;
use crate::rate_limit::global::Health;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CLIENT: Fingerprint = Fingerprint(7);
const LEASE: Lease = Lease { size: 16, max_age: Duration::from_secs(1) };

const fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

/// The shared value, and what is done with it.
#[derive(Default)]
struct Shared(Option<Vec<u8>>);

impl Shared {
    fn make<E: Edit>(&mut self, edit: &E) -> E::Output {
        match edit.edit(self.0.as_deref()) {
            Edited::Keep(output) => output,
            Edited::Replace(value, output) => {
                self.0 = Some(value);
                output
            }
        }
    }

    fn draw(&mut self, me: u8, cost: u32, now: u64) -> Drawn {
        let (workers, timeout, may_ask_at) = (2, Duration::from_millis(20), MonoTime::ZERO);
        let now = at(now);
        self.make(&Draw { client: CLIENT, me, cost, workers, now, lease: LEASE, timeout, may_ask_at })
    }

    fn deposit(&mut self, tokens: u32, told: Told, now: u64) -> u64 {
        let now = at(now);
        self.make(&Deposit { client: CLIENT, me: 0, tokens, told, sent: now, now, lease: LEASE })
    }

    fn shut(&mut self, shut: Shut, told: Option<Told>, now: u64) -> u64 {
        let told = told.map(|told| (told, at(now)));
        self.make(&Shutting { client: CLIENT, me: 0, shut, told, now: at(now) })
    }

    /// How many tokens are asked for, block after block, when all are spent at once. The last is still under way.
    fn asked(&mut self, blocks: usize) -> Vec<u32> {
        let mut sizes = Vec::new();
        let mut wanted = self.draw(0, 1, 0).wanted;
        while sizes.len() + 1 < blocks {
            let tokens = wanted.unwrap().tokens;
            sizes.push(tokens);
            self.deposit(tokens, Told::default(), 0);
            wanted = self.draw(0, tokens, 0).wanted.or_else(|| self.draw(0, 1, 0).wanted);
        }
        sizes.push(wanted.unwrap().tokens);
        sizes
    }
}

fn told(remaining: u32, reset: u64) -> Told {
    let limit = FixedWindow::new(1_000, Duration::from_secs(60));
    Told { limit, remaining: Some(remaining), reset: Some(Duration::from_millis(reset)) }
}

#[test]
fn the_first_asks_and_the_others_wait_until_they_are_told() {
    let mut shared = Shared::default();
    assert_eq!(shared.draw(0, 1, 0).wanted, Some(Wanted { tokens: 1, least: 1 }));
    let other = shared.draw(5, 1, 1);
    assert_eq!((other.wanted, other.tokens, other.shut), (None, None, None));
    assert_eq!(shared.deposit(2, told(9, 5_000), 2), 0b10_0001);
    let drawn = shared.draw(5, 1, 3);
    assert_eq!(drawn.tokens, Some((1, at(1_002))));
    assert_eq!(drawn.told.reset, Some(Duration::from_millis(4_999)));
}

#[test]
fn a_call_that_nobody_heard_of_again_is_made_by_another() {
    let mut shared = Shared::default();
    shared.draw(0, 1, 0);
    assert_eq!(shared.draw(1, 1, 69).wanted, None);
    assert_eq!(shared.draw(1, 1, 70).wanted, Some(Wanted { tokens: 2, least: 1 }));
    assert_eq!(shared.deposit(1, Told::default(), 71), 0b11, "the first answer counts as well");
    assert!(shared.draw(0, 1, 72).tokens.is_some());
}

#[test]
fn blocks_grow_while_all_is_spent_and_shrink_when_some_is_not() {
    let mut shared = Shared::default();
    assert_eq!(shared.asked(6), [1, 2, 4, 8, 16, 16]);
    shared.deposit(16, Told::default(), 0);
    assert_eq!(shared.draw(0, 1, 0).wanted, None);
    // Unspent for a second.
    assert_eq!(shared.draw(0, 1, 1_000).wanted.unwrap().tokens, 8);
}

#[test]
fn a_busy_clients_next_block_is_on_its_way_before_the_last_is_spent() {
    let mut shared = Shared::default();
    shared.asked(5);
    shared.deposit(16, Told::default(), 0);
    let ahead = (0..16).map(|_| shared.draw(1, 1, 0)).find(|drawn| drawn.wanted.is_some()).unwrap();
    assert!(ahead.tokens.is_some(), "nobody waits for it");
    assert_eq!(ahead.wanted, Some(Wanted { tokens: 16, least: 1 }));
}

#[test]
fn near_the_end_of_a_window_blocks_are_a_share_of_what_is_left() {
    let mut shared = Shared::default();
    shared.asked(5);
    shared.deposit(1, told(20, 500), 0);
    let drawn = shared.draw(0, 1, 0);
    assert_eq!(drawn.wanted, Some(Wanted { tokens: 5, least: 1 }), "a quarter of 20");
    shared.deposit(1, told(0, 500), 0);
    assert_eq!(shared.draw(0, 1, 0).wanted, None, "of nothing, nothing is asked for ahead of need");
}

#[test]
fn tokens_end_with_their_age_and_with_the_services_window() {
    for (reset, ends) in [(300, 300), (5_000, 1_000)] {
        let mut shared = Shared::default();
        shared.draw(0, 1, 0);
        shared.deposit(1, told(9, reset), 0);
        let mut late = Shared(shared.0.clone());
        assert!(shared.draw(0, 1, ends - 1).tokens.is_some(), "{reset}");
        assert_eq!(late.draw(0, 1, ends).tokens, None, "{reset}");
    }
}

#[test]
fn a_refusal_holds_for_what_costs_as_much_until_it_is_over() {
    let mut shared = Shared::default();
    shared.draw(0, 2, 0);
    shared.draw(1, 2, 0);
    let shut = Shut { why: Why::Exhausted, cost: 2, until: at(400) };
    assert_eq!(shared.shut(shut, Some(told(1, 400)), 10), 0b11);
    assert_eq!(shared.draw(1, 2, 399).shut, Some(shut));
    assert!(shared.draw(1, 1, 399).wanted.is_some(), "for less it is asked");
    assert!(Shared(None).draw(1, 2, 400).wanted.is_some());
}

#[test]
fn who_was_overtaken_shuts_nothing() {
    let mut shared = Shared::default();
    shared.draw(0, 1, 0);
    assert!(shared.draw(1, 1, 100).wanted.is_some());
    let shut = Shut { why: Why::Failing, cost: 1, until: at(400) };
    assert_eq!(shared.shut(shut, None, 101), 0);
    assert_eq!(shared.draw(0, 1, 102).shut, None);
}

#[test]
fn what_is_given_back_is_there_for_all_until_it_is_too_old() {
    let mut shared = Shared::default();
    shared.draw(0, 1, 0);
    shared.deposit(4, Told::default(), 0);
    let (tokens, expires) = shared.draw(0, 4, 0).tokens.unwrap();
    let back = |now| GiveBack { client: CLIENT, tokens, expires, now: at(now) };
    shared.make(&back(1_000));
    assert_eq!(shared.draw(1, 1, 10).tokens, None);
    shared.make(&back(20));
    assert!(shared.draw(1, 4, 30).tokens.is_some());
}

#[test]
fn a_service_that_is_left_alone_is_not_asked() {
    let mut shared = Shared::default();
    let (lease, timeout) = (LEASE, Duration::from_millis(20));
    let mut health = Health::new();
    for _ in 0..3 {
        health.failed(at(0), &mut crate::random::Fixed(0));
    }
    let may_ask_at = health.asked_again_at();
    let draw = Draw { client: CLIENT, me: 0, cost: 1, workers: 1, now: at(5), lease, timeout, may_ask_at };
    let drawn = shared.make(&draw);
    assert_eq!(drawn.shut, Some(Shut { why: Why::Failing, cost: 1, until: at(100) }));
    assert_eq!((drawn.wanted, &shared.0), (None, &None), "and nothing is written");
}

#[test]
fn a_refused_block_is_asked_for_again_as_far_as_it_can_be() {
    let wanted = Wanted { tokens: 16, least: 2 };
    for (remaining, smaller) in [(None, Some(8)), (Some(5), Some(5)), (Some(100), Some(8)), (Some(1), None)] {
        assert_eq!(wanted.smaller(remaining).map(|wanted| wanted.tokens), smaller, "{remaining:?}");
    }
    assert_eq!(Wanted { tokens: 2, least: 2 }.smaller(None), None);
    assert_eq!(Wanted { tokens: 3, least: 2 }.smaller(None).map(|wanted| wanted.tokens), Some(2));
}

#[test]
fn foreign_bytes_are_an_empty_pool() {
    for bytes in [vec![], vec![1], vec![1, 5, 1, 0], vec![1, 4, 0], vec![9; 200]] {
        assert!(Shared(Some(bytes)).draw(0, 1, 0).wanted.is_some());
    }
}
