//! What is written to the shared store, in calls of the root: those of a stream end with it.

use super::metrics::{DROPPED, FAILED, STORED, TOO_LARGE};
use super::{Lock, Remote};
use crate::ResponseCache;
use crate::stream::{Asked, Lead};
use ballast_core::remote::{Command, Said};
use ballast_core::response_cache::codec::Codec;
use ballast_core::response_cache::fleet::{
    Answer, Content, Knowledge, Record, base_key, lock_key, variant_key,
};
use ballast_core::response_cache::head::Head;
use ballast_core::response_cache::rules::{Fields, Now};
use ballast_core::response_cache::store::Outcome;
use ballast_core::time::{WallTime, nanos};
use ballast_host::{CallAnswer, CallToken, Cx, Heard, Host};
use core::time::Duration;
use std::collections::VecDeque;

/// How many are written at a time.
const MOST_AT_A_TIME: usize = 16;
/// How many wait for their turn, and how many bytes they have.
const MOST_QUEUED: usize = 256;
const MOST_QUEUED_BYTES: usize = 16 << 20;
/// How long one write may take.
const WITHIN: Duration = Duration::from_secs(1);
/// What answers vary by is kept for so long after the last of them.
const VARIES_FOR: Duration = Duration::from_secs(60 * 60);
/// For so long nobody waits for an answer that was found not to be shared.
const UNCACHEABLE_FOR: Duration = Duration::from_secs(10);
/// What is of use for less is not worth its way.
const SHORTEST: Duration = Duration::from_secs(1);

/// Writes that come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Job {
    steps: VecDeque<Step>,
}

#[derive(Debug)]
enum Step {
    Put { key: String, value: Vec<u8>, keep: Duration },
    Unlock { key: String, token: u64 },
}

impl Step {
    fn command(&self) -> Command<'_> {
        match self {
            Self::Put { key, value, keep } => Command::Put { key, value, keep: Some(*keep) },
            Self::Unlock { key, token } => Command::Unlock { key, token: *token },
        }
    }

    const fn bytes(&self) -> usize {
        match self {
            Self::Put { value, .. } => value.len(),
            Self::Unlock { .. } => 0,
        }
    }
}

impl Job {
    fn unlocking(lock: &Lock) -> Step {
        Step::Unlock { key: lock_key(&lock.base), token: lock.token }
    }

    fn bytes(&self) -> usize {
        self.steps.iter().map(Step::bytes).sum()
    }
}

impl ResponseCache {
    /// Gives a lock back.
    pub(super) fn unlock<H: Host>(&mut self, lock: Option<Lock>, cx: &mut Cx<'_, H>) {
        if let (Some(remote), Some(lock)) = (&mut self.remote, lock) {
            let steps = VecDeque::from([Job::unlocking(&lock)]);
            remote.enqueue(Job { steps }, cx);
        }
    }

    /// A fetch is over without an answer that is stored: those of other proxies that wait for it go on.
    pub(crate) fn end_duty<H: Host>(&mut self, lead: &mut Lead, outcome: Outcome, cx: &mut Cx<'_, H>) {
        let duty = core::mem::take(&mut lead.duty);
        let (Some(remote), Some(lock)) = (&mut self.remote, duty.lock) else { return };
        let mut steps = VecDeque::new();
        if let (Outcome::Uncacheable { .. }, Some(knowledge)) = (outcome, duty.knowledge) {
            let (now, keep) = (crate::clocks::read(cx.host), UNCACHEABLE_FOR);
            let value = record(&lock.primary, &knowledge, now, keep, Content::Uncacheable);
            steps.push_back(Step::Put { key: lock.base.clone(), value, keep });
        }
        steps.push_back(Job::unlocking(&lock));
        remote.enqueue(Job { steps }, cx);
    }

    /// An answer was stored: it is for the other proxies, too.
    pub(crate) fn fill<H: Host>(
        &mut self,
        asked: &Asked,
        (head, variant, may_transform): (&[u8], &[u8], bool),
        body: &[u8],
        lead: &mut Lead,
        cx: &mut Cx<'_, H>,
    ) {
        let duty = core::mem::take(&mut lead.duty);
        let Some(remote) = &mut self.remote else { return };
        let mut steps = VecDeque::new();
        if let (Some(knowledge), Some(head)) = (&duty.knowledge, Head::decode(head)) {
            remote.fill(asked, (&head, variant, may_transform), body, knowledge, &mut steps, cx);
        }
        steps.extend(duty.lock.as_ref().map(Job::unlocking));
        if !steps.is_empty() {
            remote.enqueue(Job { steps }, cx);
        }
    }

    /// Writes what waits for it.
    pub(crate) fn write<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(remote) = &mut self.remote else { return };
        while remote.writing.len() < MOST_AT_A_TIME
            && let Some(job) = remote.jobs.pop_front()
        {
            remote.queued_bytes = remote.queued_bytes.saturating_sub(job.bytes());
            remote.begin(job, cx);
        }
    }

    /// Whether this answer is to something that was written.
    pub(crate) fn wrote<H: Host>(
        &mut self,
        call: CallToken,
        answer: CallAnswer,
        cx: &mut Cx<'_, H>,
    ) -> Option<CallAnswer> {
        let Some(remote) = &mut self.remote else { return Some(answer) };
        let Some(mut job) = remote.writing.remove(&call) else { return Some(answer) };
        let heard = Heard::from(answer);
        if let Some(step) = job.steps.pop_front() {
            let said = remote.said(&step.command(), &heard, cx);
            if let Step::Put { .. } = step {
                remote.metrics.fills.add(cx.host, if said == Said::Failed { FAILED } else { STORED });
            }
        }
        remote.begin(job, cx);
        self.write(cx);
        None
    }
}

impl Remote {
    /// The records of an answer: itself, and what answers vary by.
    fn fill<H: Host>(
        &self,
        asked: &Asked,
        (head, variant, may_transform): (&Head<'_>, &[u8], bool),
        body: &[u8],
        knowledge: &Knowledge,
        steps: &mut VecDeque<Step>,
        cx: &Cx<'_, H>,
    ) {
        let now = crate::clocks::read(cx.host);
        let keep = head.stored.useful_until().since(now.mono);
        if head.stored.parts.is_some() || head.stored.always_validate || keep < SHORTEST {
            return;
        }
        let mut aged = head.clone();
        aged.stored.initial_age = head.stored.age(now);
        aged.stored.received = Default::default();
        let lines = head.lines();
        let fields = Fields::new(&lines);
        let is_encoded = fields.get("content-encoding").is_some();
        let kind = fields.get("content-type");
        let (codec, packed) =
            Codec::pack(body, self.config.compress.as_ref(), kind, is_encoded, !may_transform);
        let Some(encoded) = aged.encode() else { return };
        let (primary, overrides) = (&asked.wanted.primary, &asked.wanted.target.overrides);
        let content =
            Content::Answer(Answer { variant, head: &encoded, codec: codec.to_wire(), body: &packed });
        let value = record(primary, knowledge, now, keep, content);
        if u64::try_from(value.len()).unwrap_or(u64::MAX) > self.config.max_object {
            self.metrics.fills.add(cx.host, TOO_LARGE);
            return;
        }
        let vary = head.vary();
        if vary.is_empty() {
            return steps.push_back(Step::Put { key: base_key(primary, overrides), value, keep });
        }
        steps.push_back(Step::Put { key: variant_key(primary, variant), value, keep });
        let keep = keep.max(VARIES_FOR);
        let names = vary.names().iter().map(String::as_str).collect();
        let value = record(primary, knowledge, now, keep, Content::Varies(names));
        steps.push_back(Step::Put { key: base_key(primary, overrides), value, keep });
    }

    /// Has a job done soon, from a callback of the root.
    fn enqueue<H: Host>(&mut self, job: Job, cx: &mut Cx<'_, H>) {
        self.queued_bytes += job.bytes();
        self.jobs.push_back(job);
        while self.jobs.len() > MOST_QUEUED || self.queued_bytes > MOST_QUEUED_BYTES {
            // Its lock ends by itself.
            let Some(job) = self.jobs.pop_front() else { break };
            self.queued_bytes = self.queued_bytes.saturating_sub(job.bytes());
            self.metrics.fills.add(cx.host, DROPPED);
        }
        if let Some(me) = cx.member() {
            cx.nudge(me);
        }
    }

    fn begin<H: Host>(&mut self, mut job: Job, cx: &mut Cx<'_, H>) {
        while let Some(step) = job.steps.front() {
            if self.store.allows(cx)
                && let Ok(token) = self.call(&step.command(), WITHIN, cx)
            {
                self.writing.insert(token, job);
                return;
            }
            if matches!(step, Step::Put { .. }) {
                self.metrics.fills.add(cx.host, DROPPED);
            }
            job.steps.pop_front();
        }
    }
}

fn record(primary: &[u8], knowledge: &Knowledge, now: Now, keep: Duration, content: Content<'_>) -> Vec<u8> {
    let until = now.wall.as_unix_nanos().saturating_add(nanos(keep));
    let record = Record {
        written: now.wall,
        useful_until: WallTime::from_unix_nanos(until),
        as_of: knowledge.as_of,
        also: knowledge.also.clone(),
        primary,
        content,
    };
    record.encode()
}
