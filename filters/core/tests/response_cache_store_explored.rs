//! Storing, evicting and purging under every interleaving of three workers, with crashes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::protocol::{Input, Machine, Step};
use ballast_core::response_cache::store::{
    self, Eviction, Find, Found, Index, Load, Loaded, New, NotStored, Object, Purge, Put, Record, Shape,
    Stored, Target, Ticket,
};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use core::hash::{Hash, Hasher};
use explorer::{FailureKind, Model, Next, Seen, State, Verdict, Worker, forward};

const NOW: MonoTime = MonoTime::from_millis(1_000);
const TAG: Fingerprint = Fingerprint(99);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Store(store::Key),
    /// What the origin would answer: one byte.
    Origin,
    /// Set once a purge has said that it is done.
    Told,
}

/// Which key a worker asks for, by its number.
type Which = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Choice {
    /// Look up, ask the origin, store.
    Fetches(Which),
    /// Look up and use.
    Reads(Which),
    /// Change the origin, purge, and say so.
    Purges(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Key,
    Tag,
    /// A purge that changes only sets in which it finds something: what the real one must not do.
    SkipsWhatHasNothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Server {
    plan: Vec<Choice>,
    talk: Option<Talk>,
    /// What was read: whether the purge was known to be done before, and the origin's byte.
    read: Option<(bool, u8)>,
    stored: Option<Result<u64, ()>>,
    /// Bytes that this worker wants gone from the set when it stores.
    excess: u64,
    crashes: bool,
    dead: bool,
}

#[derive(Clone, Debug)]
enum Talk {
    Finding { which: Which, find: Find },
    Asking { which: Which, ticket: Ticket },
    Storing(Box<Put>),
    AskingWhetherTold { which: Which },
    Looking { which: Which, told: bool, find: Find },
    Loading { told: bool, load: Load },
    ReadingOrigin(Kind),
    ChangingOrigin(Kind),
    Purging(Purge),
    SkimmingSet,
    ReadingTold,
    Telling,
}

// The parts that differ show in their debug text; a put does not implement `Hash`.
impl PartialEq for Talk {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
impl Eq for Talk {}
impl Hash for Talk {
    fn hash<H: Hasher>(&self, state: &mut H) {
        format!("{self:?}").hash(state);
    }
}

/// One set, whose share is two answers.
fn shape() -> Shape {
    Shape::new(7_872 + 250, 32, 250, Eviction::Lru)
}

fn hash(which: Which) -> Fingerprint {
    Fingerprint(u128::from(which) + 1)
}

fn put(which: Which, origin: u8, ticket: Ticket, excess: u64) -> Put {
    let object = Object { key: vec![which], body: vec![origin], ..Object::default() };
    let new =
        New { key: hash(which), object, url: b"/", tags: &[TAG], dead_at: MonoTime::FAR_FUTURE, ticket };
    Put::new(shape(), new, NOW).unwrap().freeing(excess)
}

impl Server {
    fn new(plan: impl IntoIterator<Item = Choice>) -> Self {
        let plan = plan.into_iter().collect();
        Self { plan, talk: None, read: None, stored: None, excess: 0, crashes: false, dead: false }
    }

    fn evicting(self) -> Self {
        Self { excess: 1, ..self }
    }

    fn crashing(self) -> Self {
        Self { crashes: true, ..self }
    }

    fn begin(&mut self, talk: Talk) -> Next<Key> {
        self.talk = Some(talk);
        self.resume(Input::Start, NOW)
    }

    fn ask(&mut self, talk: Talk, step: Next<Key>) -> Next<Key> {
        self.talk = Some(talk);
        step
    }

    /// What a driven conversation comes to, or its step.
    fn drive<M: Machine<Key = store::Key>>(
        &mut self,
        mut machine: M,
        input: Input,
        talk: impl FnOnce(M) -> Talk,
    ) -> Result<M::Output, Next<Key>> {
        forward(machine.resume(input)).map_err(|step| {
            self.talk = Some(talk(machine));
            match step {
                Step::Get(key) => Step::Get(Key::Store(key)),
                Step::Swap { key, version, value } => Step::Swap { key: Key::Store(key), version, value },
                Step::Send { slot, message } => Step::Send { slot, message },
                Step::Done(()) => Step::Done(()),
            }
        })
    }

    fn loaded(&mut self, told: bool, loaded: &Loaded) -> Next<Key> {
        self.read = match loaded {
            Loaded::Object(object) => Some((told, object.body[0])),
            Loaded::Gone => None,
            other => panic!("{other:?}"),
        };
        Step::Done(())
    }

    fn go(&mut self, talk: Talk, input: Input) -> Result<Next<Key>, Next<Key>> {
        Ok(match talk {
            Talk::Finding { which, find } => {
                let found = self.drive(find, input, |find| Talk::Finding { which, find })?.unwrap();
                self.ask(Talk::Asking { which, ticket: found.ticket }, Step::Get(Key::Origin))
            }
            Talk::Asking { which, ticket } => {
                let put = put(which, byte(&input), ticket, self.excess);
                self.begin(Talk::Storing(Box::new(put)))
            }
            Talk::Storing(put) => {
                let stored = self.drive(*put, input, |put| Talk::Storing(Box::new(put)))?;
                self.stored = Some(match stored {
                    Ok(Stored { stamp, .. }) => Ok(stamp),
                    Err(NotStored::Purged) => Err(()),
                    Err(other) => panic!("{other}"),
                });
                Step::Done(())
            }
            Talk::AskingWhetherTold { which } => {
                let find = Find::new(shape(), hash(which), NOW);
                self.begin(Talk::Looking { which, told: byte(&input) != 0, find })
            }
            Talk::Looking { which, told, find } => {
                let talk = |find| Talk::Looking { which, told, find };
                let Found { candidates, .. } = self.drive(find, input, talk)?.unwrap();
                match candidates.first() {
                    Some(candidate) => {
                        let load = Load::new(candidate, &[which]);
                        self.begin(Talk::Loading { told, load })
                    }
                    None => Step::Done(()),
                }
            }
            Talk::Loading { told, load } => {
                let loaded = self.drive(load, input, |load| Talk::Loading { told, load })?.unwrap();
                self.loaded(told, &loaded)
            }
            Talk::ReadingOrigin(kind) => {
                let Input::Value { version, .. } = input else { panic!("{input:?}") };
                self.ask(Talk::ChangingOrigin(kind), Step::Swap { key: Key::Origin, version, value: vec![2] })
            }
            Talk::ChangingOrigin(kind) => {
                assert_eq!(input, Input::Swapped(true), "only one changes it");
                let target = match kind {
                    Kind::Key => Target::Key(hash(0)),
                    Kind::Tag => Target::Tags(vec![TAG]),
                    Kind::SkipsWhatHasNothing => {
                        return Ok(self.ask(Talk::SkimmingSet, Step::Get(Key::Store(store::Key::Set(0)))));
                    }
                };
                self.begin(Talk::Purging(Purge::new(shape(), target, false, NOW)))
            }
            Talk::SkimmingSet => {
                let Input::Value { value, .. } = input else { panic!("{input:?}") };
                let listed =
                    value.as_deref().and_then(Index::decode).map_or(0, |index| index.entries().len());
                if listed > 0 {
                    self.begin(Talk::Purging(Purge::new(shape(), Target::All, false, NOW)))
                } else {
                    self.ask(Talk::ReadingTold, Step::Get(Key::Told))
                }
            }
            Talk::Purging(purge) => {
                self.drive(purge, input, Talk::Purging)?.unwrap();
                self.ask(Talk::ReadingTold, Step::Get(Key::Told))
            }
            Talk::ReadingTold => {
                let Input::Value { version, .. } = input else { panic!("{input:?}") };
                self.ask(Talk::Telling, Step::Swap { key: Key::Told, version, value: vec![1] })
            }
            Talk::Telling => Step::Done(()),
        })
    }
}

/// The byte that was read; 0 for none.
fn byte(input: &Input) -> u8 {
    match input {
        Input::Value { value, .. } => value.as_ref().map_or(0, |value| value[0]),
        other => panic!("{other:?}"),
    }
}

impl Worker for Server {
    type Key = Key;
    type Choice = Choice;

    fn choices(&self, _: Seen) -> Vec<Choice> {
        self.plan.first().copied().into_iter().collect()
    }

    fn choose(&mut self, choice: Choice, _: MonoTime) -> Next<Key> {
        self.plan.remove(0);
        match choice {
            Choice::Fetches(which) => {
                let find = Find::new(shape(), hash(which), NOW);
                self.begin(Talk::Finding { which, find })
            }
            Choice::Reads(which) => self.ask(Talk::AskingWhetherTold { which }, Step::Get(Key::Told)),
            Choice::Purges(kind) => self.ask(Talk::ReadingOrigin(kind), Step::Get(Key::Origin)),
        }
    }

    fn resume(&mut self, input: Input, _: MonoTime) -> Next<Key> {
        let talk = self.talk.take().unwrap();
        match self.go(talk, input) {
            Ok(next) | Err(next) => next,
        }
    }

    fn done(&self) -> bool {
        self.dead || (self.plan.is_empty() && self.talk.is_none())
    }

    fn crash(&self) -> Option<Self> {
        (self.crashes && !self.dead).then(|| Self { dead: true, ..Self::new([]) })
    }
}

fn model(servers: Vec<Server>) -> Model<Server> {
    Model::new(servers).value(Key::Origin, vec![1])
}

/// After a purge has said that it is done, nobody reads what was there before.
fn purged_is_gone(state: &State<Server>) -> Verdict {
    for server in state.workers() {
        if let Some((true, 1)) = server.read {
            return Err(format!("read what was purged: {server:?}"));
        }
    }
    Ok(())
}

/// Whatever bytes there are belong to an entry, and what is listed has its bytes; each crash may break one.
fn listed_is_there(state: &State<Server>) -> Verdict {
    let set = state.value(&Key::Store(store::Key::Set(0))).map(|value| Index::decode(value).unwrap());
    let listed: Vec<(u8, u64)> =
        set.iter().flat_map(|set| set.entries()).map(|entry| (entry.slot, entry.stamp)).collect();
    let mut wrong = 0;
    for slot in 0..32 {
        let stamp = state.value(&Key::Store(store::Key::Body(0, slot))).and_then(Record::stamp_of);
        let entry = listed.iter().find(|(listed, _)| *listed == slot).map(|(_, stamp)| *stamp);
        wrong += u32::from(stamp != entry);
    }
    if wrong <= state.crashes() {
        Ok(())
    } else {
        Err(format!("{wrong} places are not what is listed: {listed:?}"))
    }
}

fn explore(servers: Vec<Server>, crashes: u32, states: usize) {
    let report = model(servers)
        .crashes(crashes)
        .explore(purged_is_gone, listed_is_there)
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > states, "{report:?}");
}

#[test]
fn nobody_reads_what_was_purged_once_the_purge_is_done() {
    for kind in [Kind::Key, Kind::Tag] {
        explore(
            vec![
                Server::new([Choice::Fetches(0), Choice::Reads(0)]),
                Server::new([Choice::Purges(kind), Choice::Reads(0)]),
                Server::new([Choice::Fetches(0)]),
            ],
            0,
            2_000,
        );
    }
}

#[test]
fn nor_when_workers_crash_on_the_way() {
    for kind in [Kind::Key, Kind::Tag] {
        explore(
            vec![
                Server::new([Choice::Fetches(0), Choice::Reads(0)]).crashing(),
                Server::new([Choice::Purges(kind), Choice::Reads(0)]).crashing(),
                Server::new([Choice::Fetches(0)]),
            ],
            1,
            4_000,
        );
    }
}

#[test]
fn places_that_are_evicted_written_and_emptied_at_once_end_as_listed() {
    explore(
        vec![
            Server::new([Choice::Fetches(0), Choice::Fetches(1)]),
            Server::new([Choice::Fetches(2)]).evicting(),
            Server::new([Choice::Fetches(3)]).evicting(),
        ],
        0,
        2_000,
    );
    explore(
        vec![
            Server::new([Choice::Fetches(0)]).evicting(),
            Server::new([Choice::Purges(Kind::Tag)]),
            Server::new([Choice::Fetches(1), Choice::Reads(1)]),
        ],
        0,
        2_000,
    );
}

#[test]
fn a_crash_costs_one_place_at_the_most() {
    explore(
        vec![
            Server::new([Choice::Fetches(0)]).crashing(),
            Server::new([Choice::Fetches(1)]).crashing().evicting(),
            Server::new([Choice::Purges(Kind::Key)]).crashing(),
        ],
        1,
        4_000,
    );
}

#[test]
fn a_purge_that_skips_sets_in_which_it_finds_nothing_is_caught() {
    let failure = model(vec![
        Server::new([Choice::Fetches(0), Choice::Reads(0)]),
        Server::new([Choice::Purges(Kind::SkipsWhatHasNothing)]),
    ])
    .explore(purged_is_gone, |_| Ok(()))
    .unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Invariant(_)), "{failure}");
}
