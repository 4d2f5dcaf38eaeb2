//! The search: all states, or walks at random.

use super::world::{Bounds, Move, State};
use super::{Failure, FailureKind, Verdict, Worker};
use ballast_core::random::{Random, SplitMix};
use ballast_core::time::MonoTime;
use core::hash::Hash;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Workers, and what may happen to them.
#[derive(Clone, Debug)]
pub struct Model<W: Worker> {
    start: State<W>,
    bounds: Bounds,
    most_states: usize,
}

/// How much was looked at. Tests assert a minimum, so that a model that collapses to nothing is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Distinct states; in walks, steps taken.
    pub states: usize,
    /// Distinct ends; in walks, ends reached.
    pub ends: usize,
    /// The number of moves to the farthest state.
    pub depth: usize,
}

/// How a state was first reached.
struct Origin {
    parent: usize,
    by: Move,
    depth: usize,
}

impl<W: Worker> Model<W> {
    /// A model of these workers over an empty store, with no crashes and a clock that stands at one second.
    pub fn new(workers: Vec<W>) -> Self {
        let start = State::new(workers, MonoTime::from_millis(1_000));
        Self { start, bounds: Bounds::default(), most_states: 2_000_000 }
    }

    /// At most this many crashes, at any step of any worker.
    #[must_use]
    pub fn crashes(mut self, most: u32) -> Self {
        self.bounds.crashes = most;
        self
    }

    /// The clock may jump to these points, one after the other, at any moment.
    #[must_use]
    pub fn clock(mut self, points: impl IntoIterator<Item = MonoTime>) -> Self {
        self.bounds.clock = points.into_iter().collect();
        self
    }

    /// The store holds this from the start.
    #[must_use]
    pub fn value(mut self, key: W::Key, value: Vec<u8>) -> Self {
        self.start.put(key, value);
        self
    }

    /// More states than this are too many.
    #[must_use]
    pub fn most_states(mut self, most: usize) -> Self {
        self.most_states = most;
        self
    }

    /// Visits every state; `invariant` is asked in each, `at_end` where nothing can move any more.
    ///
    /// # Errors
    ///
    /// What is wrong, with a shortest way there.
    pub fn explore(
        &self,
        invariant: impl Fn(&State<W>) -> Verdict,
        at_end: impl Fn(&State<W>) -> Verdict,
    ) -> Result<Report, Failure> {
        let mut origins = vec![Origin { parent: 0, by: Move::Clock, depth: 0 }];
        let mut known = BTreeMap::from([(digest(&self.start), 0)]);
        let mut open = VecDeque::from([(0, self.start.clone())]);
        let (mut edges, mut ends) = (Vec::new(), Vec::new());
        while let Some((number, state)) = open.pop_front() {
            let moves = state.moves(&self.bounds);
            self.judge(&state, &moves, &invariant, &at_end)
                .map_err(|kind| self.failure(kind, &origins, number))?;
            if is_end(&moves) {
                ends.push(number);
            }
            for by in moves {
                let mut next = state.clone();
                next.make(by, &self.bounds, &mut |_| ());
                let fresh = origins.len();
                let target = *known.entry(digest(&next)).or_insert(fresh);
                edges.push((target, number));
                if target == fresh {
                    let depth = origins[number].depth + 1;
                    origins.push(Origin { parent: number, by, depth });
                    open.push_back((fresh, next));
                }
            }
            if origins.len() > self.most_states {
                return Err(self.failure(FailureKind::TooManyStates(self.most_states), &origins, number));
            }
        }
        if let Some(stuck) = first_without_end(&ends, &mut edges, origins.len()) {
            return Err(self.failure(FailureKind::Livelock, &origins, stuck));
        }
        let depth = origins.iter().map(|origin| origin.depth).max().unwrap_or(0);
        Ok(Report { states: origins.len(), ends: ends.len(), depth })
    }

    /// Walks at random, for models with too many states. The seed determines the walks and is part of a failure's
    /// trace.
    ///
    /// # Errors
    ///
    /// What is wrong, with the way there. A walk that is longer than `most_steps` counts as a livelock.
    pub fn walk(
        &self,
        seed: u64,
        walks: usize,
        most_steps: usize,
        invariant: impl Fn(&State<W>) -> Verdict,
        at_end: impl Fn(&State<W>) -> Verdict,
    ) -> Result<Report, Failure> {
        let mut random = SplitMix::new(seed);
        let mut report = Report::default();
        for walk in 0..walks {
            let (mut state, mut path) = (self.start.clone(), Vec::new());
            let failure = |kind, path: &[Move]| {
                let mut failure = self.replay(kind, path.iter().copied());
                failure.trace.insert(0, format!("(walk {walk} of seed {seed})"));
                failure
            };
            loop {
                let moves = state.moves(&self.bounds);
                self.judge(&state, &moves, &invariant, &at_end).map_err(|kind| failure(kind, &path))?;
                if is_end(&moves) {
                    break;
                }
                if path.len() == most_steps {
                    return Err(failure(FailureKind::Livelock, &path));
                }
                let by = moves[usize::try_from(random.below(moves.len() as u64)).expect("an index")];
                state.make(by, &self.bounds, &mut |_| ());
                path.push(by);
            }
            report.states += path.len();
            report.ends += 1;
            report.depth = report.depth.max(path.len());
        }
        Ok(report)
    }

    fn judge(
        &self,
        state: &State<W>,
        moves: &[Move],
        invariant: impl Fn(&State<W>) -> Verdict,
        at_end: impl Fn(&State<W>) -> Verdict,
    ) -> Result<(), FailureKind> {
        invariant(state).map_err(FailureKind::Invariant)?;
        if !is_end(moves) {
            return Ok(());
        }
        if !state.workers().all(Worker::done) {
            return Err(FailureKind::Deadlock);
        }
        at_end(state).map_err(FailureKind::End)
    }

    fn failure(&self, kind: FailureKind, origins: &[Origin], mut number: usize) -> Failure {
        let mut path = Vec::new();
        while number != 0 {
            path.push(origins[number].by);
            number = origins[number].parent;
        }
        self.replay(kind, path.into_iter().rev())
    }

    fn replay(&self, kind: FailureKind, path: impl Iterator<Item = Move>) -> Failure {
        let (mut state, mut trace) = (self.start.clone(), Vec::new());
        for by in path {
            state.make(by, &self.bounds, &mut |line| trace.push(line));
        }
        let workers = state.workers().map(|worker| format!("{worker:?}")).collect();
        Failure { kind, trace, workers }
    }
}

/// Crashes are no progress: where nothing else can move, it is over.
fn is_end(moves: &[Move]) -> bool {
    moves.iter().all(|by| matches!(by, Move::Crash { .. }))
}

/// The first state from which no end can be reached.
fn first_without_end(ends: &[usize], edges: &mut [(usize, usize)], states: usize) -> Option<usize> {
    edges.sort_unstable();
    let mut open: Vec<usize> = ends.to_vec();
    let mut reaching: BTreeSet<usize> = ends.iter().copied().collect();
    while let Some(target) = open.pop() {
        let from = edges.partition_point(|(to, _)| *to < target);
        for (_, source) in edges[from..].iter().take_while(|(to, _)| *to == target) {
            if reaching.insert(*source) {
                open.push(*source);
            }
        }
    }
    (0..states).find(|state| !reaching.contains(state))
}

fn digest<W: Worker>(state: &State<W>) -> u128 {
    let mut hasher = SipHasher13::new();
    state.hash(&mut hasher);
    hasher.finish128().as_u128()
}
