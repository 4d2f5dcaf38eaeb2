use super::super::fixed_window::FixedWindow;
use super::super::token_bucket::TokenBucket;
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const NOW: MonoTime = MonoTime::from_millis(5_000);
const HOUR: Duration = Duration::from_secs(3_600);

/// A store that only this test writes to.
#[derive(Default)]
struct Store {
    values: Vec<(SetKey, Vec<u8>)>,
    steps: usize,
    fails: Option<SetKey>,
    contended: bool,
}

impl Store {
    fn run(&mut self, mut admit: Admit) -> Admitted {
        let mut input = Input::Start;
        loop {
            self.steps += 1;
            input = match admit.resume(input) {
                Step::Done(admitted) => return admitted,
                Step::Get(key) | Step::Swap { key, .. } if self.fails == Some(key) => Input::Failed,
                Step::Swap { .. } if self.contended => Input::Swapped(false),
                Step::Get(key) => {
                    let value = self.values.iter().find(|(of, _)| *of == key).map(|(_, value)| value.clone());
                    Input::Value { value, version: Version::Absent }
                }
                Step::Swap { key, value, .. } => {
                    self.values.retain(|(of, _)| *of != key);
                    self.values.push((key, value));
                    Input::Swapped(true)
                }
                Step::Send { .. } => panic!("nothing is sent"),
            };
        }
    }

    fn ask(&mut self, asks: &[Ask]) -> Admitted {
        self.run(Admit::new(asks.iter().copied(), situation(), Leases::default()))
    }
}

fn situation() -> Situation {
    Situation {
        now: NOW,
        me: None,
        view: Rc::new(View::default()),
        workers: 4,
        allow_on_error: true,
        name_all: true,
    }
}

fn ask(limit: u16, algorithm: Algorithm) -> Ask {
    let client = Fingerprint(9);
    Ask { limit, set: 0, client, algorithm, cost: 1, enforced: true, refundable: false }
}

fn tokens(limit: u16, burst: u64) -> Ask {
    ask(limit, Algorithm::TokenBucket(TokenBucket::new(1, HOUR, burst).unwrap()))
}

fn window(limit: u16, most: u32) -> Ask {
    ask(limit, Algorithm::FixedWindow(FixedWindow::new(most, HOUR).unwrap()))
}

fn said(admitted: &Admitted) -> Vec<(Said, u64)> {
    admitted.decision.verdicts.iter().map(|verdict| (verdict.said, verdict.remaining)).collect()
}

#[test]
fn a_request_passes_when_all_limits_admit() {
    let mut store = Store::default();
    let admitted = store.ask(&[tokens(0, 3), window(1, 5)]);
    assert!(admitted.decision.passes() && admitted.charges.is_empty());
    assert_eq!(said(&admitted), [(Said::Admit, 2), (Said::Admit, 4)]);
    assert_eq!(admitted.decision.verdicts[0].stored, 1);
}

#[test]
fn no_limits_no_questions() {
    let mut store = Store::default();
    assert!(store.ask(&[]).decision.passes());
    assert_eq!(store.steps, 1);
}

#[test]
fn a_refused_request_uses_up_nothing_and_names_all_limits_in_the_way() {
    let mut store = Store::default();
    store.ask(&[tokens(0, 3), window(1, 1), tokens(2, 1)]);
    let before = store.values.clone();
    let admitted = store.ask(&[tokens(0, 3), window(1, 1), tokens(2, 1), tokens(3, 7)]);
    let refuse = |wait| Said::Refuse { wait: Some(wait) };
    assert_eq!(
        said(&admitted),
        [(Said::TakenBack, 2), (refuse(HOUR), 0), (refuse(HOUR), 0), (Said::WouldAdmit, 7)]
    );
    assert_eq!(admitted.decision.refused_by, Some(1));
    let violated: Vec<u16> = admitted.decision.violated().map(|verdict| verdict.ask.limit).collect();
    assert_eq!((violated, admitted.decision.wait()), (vec![1, 2], Some(HOUR)));
    let read = |values: &[(SetKey, Vec<u8>)]| {
        let mut values = values.to_vec();
        values.sort();
        values
    };
    assert_eq!(read(&store.values), read(&before));
}

#[test]
fn a_limit_in_shadow_mode_refuses_nobody_and_takes_nothing_back() {
    let mut store = Store::default();
    let shadow = Ask { enforced: false, ..tokens(0, 1) };
    store.ask(&[shadow, tokens(1, 3)]);
    let admitted = store.ask(&[shadow, tokens(1, 3)]);
    assert!(admitted.decision.passes());
    assert_eq!(said(&admitted), [(Said::Refuse { wait: Some(HOUR) }, 0), (Said::Admit, 1)]);
    assert_eq!(admitted.decision.violated().count(), 0);
}

#[test]
fn a_cost_that_can_never_pass_is_refused_without_a_wait() {
    let admitted = Store::default().ask(&[Ask { cost: 4, ..tokens(0, 3) }]);
    assert_eq!((admitted.decision.passes(), admitted.decision.wait()), (false, None));
}

#[test]
fn what_is_broken_follows_on_error_and_what_is_busy_refuses() {
    let first = SetKey { limit: 0, set: 0 };
    for allow_on_error in [true, false] {
        let mut store = Store { fails: Some(first), ..Store::default() };
        let situation = Situation { allow_on_error, ..situation() };
        let admitted = store.run(Admit::new([tokens(0, 3), tokens(1, 3)], situation, Leases::default()));
        assert_eq!(admitted.decision.passes(), allow_on_error);
        assert_eq!(admitted.decision.verdicts[0].said, Said::Trouble(Trouble::Store));
    }
    let mut store = Store { contended: true, ..Store::default() };
    let admitted = store.ask(&[tokens(0, 3)]);
    assert_eq!(admitted.decision.verdicts[0].said, Said::Trouble(Trouble::Contended));
    assert_eq!((admitted.decision.passes(), store.steps), (false, 2 * MAX_LOST_SWAPS as usize + 1));
}

#[test]
fn what_cannot_be_taken_back_is_handed_on() {
    let mut store = Store::default();
    store.ask(&[window(1, 1)]);
    let mut admit = Admit::new([tokens(0, 3), window(1, 1)], situation(), Leases::default());
    // Both limits are read, the first is charged, the second refuses.
    let mut input = Input::Start;
    for _ in 0..3 {
        input = match admit.resume(input) {
            Step::Swap { .. } => Input::Swapped(true),
            Step::Get(key) => {
                let value = store.values.iter().find(|(of, _)| *of == key).map(|(_, value)| value.clone());
                Input::Value { value, version: Version::Absent }
            }
            other => panic!("{other:?}"),
        };
    }
    assert!(matches!(admit.resume(input), Step::Get(SetKey { limit: 0, .. })));
    let Step::Done(admitted) = admit.resume(Input::Failed) else { panic!("must end") };
    assert!(!admitted.decision.passes());
    assert_eq!(admitted.charges.limits().collect::<Vec<_>>(), [0]);
}

#[test]
fn permits_need_an_identity_and_wait_for_the_end() {
    let mut store = Store::default();
    let permits = ask(0, Algorithm::Concurrency { most: 1 });
    let admitted = store.ask(&[permits]);
    assert_eq!(admitted.decision.verdicts[0].said, Said::Trouble(Trouble::NoIdentity));
    let me = Some(Member { slot: 3, epoch: 1 });
    let admit = || Admit::new([permits], Situation { me, ..situation() }, Leases::default());
    let first = store.run(admit());
    assert_eq!(said(&first), [(Said::Admit, 0)]);
    assert_eq!(said(&store.run(admit())), [(Said::Refuse { wait: None }, 0)]);
    let mut settle = first.charges.settle(|_| true, &mut Leases::default(), NOW);
    let mut input = Input::Start;
    let settled = loop {
        input = match settle.resume(input) {
            Step::Done(settled) => break settled,
            Step::Get(_) => Input::Value { value: Some(store.values[0].1.clone()), version: Version::Of(1) },
            Step::Swap { value, .. } => {
                store.values[0].1 = value;
                Input::Swapped(true)
            }
            Step::Send { .. } => panic!("nothing is sent"),
        };
    };
    assert_eq!((settled.stored, settled.failed.is_empty()), (vec![(0, -1)], true));
    assert_eq!(said(&store.run(admit())), [(Said::Admit, 0)]);
}

#[test]
fn a_busy_client_is_served_from_the_workers_own_memory() {
    let (mut store, mut leases) = (Store::default(), Leases::new());
    let mut remaining = Vec::new();
    for _ in 0..40 {
        let admitted = store.run(Admit::new([tokens(0, 1_600)], situation(), leases));
        leases = admitted.leases;
        remaining.push(admitted.decision.verdicts[0].remaining);
    }
    assert_eq!(remaining, (1_560..1_600).rev().collect::<Vec<u64>>());
    // Forty ends, and seven reads and writes.
    assert_eq!(store.steps, 40 + 7 * 2);
}

#[test]
fn tokens_out_of_a_lease_go_back_into_it_when_another_limit_refuses() {
    let (mut store, mut leases) = (Store::default(), Leases::new());
    for _ in 0..2 {
        leases = store.run(Admit::new([tokens(0, 1_600)], situation(), leases)).leases;
    }
    store.ask(&[window(1, 1)]);
    let steps = store.steps;
    let admitted = store.run(Admit::new([tokens(0, 1_600), window(1, 1)], situation(), leases));
    assert_eq!(said(&admitted)[0], (Said::TakenBack, 1_598));
    assert_eq!(store.steps - steps, 2, "one read, of the window");
    let unspent = admitted.leases.clone().tick(NOW);
    assert_eq!(TokenBucket::new(1, HOUR, 1_600).unwrap().left(unspent[0].held, NOW), 1);
}
