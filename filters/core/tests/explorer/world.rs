//! One state of the model, and the moves that lead to the next.

use super::{Next, Seen, Worker};
use ballast_core::protocol::{Input, Step, Version};
use ballast_core::time::MonoTime;
use std::collections::{BTreeMap, VecDeque};

/// A worker, what it waits for an answer to, and the versions it may still swap against.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seat<W: Worker> {
    worker: W,
    pending: Option<Next<W::Key>>,
    held: Vec<(W::Key, u32)>,
}

/// One state: all workers, the store, the queues and the clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<W: Worker> {
    seats: Vec<Seat<W>>,
    store: BTreeMap<W::Key, (u32, Vec<u8>)>,
    queues: BTreeMap<u8, VecDeque<Vec<u8>>>,
    now: MonoTime,
    clock_steps: u32,
    crashes: u32,
}

/// One move, by numbers that are valid in the state it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Perform { worker: u8 },
    Choose { worker: u8, choice: u8 },
    Deliver { worker: u8 },
    Crash { worker: u8 },
    Clock,
}

/// What the model allows beside the workers' own moves.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    pub(super) clock: Vec<MonoTime>,
    pub(super) crashes: u32,
}

impl<W: Worker> State<W> {
    pub(super) fn new(workers: Vec<W>, now: MonoTime) -> Self {
        let seats =
            workers.into_iter().map(|worker| Seat { worker, pending: None, held: Vec::new() }).collect();
        let (store, queues) = (BTreeMap::new(), BTreeMap::new());
        let mut state = Self { seats, store, queues, now, clock_steps: 0, crashes: 0 };
        state.register_queues();
        state
    }

    pub(super) fn put(&mut self, key: W::Key, value: Vec<u8>) {
        let version = self.new_version(&key);
        self.store.insert(key, (version, value));
    }

    /// The workers, in order.
    pub fn workers(&self) -> impl Iterator<Item = &W> {
        self.seats.iter().map(|seat| &seat.worker)
    }

    /// Whether a worker is amid a conversation.
    pub fn busy(&self, worker: usize) -> bool {
        self.seats[worker].pending.is_some()
    }

    /// What a key holds.
    pub fn value(&self, key: &W::Key) -> Option<&[u8]> {
        self.store.get(key).map(|(_, value)| &**value)
    }

    /// The messages in the queue of a slot, oldest first.
    pub fn queue(&self, slot: u8) -> impl Iterator<Item = &[u8]> {
        self.queues.get(&slot).into_iter().flatten().map(|message| &**message)
    }

    /// What the clock shows.
    pub fn now(&self) -> MonoTime {
        self.now
    }

    /// How many crashes there have been.
    pub fn crashes(&self) -> u32 {
        self.crashes
    }

    /// Every move there is. Crashes come last; without one of the others this is an end.
    pub(super) fn moves(&self, bounds: &Bounds) -> Vec<Move> {
        let mut moves = Vec::new();
        for (number, seat) in self.seats.iter().enumerate() {
            let worker = small(number);
            if seat.pending.is_some() {
                moves.push(Move::Perform { worker });
                continue;
            }
            let queued = seat.worker.slot().map_or(0, |slot| self.queue(slot).count());
            if queued > 0 {
                moves.push(Move::Deliver { worker });
            }
            let choices = seat.worker.choices(Seen { now: self.now, queued }).len();
            moves.extend((0..choices).map(|choice| Move::Choose { worker, choice: small(choice) }));
        }
        if (self.clock_steps as usize) < bounds.clock.len() {
            moves.push(Move::Clock);
        }
        if self.crashes < bounds.crashes {
            let seats = self.seats.iter().enumerate();
            let crashing = seats.filter(|(_, seat)| seat.worker.crash().is_some());
            moves.extend(crashing.map(|(number, _)| Move::Crash { worker: small(number) }));
        }
        moves
    }

    /// Makes a move; `log` is told what happened, in words.
    pub(super) fn make(&mut self, a_move: Move, bounds: &Bounds, log: &mut dyn FnMut(String)) {
        match a_move {
            Move::Perform { worker } => self.perform(worker, log),
            Move::Choose { worker, choice } => {
                let (now, slot) = (self.now, self.seats[usize::from(worker)].worker.slot());
                let queued = slot.map_or(0, |slot| self.queue(slot).count());
                let seat = &mut self.seats[usize::from(worker)];
                let choice = seat.worker.choices(Seen { now, queued }).swap_remove(usize::from(choice));
                log(format!("w{worker} {choice:?}"));
                let next = seat.worker.choose(choice, now);
                self.proceed(worker, next);
            }
            Move::Deliver { worker } => {
                let seat = &mut self.seats[usize::from(worker)];
                let slot = seat.worker.slot().expect("has a slot");
                let message =
                    self.queues.get_mut(&slot).and_then(VecDeque::pop_front).expect("has a message");
                log(format!("w{worker} takes {message:?} out of queue {slot}"));
                let next = seat.worker.receive(&message, self.now);
                self.proceed(worker, next);
            }
            Move::Crash { worker } => {
                log(format!("w{worker} CRASHES"));
                let seat = &mut self.seats[usize::from(worker)];
                seat.worker = seat.worker.crash().expect("can crash");
                seat.pending = None;
                seat.held.clear();
                self.crashes += 1;
            }
            Move::Clock => {
                self.now = bounds.clock[self.clock_steps as usize];
                self.clock_steps += 1;
                log(format!("the clock shows {:?}", self.now));
            }
        }
        self.register_queues();
    }

    fn perform(&mut self, worker: u8, log: &mut dyn FnMut(String)) {
        let number = usize::from(worker);
        let step = self.seats[number].pending.take().expect("has a pending step");
        let input = match step {
            Step::Get(key) => {
                self.seats[number].held.retain(|(held, _)| *held != key);
                let input = match self.store.get(&key) {
                    None => Input::Value { value: None, version: Version::Absent },
                    Some((version, value)) => {
                        self.seats[number].held.push((key.clone(), *version));
                        let value = Some(value.clone()).filter(|value| !value.is_empty());
                        Input::Value { value, version: Version::Of(*version) }
                    }
                };
                self.seats[number].held.sort();
                log(format!("w{worker} reads {key:?}: {input:?}"));
                input
            }
            Step::Swap { key, version, value } => {
                let found = self.store.get(&key).map_or(Version::Absent, |(found, _)| Version::Of(*found));
                let won = found == version;
                log(format!("w{worker} swaps {key:?} from {version:?} to {value:?}: {won}"));
                if won {
                    self.put(key.clone(), value);
                }
                self.seats[number].held.retain(|(held, _)| *held != key);
                Input::Swapped(won)
            }
            Step::Send { slot, message } => {
                log(format!("w{worker} sends {message:?} to queue {slot}"));
                let queue = self.queues.get_mut(&slot);
                Input::Sent(queue.map(|queue| queue.push_back(message)).is_some())
            }
            Step::Done(()) => unreachable!("an ended conversation is not kept"),
        };
        let now = self.now;
        let next = self.seats[number].worker.resume(input, now);
        self.proceed(worker, next);
    }

    fn proceed(&mut self, worker: u8, next: Next<W::Key>) {
        let seat = &mut self.seats[usize::from(worker)];
        seat.pending = Some(next).filter(|next| *next != Step::Done(()));
        if seat.pending.is_none() {
            seat.held.clear();
        }
    }

    /// The smallest version of a key that nobody could mistake for another.
    fn new_version(&self, key: &W::Key) -> u32 {
        let current = self.store.get(key).map(|(version, _)| *version);
        let held = |version| self.seats.iter().any(|seat| seat.held.contains(&(key.clone(), version)));
        (1..).find(|version| Some(*version) != current && !held(*version)).expect("few are held")
    }

    /// A queue exists from when its slot is first owned, and for ever.
    fn register_queues(&mut self) {
        for slot in self.seats.iter().filter_map(|seat| seat.worker.slot()) {
            self.queues.entry(slot).or_default();
        }
    }
}

fn small(number: usize) -> u8 {
    u8::try_from(number).expect("at most 256 workers and choices")
}
