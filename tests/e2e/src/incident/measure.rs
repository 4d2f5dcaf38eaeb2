//! What an incident came to: second by second, and in all.

use super::{Kind, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What came of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) due: Duration,
    pub(super) kind: Kind,
    /// Answered well before the client left.
    pub(super) good: bool,
    pub(super) status: Option<u16>,
}

/// Envoy's numbers at the end of a second.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) second: u32,
    pub(super) stats: BTreeMap<String, u64>,
}

/// All that was seen.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) seen: Vec<Seen>,
    pub(super) looks: Vec<Look>,
    /// When an attempt was seen at the shop, its request, and its number among that one's attempts.
    pub(super) arrived: Vec<(Duration, String, String)>,
}

/// One second of an incident.
#[derive(Clone, Copy, Debug, Default)]
pub struct Second {
    /// Which, from the begin.
    pub number: u32,
    /// What the shop is like: calm, slow, dead or well.
    pub phase: &'static str,
    /// Requests that were due.
    pub sent: u64,
    /// Those that were answered well.
    pub good: u64,
    /// Critical ones that were due.
    pub critical_sent: u64,
    /// Critical ones that were answered well.
    pub critical_good: u64,
    /// Answered 429.
    pub limited: u64,
    /// Answered from the cache although stale.
    pub stale: u64,
    /// Refused by load shedding.
    pub shed: u64,
    /// Refused by the breaker; some of them got a stale answer after all.
    pub left_alone: u64,
    /// First attempts that reached the shop.
    pub first_attempts: u64,
    /// Further ones.
    pub retries: u64,
    /// The overload level at its end.
    pub level: u64,
    /// Whether the breaker was open or half-open at its end.
    pub open: bool,
}

/// What an incident came to.
#[derive(Clone, Debug)]
pub struct Measures {
    /// Second by second.
    pub seconds: Vec<Second>,
    /// Of all requests from when the shop became slow to the end: the share answered well.
    pub goodput: f64,
    /// Of the critical ones in the same time.
    pub critical: f64,
    /// Attempts at the shop for each request that reached it, while it was slow or dead.
    pub amplification: f64,
    /// Stale answers that clients got.
    pub stale: u64,
    /// From when the shop was well again to the first second from which on all have 95% answered well; `None`: not in time.
    pub recovered_after: Option<u32>,
    /// The same for the overload level to be 0.
    pub level_zero_after: Option<u32>,
}

impl Measures {
    pub(super) fn of(plan: Plan, recorded: &Recorded) -> Self {
        let [slow, dead, well] = plan.turns().map(|turn| turn.as_secs() as u32);
        let end = plan.whole().as_secs() as u32;
        let seconds: Vec<Second> = (0..end)
            .map(|number| {
                let phase = match number {
                    _ if number < slow => "calm",
                    _ if number < dead => "slow",
                    _ if number < well => "dead",
                    _ => "well",
                };
                second(number, phase, recorded)
            })
            .collect();
        let share = |part: fn(&Second) -> u64, whole: fn(&Second) -> u64| {
            let sum = |of: fn(&Second) -> u64| seconds.iter().skip(slow as usize).map(of).sum::<u64>() as f64;
            sum(part) / sum(whole)
        };
        let bad = |second: &Second| (second.good as f64) < 0.95 * second.sent as f64;
        let last = |holds: &dyn Fn(&Second) -> bool| {
            let last = seconds.iter().rev().find(|second| second.number >= well && holds(second));
            let after = last.map_or(0, |second| second.number + 1 - well);
            (after < end - well).then_some(after)
        };
        let during = |at: &Duration| (slow..well).contains(&(at.as_secs() as u32));
        let arrived = recorded.arrived.iter().filter(|(at, ..)| during(at));
        let requests: BTreeSet<&str> = arrived.clone().map(|(_, id, _)| id.as_str()).collect();
        Self {
            goodput: share(|second| second.good, |second| second.sent),
            critical: share(|second| second.critical_good, |second| second.critical_sent),
            amplification: arrived.count() as f64 / requests.len().max(1) as f64,
            stale: seconds.iter().map(|second| second.stale).sum(),
            recovered_after: last(&bad),
            level_zero_after: last(&|second| second.level > 0),
            seconds,
        }
    }
}

fn second(number: u32, phase: &'static str, recorded: &Recorded) -> Second {
    let within = |at: Duration| at.as_secs() == u64::from(number);
    let mut second = Second { number, phase, ..Second::default() };
    for seen in recorded.seen.iter().filter(|seen| within(seen.due)) {
        second.sent += 1;
        second.good += u64::from(seen.good);
        second.critical_sent += u64::from(seen.kind == Kind::Order);
        second.critical_good += u64::from(seen.kind == Kind::Order && seen.good);
        second.limited += u64::from(seen.status == Some(429));
    }
    for (_, _, attempt) in recorded.arrived.iter().filter(|(at, ..)| within(*at)) {
        // The first one may say nothing.
        let is_first = attempt.parse().unwrap_or(1) <= 1;
        second.first_attempts += u64::from(is_first);
        second.retries += u64::from(!is_first);
    }
    let sum = |at: u32, wanted: &dyn Fn(&str) -> bool| -> u64 {
        let look = recorded.looks.iter().find(|look| look.second == at);
        look.map_or(0, |look| {
            look.stats.iter().filter(|(name, _)| wanted(name)).map(|(_, value)| value).sum()
        })
    };
    let added = |wanted: &dyn Fn(&str) -> bool| {
        let before = number.checked_sub(1).map_or(0, |before| sum(before, wanted));
        sum(number, wanted).saturating_sub(before)
    };
    second.stale = added(&|name| name.contains("response_cache.hits") && name.contains("kind=stale"));
    second.shed = added(&|name| name.contains("load_shedding.rejected;"));
    second.left_alone = added(&|name| name.contains("circuit_breaker.refused;"));
    second.level = sum(number, &|name| name.contains("load_shedding.level;"));
    second.open = sum(number, &|name| name.contains("circuit_breaker.open;")) > 0;
    second
}
