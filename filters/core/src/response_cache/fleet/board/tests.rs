use super::*;
use crate::protocol::{Input, Machine, Step, Version};
use crate::rewrite::Rewrite;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const fn at(seconds: u64) -> MonoTime {
    MonoTime::from_millis(seconds * 1_000)
}

fn tag(id: u64, name: &str) -> Entry {
    Entry::purge(id, 1_000, false, vec![Item::Tag(name.as_bytes().to_vec())])
}

fn log(entries: &[Entry]) -> Log {
    let beginning = Entry::beginning(1, 1_000);
    Log { entries: core::iter::once(beginning).chain(entries.iter().cloned()).collect() }
}

/// A process: its board, as shared data holds it.
#[derive(Default)]
struct Process(Option<Vec<u8>>);

impl Process {
    fn make<E: Edit>(&mut self, edit: E) -> E::Output {
        let mut rewrite = Rewrite::new((), edit);
        let mut input = Input::Start;
        loop {
            input = match rewrite.resume(input) {
                Step::Get(()) => Input::Value { value: self.0.clone(), version: Version::Absent },
                Step::Swap { value, .. } => {
                    self.0 = Some(value);
                    Input::Swapped(true)
                }
                Step::Done(output) => return output.unwrap(),
                Step::Send { .. } => panic!("a board sends nothing"),
            };
        }
    }

    fn learn(&mut self, log: Option<Log>, seconds: u64) -> Learned {
        let wall = WallTime::from_unix_nanos(1_000_000_000_000);
        self.make(Learn { log, now: at(seconds), wall, bits: 77 })
    }

    fn board(&self) -> Board {
        Board::decode(self.0.as_ref().unwrap()).unwrap()
    }
}

fn ids(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.id).collect()
}

#[test]
fn what_others_add_is_done_once() {
    let mut process = Process::default();
    assert_eq!(process.learn(Some(log(&[])), 1), Learned::default());
    assert_eq!(ids(&process.learn(Some(log(&[tag(5, "a")])), 2).to_apply), [5]);
    // Whoever was to do it has crashed: it is still to be done.
    assert_eq!(ids(&process.learn(None, 3).to_apply), [5]);
    process.make(Applied(vec![5]));
    assert_eq!(process.learn(Some(log(&[tag(5, "a")])), 4), Learned::default());
}

#[test]
fn what_the_process_adds_is_sent_and_not_done_again() {
    let mut process = Process::default();
    process.learn(Some(log(&[])), 1);
    process.make(AddOwn(tag(9, "a")));
    assert_eq!(process.board().knowledge(), Some(Knowledge { as_of: 1, also: vec![9] }));
    let learned = process.learn(None, 2);
    assert_eq!((ids(&learned.to_add), ids(&learned.to_apply)), (vec![9], vec![]));
    assert_eq!(process.learn(Some(log(&[tag(9, "a")])), 3), Learned::default());
    assert_eq!(process.board().knowledge(), Some(Knowledge { as_of: 9, also: vec![] }));
}

#[test]
fn what_is_lost_is_sent_again_under_another_number() {
    let mut process = Process::default();
    process.learn(Some(log(&[])), 1);
    process.make(AddOwn(tag(9, "a")));
    process.learn(None, 2);
    let again = process.learn(None, 3);
    assert_eq!(again.to_add.len(), 1);
    let id = again.to_add[0].id;
    assert_ne!(id, 9);
    // Seen, and gone later: another writer did not know of it.
    assert_eq!(process.learn(Some(log(&[tag(id, "a")])), 4), Learned::default());
    assert_eq!(process.learn(Some(log(&[tag(6, "b")])), 5).to_add.len(), 1);
    // Seen for long enough, it is no longer looked for.
    let id = process.board().own[0].entry.id;
    process.learn(Some(log(&[tag(6, "b"), tag(id, "a")])), 6);
    process.learn(None, 40);
    assert_eq!(process.board().own, []);
}

#[test]
fn a_store_that_was_emptied_begins_a_new_log() {
    let mut process = Process::default();
    process.learn(Some(log(&[tag(5, "a")])), 1);
    process.make(Applied(vec![5]));
    process.learn(Some(Log::default()), 2);
    assert!(!process.board().is_trusted(at(2), Duration::from_secs(1)), "nothing is known of it");
    let begun = Log { entries: vec![Entry::beginning(2, 1_000)] };
    assert_eq!(process.learn(Some(begun.clone()), 3), Learned::default());
    // What was purged at another is for a while, whether the store remembers it or not.
    assert_eq!(process.board().knowledge(), Some(Knowledge { as_of: 2, also: vec![5] }));
    process.learn(Some(begun), 34);
    assert_eq!(process.board().knowledge(), Some(Knowledge { as_of: 2, also: vec![] }));
}

#[test]
fn more_purges_than_the_log_holds_are_a_purge_of_everything() {
    let mut process = Process::default();
    process.learn(Some(log(&[tag(5, "a")])), 1);
    process.make(Applied(vec![5]));
    let later = Log { entries: vec![tag(600, "x"), tag(601, "y")] };
    let learned = process.learn(Some(later), 2);
    assert_eq!(learned.to_apply.len(), 1);
    assert_eq!(learned.to_apply[0].items, [Item::All]);
}

#[test]
fn a_process_that_begins_does_what_is_recent() {
    let old = Entry { at_seconds: 300, ..tag(4, "old") };
    let mut process = Process::default();
    assert_eq!(ids(&process.learn(Some(log(&[old, tag(5, "a")])), 1).to_apply), [5]);
}

#[test]
fn more_at_once_than_is_remembered_is_one_purge_of_everything() {
    let mut process = Process::default();
    process.learn(Some(log(&[])), 1);
    (0..200).for_each(|number| process.make(AddOwn(tag(100 + number, "a"))));
    let board = process.board();
    assert!(board.own.len() <= MOST_OWN);
    assert!(board.own.iter().any(|own| own.entry.items == [Item::All] && !own.entry.soft));
}

#[test]
fn a_board_is_believed_while_it_is_recent() {
    let mut process = Process::default();
    process.learn(Some(log(&[])), 10);
    let second = Duration::from_secs(1);
    assert!(process.board().is_trusted(at(15), second));
    assert!(!process.board().is_trusted(at(16), second));
    assert!(!Board::default().is_trusted(MonoTime::ZERO, second));
}

#[test]
fn what_the_log_has_lost_of_others_holds_for_a_while() {
    let mut process = Process::default();
    process.learn(Some(log(&[tag(5, "a"), tag(6, "b")])), 1);
    // Another writer did not know of the last one.
    process.learn(Some(log(&[tag(5, "a"), tag(7, "c")])), 2);
    assert_eq!(ids(&process.board().pending().entries), [6]);
    // It is told again under its number, or under another.
    process.learn(Some(log(&[tag(5, "a"), tag(7, "c"), tag(6, "b")])), 3);
    assert_eq!(process.board().pending(), Log::default());
    process.learn(Some(log(&[tag(5, "a"), tag(7, "c")])), 4);
    process.learn(Some(log(&[tag(5, "a"), tag(7, "c"), tag(8, "b")])), 34);
    assert_eq!(ids(&process.board().pending().entries), [6]);
    process.learn(Some(log(&[tag(5, "a"), tag(7, "c"), tag(8, "b")])), 35);
    assert_eq!(process.board().pending(), Log::default());
    // What makes room at the beginning is not lost.
    process.learn(Some(Log { entries: vec![tag(7, "c"), tag(8, "b"), tag(9, "d")] }), 36);
    assert_eq!(process.board().pending(), Log::default());
}
