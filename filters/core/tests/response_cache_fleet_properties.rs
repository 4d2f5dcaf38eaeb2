//! What several proxies share: any bytes are read totally, what is written is read back, nobody uses what was fetched
//! before a purge that he knows of, and one proxy fetches for all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::response_cache::fleet::{
    AddOwn, Answer, Applied, Ask, Board, Content, Entry, Found, Heard, Item, Learn, Log, Record, Refused,
    Search, Wish, base_key,
};
use ballast_core::response_cache::head::Head;
use ballast_core::response_cache::key::{Target, variant_of};
use ballast_core::response_cache::rules::{Fields, Now, Stored, Vary};
use ballast_core::rewrite::{Edit, Rewrite};
use ballast_core::time::{MonoTime, WallTime};
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SECOND: u64 = 1_000_000_000;

fn item() -> impl Strategy<Value = Item> {
    let bytes = || vec(any::<u8>(), 0..12);
    prop_oneof![
        Just(Item::All),
        bytes().prop_map(Item::Url),
        bytes().prop_map(Item::Prefix),
        bytes().prop_map(Item::Tag),
        (bytes(), bytes()).prop_map(|(origin, name)| Item::Group(origin, name)),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    (any::<u64>(), any::<u64>(), any::<bool>(), vec(item(), 0..4))
        .prop_map(|(id, at_seconds, soft, items)| Entry { id, at_seconds, soft, items })
}

fn log() -> impl Strategy<Value = Log> {
    vec(entry(), 0..6).prop_map(|entries| Log { entries })
}

/// Bytes that are nearly something: a piece of what is written, with one byte changed.
fn damaged(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        move |(end, at, byte)| {
            let mut bytes = bytes[..=end.index(bytes.len())].to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        },
    )
}

fn sample_record(body: &[u8]) -> Vec<u8> {
    let variant = variant_of(Fields::new(&[]), &target(), &Vary::default()).unwrap();
    let stored = Stored { status: 200, lifetime: Duration::from_secs(60), ..Stored::default() };
    let length = u64::try_from(body.len()).unwrap();
    let head = Head { stored, length, lines: Vec::new() }.encode().unwrap();
    let content = Content::Answer(Answer { variant: &variant, head: &head, codec: 0, body });
    written(content, 1).encode()
}

fn written(content: Content<'_>, as_of: u64) -> Record<'_> {
    Record {
        written: WallTime::from_unix_nanos(1_000 * SECOND),
        useful_until: WallTime::from_unix_nanos(1_060 * SECOND),
        as_of,
        also: Vec::new(),
        primary: b"primary",
        content,
    }
}

fn target() -> Target {
    Target { url: b"http://a/x".to_vec(), ..Target::default() }
}

fn now(millis: u64) -> Now {
    Now {
        mono: MonoTime::from_millis(millis),
        wall: WallTime::from_unix_nanos(1_000 * SECOND + millis * 1_000_000),
    }
}

/// A shared value of one process.
#[derive(Clone, Default)]
struct Shared(Option<Vec<u8>>);

impl Shared {
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

    fn board(&self) -> Board {
        self.0.as_deref().and_then(Board::decode).unwrap_or_default()
    }
}

/// What one of three processes does next to the shared log.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Purges.
    Purge(usize),
    /// Reads the log.
    Read(usize),
    /// Writes what it has to add: in one step, or over what it has read (then others' entries may be lost).
    Write { process: usize, over: bool },
    /// The store forgets everything.
    Empty,
    /// Fetches an answer, which knows of the purges that its process knows of, and writes it.
    Fetch(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..3_usize).prop_map(Act::Purge),
        6 => (0..3_usize).prop_map(Act::Read),
        6 => (0..3_usize, any::<bool>()).prop_map(|(process, over)| Act::Write { process, over }),
        1 => Just(Act::Empty),
        4 => (0..3_usize).prop_map(Act::Fetch),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_nothing(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Log::decode(&bytes).is_none_or(|log| log.encode() == bytes));
        prop_assert!(Record::decode(&bytes).is_none_or(|record| record.encode() == bytes));
        prop_assert!(Board::decode(&bytes).is_none_or(|board| board.encode() == bytes));
    }

    #[test]
    fn damaged_records_are_nothing(bytes in damaged(sample_record(&[7; 40]))) {
        prop_assert!(Record::decode(&bytes).is_none_or(|_| bytes == sample_record(&[7; 40])));
    }

    #[test]
    fn what_is_written_is_read_back(log in log(), unapplied in log(), synced in any::<u64>(), own in vec(entry(), 0..4)) {
        prop_assert_eq!(Log::decode(&log.encode()), Some(log.clone()));
        let mut shared = Shared::default();
        shared.make(Learn {
            log: Some(log.clone()),
            now: MonoTime::from_nanos(synced),
            wall: WallTime::from_unix_nanos(0),
            bits: 5,
        });
        own.iter().for_each(|entry| shared.make(AddOwn(entry.clone())));
        let board = Board {
            lost: unapplied.entries.iter().map(|entry| (MonoTime::from_nanos(7), entry.clone())).collect(),
            unapplied: unapplied.entries,
            ..shared.board()
        };
        prop_assert_eq!(Board::decode(&board.encode()), Some(board.clone()));
        prop_assert_eq!(board.own.len(), own.len());
        prop_assert_eq!(board.log, log);
    }

    #[test]
    fn answers_keep_their_bytes(body in vec(any::<u8>(), 0..300), also in vec(any::<u64>(), 0..8), as_of in any::<u64>()) {
        let bytes = sample_record(&body);
        let record = Record { also, as_of, ..Record::decode(&bytes).unwrap() };
        let again = record.encode();
        prop_assert_eq!(Record::decode(&again), Some(record.clone()));
        let Content::Answer(answer) = record.content else { panic!() };
        let (head, unpacked) = answer.unpack(Duration::from_secs(3), false, now(3_000)).unwrap();
        prop_assert_eq!(unpacked, body);
        prop_assert_eq!(head.stored.age(now(3_000)), Duration::from_secs(3));
    }

    /// Three processes purge, read and write the log in any order, by a store that loses entries and all it has. A record
    /// is used by nobody who knows of a purge that came after its fetch; and once everybody has read and written
    /// often enough, everybody knows of every purge.
    #[test]
    fn nobody_uses_what_was_fetched_before_a_purge_that_he_knows_of(acts in vec(act(), 1..60)) {
        let mut processes = [Shared::default(), Shared::default(), Shared::default()];
        // The purges, by their number in this test, that each process has heard of, and those that it has obeyed: also
        // unheard of, by dropping all it had.
        let mut known: [BTreeSet<u64>; 3] = Default::default();
        let mut obeyed: [BTreeSet<u64>; 3] = Default::default();
        let mut stored: Option<Vec<u8>> = None;
        let mut to_add: [Vec<Entry>; 3] = Default::default();
        let mut purges = 0_u64;
        let mut ids = 1_000_u64;
        // With the number of purges before the fetch.
        let mut records: Vec<(Vec<u8>, u64)> = Vec::new();
        // Those that were in the log when the store forgot it.
        let mut lost: BTreeSet<u64> = BTreeSet::new();
        // What entries stand for that drop everything: what was lost, and what their writer had purged.
        let mut stands_for: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        let numbered = |entry: &Entry| match entry.items.first() {
            Some(Item::Tag(tag)) => Some(u64::from_le_bytes(tag.clone().try_into().unwrap())),
            _ => None,
        };
        let settle = (0..8).flat_map(|_| (0..3).flat_map(|process| [Act::Read(process), Act::Write { process, over: false }]));
        for (step, act) in acts.into_iter().chain(settle).enumerate() {
            let at = MonoTime::from_millis(u64::try_from(step).unwrap() + 1);
            match act {
                Act::Purge(process) => {
                    purges += 1;
                    ids += 1;
                    let items = vec![Item::Tag(purges.to_le_bytes().to_vec()), Item::All];
                    processes[process].make(AddOwn(Entry { id: ids, at_seconds: 1_000, soft: false, items }));
                    known[process].insert(purges);
                    obeyed[process].insert(purges);
                }
                Act::Read(process) => {
                    let log = stored.as_deref().map_or_else(Log::default, |bytes| Log::decode(bytes).unwrap());
                    let is_new = log.entries.is_empty();
                    ids += 1_000;
                    let wall = WallTime::from_unix_nanos(1_000 * SECOND);
                    let learned = processes[process].make(Learn { log: Some(log), now: at, wall, bits: ids });
                    for entry in learned.to_add.iter().filter(|entry| numbered(entry).is_none()) {
                        stands_for.entry(entry.id).or_insert_with(|| &known[process] | &lost);
                    }
                    for entry in &learned.to_apply {
                        if let Some(purge) = numbered(entry) {
                            known[process].insert(purge);
                            obeyed[process].insert(purge);
                        } else {
                            known[process].extend(stands_for.get(&entry.id).unwrap_or(&lost));
                            obeyed[process].extend(1..=purges);
                        }
                    }
                    processes[process].make(Applied(learned.to_apply.iter().map(|entry| entry.id).collect()));
                    to_add[process] = learned.to_add;
                    if is_new {
                        ids += 1;
                        to_add[process].insert(0, Entry::beginning(ids, 1_000));
                    }
                }
                Act::Write { process, over } => {
                    let added = Log { entries: core::mem::take(&mut to_add[process]) };
                    if !added.entries.is_empty() {
                        let before = if over {
                            processes[process].board().log.encode()
                        } else {
                            stored.clone().unwrap_or_default()
                        };
                        stored = Some([before, added.encode()].concat());
                    }
                }
                Act::Empty => {
                    let log = stored.take().and_then(|bytes| Log::decode(&bytes)).unwrap_or_default();
                    lost.extend(log.entries.iter().filter_map(numbered));
                }
                Act::Fetch(process) => {
                    if let Some(knowledge) = processes[process].board().knowledge() {
                        let record = Record {
                            also: knowledge.also,
                            ..written(Content::Uncacheable, knowledge.as_of)
                        };
                        records.push((record.encode(), purges));
                    }
                }
            }
            for (process, shared) in processes.iter().enumerate() {
                let board = shared.board();
                for (bytes, before) in &records {
                    let record = Record::decode(bytes).unwrap();
                    let outlives = record.outlives(&board.log, &board.pending(), &Default::default());
                    let missed = known[process].iter().filter(|purge| *purge > before).count();
                    prop_assert!(
                        outlives == Err(Refused::Purged) || missed == 0,
                        "step {}: process {} knows of {} purges after a fetch", step, process, missed
                    );
                }
            }
        }
        for (process, obeyed) in obeyed.iter().enumerate() {
            prop_assert_eq!(obeyed.len(), usize::try_from(purges).unwrap(), "process {}", process);
        }
    }

    /// Several proxies search at once, in any order of their steps; the one that fetches writes and then gives the lock
    /// back.
    #[test]
    fn one_fetches_for_all(order in vec(0..5_usize, 0..200)) {
        let board = Board { log: Log { entries: vec![Entry::beginning(1, 0)] }, ..Board::default() };
        let until = MonoTime::from_millis(1_000_000);
        let mut searches: Vec<_> = (0..5).map(|_| Search::new(b"primary", &target(), Some(until))).collect();
        let mut asks: Vec<Option<Ask>> = vec![None; 5];
        let mut values: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut lock: Option<usize> = None;
        let mut fetching = None;
        let (mut fetched, mut served) = (0, 0);
        let round_robin = (0..40).flat_map(|_| 0..5);
        for (step, who) in order.into_iter().chain(round_robin).enumerate() {
            let target = target();
            let at = now(u64::try_from(step).unwrap());
            let wish = Wish { primary: b"primary", target: &target, request: Fields::new(&[]), board: &board, now: at };
            let next = match asks[who].take() {
                None => searches[who].resume(Heard::Start, &wish),
                Some(Ask::Get(key)) => {
                    let value = values.get(&key).cloned();
                    searches[who].resume(Heard::Value(value.as_deref()), &wish)
                }
                Some(Ask::Lock(_)) => {
                    let won = lock.is_none();
                    lock = lock.or(Some(who));
                    searches[who].resume(Heard::Locked(won), &wish)
                }
                Some(Ask::Wait(_)) => searches[who].resume(Heard::Waited, &wish),
                Some(done @ Ask::Done(_)) => {
                    if fetching == Some(who) {
                        // The answer has come.
                        values.insert(base_key(b"primary", b""), sample_record(b"body"));
                        (fetching, lock) = (None, None);
                        served += 1;
                    }
                    asks[who] = Some(done);
                    continue;
                }
            };
            match &next {
                Ask::Done(Found::Nothing { has_lock, .. }) => {
                    fetched += 1;
                    prop_assert!(*has_lock && fetched == 1, "fetch {} by {}", fetched, who);
                    fetching = Some(who);
                }
                Ask::Done(Found::Answer { has_lock: true, .. }) => lock = None,
                _ => {}
            }
            asks[who] = Some(next);
        }
        prop_assert_eq!((fetched, served), (1, 1));
        for (who, ask) in asks.iter().enumerate() {
            prop_assert!(matches!(ask, Some(Ask::Done(_))), "{} hangs: {:?}", who, ask);
        }
    }
}
