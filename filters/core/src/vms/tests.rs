use super::*;
use crate::protocol::{Input, Machine, Step, Version};
use crate::rewrite::Unfinished;
use crate::time::MonoTime;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A registry that one machine after the other talks to.
#[derive(Default)]
struct Registry(Vec<Vec<u8>>);

impl Registry {
    fn run<M: Machine<Key = SlotKey>>(&mut self, mut machine: M) -> M::Output {
        let mut input = Input::Start;
        loop {
            input = match machine.resume(input) {
                Step::Get(SlotKey(slot)) => match self.0.get(usize::from(slot)) {
                    Some(value) => Input::Value { value: Some(value.clone()), version: Version::Of(1) },
                    None => Input::Value { value: None, version: Version::Absent },
                },
                Step::Swap { key: SlotKey(slot), value, .. } => {
                    let slot = usize::from(slot);
                    self.0.resize(self.0.len().max(slot + 1), vec![]);
                    self.0[slot] = value;
                    Input::Swapped(true)
                }
                Step::Send { .. } => unreachable!("the registry sends nothing"),
                Step::Done(output) => return output,
            };
        }
    }

    fn view(&mut self, now: MonoTime) -> View {
        self.run(Refresh::new(None, now)).unwrap().view
    }
}

fn second(seconds: u64) -> MonoTime {
    MonoTime::from_millis(seconds * 1_000)
}

const fn member(slot: u8, epoch: u32) -> Member {
    Member { slot, epoch }
}

#[test]
fn members_take_the_first_free_slots() {
    let mut registry = Registry::default();
    assert_eq!(registry.run(Join::new(second(1))), Ok(member(0, 1)));
    assert_eq!(registry.run(Join::new(second(1))), Ok(member(1, 1)));
    assert_eq!(registry.run(Leave::new(member(0, 1), second(2))), Ok(Pulse::Alive));
    assert_eq!(
        registry.run(Join::new(second(2))),
        Ok(member(0, 3)),
        "leaving and claiming both raise the epoch"
    );
    let view = registry.view(second(2));
    assert_eq!(view.members().collect::<Vec<_>>(), [member(0, 3), member(1, 1)]);
}

#[test]
fn who_leaves_is_gone_and_a_newer_epoch_than_seen_is_not() {
    let mut registry = Registry::default();
    let (first, second_member) =
        (registry.run(Join::new(second(1))).unwrap(), registry.run(Join::new(second(1))).unwrap());
    let before = registry.view(second(1));
    registry.run(Leave::new(first, second(2))).unwrap();
    let after = registry.view(second(2));
    assert!(!before.is_gone(first) && after.is_gone(first));
    assert!(!after.is_gone(second_member));
    assert!(!after.is_gone(member(0, 3)), "joined after the view was made");
    assert!(!after.is_gone(member(9, 1)), "a slot that the view has not seen");
    assert!(after.lost_somebody_since(&before) && !before.lost_somebody_since(&before));
}

#[test]
fn silence_is_death_after_ten_seconds_and_not_before() {
    let mut registry = Registry::default();
    let silent = registry.run(Join::new(second(1))).unwrap();
    let beating = registry.run(Join::new(second(1))).unwrap();
    assert_eq!(registry.run(Beat::new(beating, second(6))), Ok(Pulse::Alive));
    assert_eq!(registry.run(Refresh::new(Some(beating), second(11))).unwrap().buried, []);
    let refreshed = registry.run(Refresh::new(Some(beating), second(12))).unwrap();
    assert_eq!(refreshed.buried, [silent]);
    assert!(refreshed.view.is_gone(silent) && !refreshed.view.is_gone(beating));
    assert_eq!(registry.run(Beat::new(silent, second(12))), Ok(Pulse::Rejoin));
    assert_eq!(registry.run(Leave::new(silent, second(12))), Ok(Pulse::Rejoin));
    assert_eq!(registry.run(Join::new(second(12))), Ok(member(0, 3)));
}

#[test]
fn nobody_declares_itself_dead() {
    let mut registry = Registry::default();
    let me = registry.run(Join::new(second(1))).unwrap();
    assert_eq!(registry.run(Refresh::new(Some(me), second(60))).unwrap().buried, []);
    assert_eq!(registry.run(Beat::new(me, second(60))), Ok(Pulse::Alive));
}

#[test]
fn a_heartbeat_far_ahead_is_no_life_insurance() {
    let mut registry = Registry::default();
    let me = registry.run(Join::new(MonoTime::FAR_FUTURE)).unwrap();
    assert!(registry.view(second(1)).is_gone(me));
}

#[test]
fn all_slots_taken_is_a_named_outcome() {
    let mut registry = Registry::default();
    for slot in 0..SLOTS {
        let claim = Slot { epoch: 7, state: SlotState::Held, heartbeat: second(20) };
        registry.0.push(claim.encode());
        assert_eq!(registry.view(second(20)).members().count(), usize::from(slot) + 1);
    }
    assert_eq!(registry.run(Join::new(second(21))), Err(JoinError::AllTaken));
    assert_eq!(registry.run(Join::new(second(31))), Ok(member(0, 8)), "one swap declares dead and claims");
}

#[test]
fn a_slot_whose_epochs_are_used_up_is_left_alone() {
    let mut registry = Registry::default();
    registry.0.push(Slot { epoch: u32::MAX, state: SlotState::Free, heartbeat: second(1) }.encode());
    assert_eq!(registry.run(Join::new(second(1))), Ok(member(1, 1)));
}

#[test]
fn unreadable_slots_read_as_never_claimed() {
    let mut registry = Registry(vec![b"foreign".to_vec()]);
    assert_eq!(registry.view(second(1)).members().count(), 0);
    assert_eq!(registry.run(Join::new(second(1))), Ok(member(0, 1)));
    for bytes in [&[][..], &[9; 14], &[1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(Slot::read(Some(bytes)), Slot::NEVER_CLAIMED, "{bytes:?}");
    }
}

#[test]
fn errors_of_the_store_have_a_name() {
    for input in [Input::Failed, Input::Sent(true), Input::Swapped(true)] {
        let mut join = Join::new(second(1));
        join.resume(Input::Start);
        assert_eq!(join.resume(input.clone()), Step::Done(Err(Unfinished::Failed.into())));
        let mut refresh = Refresh::new(None, second(1));
        refresh.resume(Input::Start);
        assert_eq!(refresh.resume(input), Step::Done(Err(Unfinished::Failed)));
    }
}
