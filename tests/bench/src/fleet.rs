//! A fleet of proxies under one limit, in virtual time.
//!
//! Every decision, lease, refusal and fallback is made by the functions that ship in the filter, down to the messages;
//! what is simulated is the clients, the way to the service and back, and the service, which counts in fixed windows.
//! A proxy is one worker: what several of them share is tested elsewhere.

mod proxy;
mod service;

use ballast_core::random::{Random, SplitMix};
use ballast_core::time::MonoTime;
use hdrhistogram::Histogram;
use proxy::{Does, Proxy};
use service::Service;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

pub use proxy::{Mode, TIMEOUT};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// How many proxies.
    pub proxies: u32,
    /// Requests a second, over all proxies.
    pub rate: u32,
    /// Whether proxies get equal shares of them; else proxy n gets one in proportion to 1/n.
    pub even: bool,
    /// What the limit allows in a window, over all proxies.
    pub limit: u32,
    /// How long a window is.
    pub window: Duration,
    /// How the service is asked.
    pub mode: Mode,
    /// Whether the service counts what it refuses, as the reference implementation does.
    pub counts_refused: bool,
    /// When the service does not answer: from, to.
    pub outage: Option<(Duration, Duration)>,
    /// How long it goes on.
    pub length: Duration,
    /// The seed of all chance.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The most that passed in a window beyond the limit, as a share of it. What was decided locally does not count.
    pub overshoot: f64,
    /// What passed of what the limit allowed, where demand was larger, outside of the outage.
    pub used: f64,
    /// The same of the first window, the only one of some scenarios.
    pub used_in_first: f64,
    /// Calls to the service for each second.
    pub calls_per_second: f64,
    /// How long requests waited for it, in microseconds.
    pub waits: Histogram<u64>,
    /// How old the service's last word was when a request was decided by it, in microseconds.
    pub ages: Histogram<u64>,
    /// What passed in the outage, as a share of what the limit allowed meanwhile.
    pub passed_in_outage: Option<f64>,
    /// From the outage's end to the first second in which nothing was decided locally any more.
    pub recovered_after: Option<Duration>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives { proxy: usize },
    Asked { proxy: usize, call: u64, message: Vec<u8> },
    Answered { proxy: usize, call: u64, message: Vec<u8> },
    GivesUp { proxy: usize, call: u64 },
    Ticks { proxy: usize },
}

/// Who decided a request, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    passes: bool,
    locally: bool,
    waited: Duration,
    /// How old the service's last word was.
    age: Duration,
}

/// What happens next, first things first; of equal times in the order in which they were planned.
#[derive(Default)]
struct Agenda {
    heap: BinaryHeap<Reverse<(MonoTime, u64, Event)>>,
    planned: u64,
}

impl Agenda {
    fn plan(&mut self, at: MonoTime, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned, event)));
    }
}

/// Begins at a full window, and not at the origin of the clock.
const BEGIN: MonoTime = MonoTime::from_millis(3_600_000);
const TICK: Duration = Duration::from_millis(100);

/// Runs a scenario.
#[must_use]
pub fn simulate(scenario: &Scenario) -> Outcome {
    let mut random = SplitMix::new(scenario.seed);
    let mut service = Service::new(scenario.limit, scenario.window, scenario.counts_refused);
    let share = scenario.limit / scenario.proxies;
    let mut proxies: Vec<Proxy> = (0..scenario.proxies)
        .map(|number| {
            Proxy::new(scenario.mode, (share.max(1), scenario.window), random.next_u64() ^ u64::from(number))
        })
        .collect();
    let weights: Vec<f64> = (0..scenario.proxies)
        .map(|number| if scenario.even { 1.0 } else { 1.0 / f64::from(number + 1) })
        .collect();
    let all: f64 = weights.iter().sum();
    let gaps: Vec<f64> = weights.iter().map(|weight| all / weight / f64::from(scenario.rate)).collect();
    let mut agenda = Agenda::default();
    for (proxy, between) in gaps.iter().enumerate() {
        agenda.plan(BEGIN.after(gap(*between, &mut random)), Event::Arrives { proxy });
        agenda.plan(BEGIN.after(random.span_below(TICK)), Event::Ticks { proxy });
    }
    let end = BEGIN.after(scenario.length);
    let is_out = |at: MonoTime| {
        scenario.outage.is_some_and(|(from, to)| at >= BEGIN.after(from) && at < BEGIN.after(to))
    };
    let mut tally = Tally::new(scenario);
    while let Some(Reverse((now, _, event))) = agenda.heap.pop() {
        if now >= end {
            break;
        }
        let (proxy, does) = match event {
            Event::Arrives { proxy } => {
                agenda.plan(now.after(gap(gaps[proxy], &mut random)), Event::Arrives { proxy });
                (proxy, proxies[proxy].arrives(now))
            }
            Event::Asked { proxy, call, message } => {
                if !is_out(now) {
                    let message = service.answer(&message, now);
                    agenda.plan(now.after(way(&mut random)), Event::Answered { proxy, call, message });
                }
                continue;
            }
            Event::Answered { proxy, call, message } => {
                (proxy, proxies[proxy].answered(call, Some(&message), now))
            }
            Event::GivesUp { proxy, call } => (proxy, proxies[proxy].answered(call, None, now)),
            Event::Ticks { proxy } => {
                agenda.plan(now.after(TICK), Event::Ticks { proxy });
                proxies[proxy].ticks(now);
                continue;
            }
        };
        for does in does {
            match does {
                Does::Decide(decided) => tally.count(&decided, now),
                Does::Call { call, message } => {
                    agenda.plan(now.after(way(&mut random)), Event::Asked { proxy, call, message });
                    agenda.plan(now.after(TIMEOUT), Event::GivesUp { proxy, call });
                }
            }
        }
    }
    tally.outcome(service.calls())
}

/// Until the next of requests that come by chance.
fn gap(mean_seconds: f64, random: &mut SplitMix) -> Duration {
    Duration::from_secs_f64(-mean_seconds * (1.0 - random.unit()).ln())
}

/// One way between a proxy and the service: half a millisecond, and by chance some more.
fn way(random: &mut SplitMix) -> Duration {
    Duration::from_micros(500) + gap(0.000_5, random)
}

/// What came of the requests, by window.
struct Tally {
    scenario: Scenario,
    /// By the service's word.
    passed: Vec<u64>,
    passed_locally: Vec<u64>,
    last_local: Option<MonoTime>,
    waits: Histogram<u64>,
    ages: Histogram<u64>,
}

impl Tally {
    fn new(scenario: &Scenario) -> Self {
        let windows =
            usize::try_from(scenario.length.as_nanos().div_ceil(scenario.window.as_nanos())).unwrap();
        let histogram = || Histogram::new(3).unwrap();
        Self {
            scenario: *scenario,
            passed: vec![0; windows],
            passed_locally: vec![0; windows],
            last_local: None,
            waits: histogram(),
            ages: histogram(),
        }
    }

    fn count(&mut self, decided: &Decided, now: MonoTime) {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap();
        let window = usize::try_from(now.since(BEGIN).as_nanos() / self.scenario.window.as_nanos()).unwrap();
        let passed = if decided.locally && !matches!(self.scenario.mode, Mode::Share) {
            &mut self.passed_locally
        } else {
            &mut self.passed
        };
        passed[window] += u64::from(decided.passes);
        self.waits.record(micros(decided.waited)).unwrap();
        if decided.locally {
            self.last_local = Some(now);
        } else {
            self.ages.record(micros(decided.age)).unwrap();
        }
    }

    fn outcome(self, calls: u64) -> Outcome {
        let Scenario { limit, window, outage, length, .. } = self.scenario;
        let of = |number: usize| {
            let from = window * u32::try_from(number).unwrap();
            (from, from + window)
        };
        let in_outage = |number: &usize| {
            let (from, to) = of(*number);
            outage.is_some_and(|(begin, end)| from < end && to > begin)
        };
        let limit = f64::from(limit);
        let most = self.passed.iter().max().copied().unwrap_or(0) as f64;
        // The first window is that of the start.
        let whole = |number: &usize| !in_outage(number) && *number > 0 && of(*number).1 <= length;
        let numbers: Vec<usize> = (0..self.passed.len()).filter(whole).collect();
        let used: u64 = numbers.iter().map(|number| self.passed[*number]).sum();
        let out: Vec<usize> = (0..self.passed.len()).filter(in_outage).collect();
        let passed_out: u64 =
            out.iter().map(|number| self.passed[*number] + self.passed_locally[*number]).sum();
        Outcome {
            overshoot: (most / limit - 1.0).max(0.0),
            used: used as f64 / (limit * numbers.len() as f64),
            used_in_first: self.passed[0] as f64 / limit,
            calls_per_second: calls as f64 / length.as_secs_f64(),
            waits: self.waits,
            ages: self.ages,
            passed_in_outage: outage.map(|_| passed_out as f64 / (limit * out.len() as f64)),
            recovered_after: outage.and_then(|(_, end)| Some(self.last_local?.since(BEGIN.after(end)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ballast_core::rate_limit::global::Lease;

    fn scenario(mode: Mode) -> Scenario {
        Scenario {
            proxies: 20,
            rate: 4_000,
            even: true,
            limit: 2_000,
            window: Duration::from_secs(1),
            mode,
            counts_refused: false,
            outage: None,
            length: Duration::from_secs(5),
            seed: 1,
        }
    }

    #[test]
    fn an_exact_fleet_uses_all_and_never_more() {
        let outcome = simulate(&scenario(Mode::Exact));
        assert!(outcome.overshoot < 0.005, "only what was under way at the end of a window: {outcome:?}");
        assert!(outcome.used > 0.99, "{outcome:?}");
        assert!(outcome.calls_per_second > 3_800.0, "{outcome:?}");
    }

    #[test]
    fn a_leasing_fleet_asks_less_and_never_uses_more() {
        let lease = Lease { size: 20, max_age: Duration::from_secs(1) };
        let outcome = simulate(&scenario(Mode::Leased(lease)));
        assert!(outcome.overshoot == 0.0, "{outcome:?}");
        assert!(outcome.used > 0.9, "{outcome:?}");
        assert!(outcome.calls_per_second < 1_500.0, "{outcome:?}");
        assert!(outcome.ages.max() <= 1_100_000, "{outcome:?}");
    }

    #[test]
    fn in_an_outage_each_proxy_has_its_share() {
        let outage = Some((Duration::from_secs(2), Duration::from_secs(3)));
        let outcome = simulate(&Scenario { outage, ..scenario(Mode::Exact) });
        let passed = outcome.passed_in_outage.unwrap();
        assert!((0.8..=2.1).contains(&passed), "a bucket may be full when it begins: {outcome:?}");
        assert!(outcome.recovered_after.unwrap() < Duration::from_secs(2), "{outcome:?}");
        assert!(outcome.waits.value_at_quantile(0.99) <= 21_000, "{outcome:?}");
    }
}
