//! Purges of the whole fleet: one worker of each process reads the log and adds to it.

use super::metrics::{DAMAGED, RECEIVED, SENT};
use super::{BOARD, Remote};
use crate::ResponseCache;
use crate::storage::Wanted;
use crate::storing::group_tag;
use ballast_core::remote::{Command, Said};
use ballast_core::response_cache::fleet::{AddOwn, Applied, Entry, Item, LOG_KEY, Learn, Learned, Log};
use ballast_core::response_cache::key::Target;
use ballast_core::response_cache::store::Target as Purged;
use ballast_core::rewrite::{Edit, Rewrite};
use ballast_core::slots::Secret;
use ballast_core::time::MonoTime;
use ballast_host::{CallAnswer, CallToken, Cx, Heard, Host, LogLevel};
use core::time::Duration;

/// The lease of whoever does it.
const LEASE: &str = "remote";
/// Within this another does it if that one is gone.
const TERM: Duration = Duration::from_secs(3);
/// How long one look at the log may take.
const WITHIN: Duration = Duration::from_millis(500);

/// How far the worker is.
#[derive(Debug, Default)]
pub(super) struct Syncing {
    /// When the log is to be read next.
    next: MonoTime,
    /// The tag of the log as it was read. Not of objects: some stores make it of time and size, which two writes can share.
    tag: Option<String>,
    /// The last call failed: what waits to be told waits for the interval.
    is_failing: bool,
    under_way: Option<(CallToken, Doing)>,
}

#[derive(Debug)]
enum Doing {
    Reading { began: MonoTime },
    Adding { count: usize },
}

impl ResponseCache {
    /// Tells the fleet of a purge, before the process's own answers are dropped. `None`: the board cannot be written, and
    /// nothing may be said to be purged.
    pub(crate) fn tell_fleet<H: Host>(
        &mut self,
        items: Vec<Item>,
        soft: bool,
        cx: &mut Cx<'_, H>,
    ) -> Option<()> {
        if self.remote.is_none() || items.is_empty() {
            return Some(());
        }
        let seconds = cx.host.wall_time().as_unix_nanos() / 1_000_000_000;
        let entry = Entry::purge(cx.host.random(), seconds, soft, items);
        edit_board(AddOwn(entry), cx)
    }

    /// Keeps up with the log of purges.
    pub(crate) fn sync<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(remote) = &mut self.remote else { return };
        if cx.lease(LEASE, TERM).is_none() {
            // Whoever had it may have read another log since.
            remote.syncing.tag = None;
            return;
        }
        let now = cx.host.now();
        let is_due = remote.syncing.next <= now || (!remote.syncing.is_failing && remote.has_news(cx));
        if remote.syncing.under_way.is_some() || !is_due {
            return;
        }
        // Until it is answered.
        remote.syncing.is_failing = true;
        let interval = remote.config.sync_interval / 2;
        remote.syncing.next = now.after(interval);
        let tag = remote.syncing.tag.clone();
        let command = Command::Get { key: LOG_KEY, unless: tag.as_deref() };
        if let Ok(call) = remote.call(&command, WITHIN.max(remote.config.timeout), cx) {
            remote.syncing.under_way = Some((call, Doing::Reading { began: now }));
        }
    }

    /// Whether this answer is about the log.
    pub(crate) fn synced<H: Host>(
        &mut self,
        call: CallToken,
        answer: CallAnswer,
        cx: &mut Cx<'_, H>,
    ) -> Option<CallAnswer> {
        let Some(remote) = &mut self.remote else { return Some(answer) };
        let Some((_, doing)) = remote.syncing.under_way.take_if(|(known, _)| *known == call) else {
            return Some(answer);
        };
        let (heard, now) = (Heard::from(answer), cx.host.now());
        match doing {
            Doing::Adding { count } => {
                let command = Command::Append { key: LOG_KEY, value: b"" };
                if remote.said(&command, &heard, cx) != Said::Failed {
                    (0..count).for_each(|_| remote.metrics.purges.add(cx.host, SENT));
                    // What was added is seen at once.
                    (remote.syncing.next, remote.syncing.is_failing) = (now, false);
                }
            }
            Doing::Reading { began } => {
                let command = Command::Get { key: LOG_KEY, unless: None };
                let read = match remote.said(&command, &heard, cx) {
                    Said::Value(bytes, tag) => {
                        let is_versioned = remote.store.store().can_append();
                        remote.syncing.tag = tag.filter(|_| is_versioned).map(str::to_owned);
                        match Log::decode(bytes) {
                            Some(log) => Some(log),
                            None => {
                                self.begin_log_anew(cx);
                                return None;
                            }
                        }
                    }
                    Said::Absent => {
                        remote.syncing.tag = None;
                        Some(Log::default())
                    }
                    Said::Unchanged => None,
                    Said::Done | Said::Taken | Said::Failed => return None,
                };
                remote.syncing.is_failing = false;
                self.learn(read, began, cx);
            }
        }
        None
    }

    /// What lies where the log should is none: purges are lost, so everything is purged.
    fn begin_log_anew<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(remote) = &mut self.remote else { return };
        remote.metrics.purges.add(cx.host, DAMAGED);
        cx.log(LogLevel::Warn, "the log of purges in the shared store cannot be read: everything is purged");
        let seconds = cx.host.wall_time().as_unix_nanos() / 1_000_000_000;
        let purge = Entry::purge(cx.host.random(), seconds, false, vec![Item::All]);
        let log = Log { entries: vec![Entry::beginning(cx.host.random(), seconds), purge] };
        remote.add(&Command::Put { key: LOG_KEY, value: &log.encode(), keep: None }, 1, cx);
    }

    fn learn<H: Host>(&mut self, log: Option<Log>, began: MonoTime, cx: &mut Cx<'_, H>) {
        let wall = cx.host.wall_time();
        let learn = Learn { log: log.clone(), now: began, wall, bits: cx.host.random() };
        let Some(Learned { to_add, to_apply }) = edit_board(learn, cx) else { return };
        self.apply(&to_apply, cx);
        let Some(remote) = &mut self.remote else { return };
        remote.metrics.synced.add(cx.host, 1);
        let seconds = wall.as_unix_nanos() / 1_000_000_000;
        let count = to_add.len();
        let mut added = Log { entries: to_add };
        match log {
            // A new log.
            Some(log) if log.entries.is_empty() => {
                added.entries.insert(0, Entry::beginning(cx.host.random(), seconds));
            }
            Some(mut whole) if whole.is_long() => {
                whole.entries.append(&mut added.entries);
                whole.trim();
                let command = Command::Put { key: LOG_KEY, value: &whole.encode(), keep: None };
                return remote.add(&command, count, cx);
            }
            // An object is written whole.
            Some(mut whole) if !remote.store.store().can_append() && count > 0 => {
                whole.entries.append(&mut added.entries);
                let command = Command::Put { key: LOG_KEY, value: &whole.encode(), keep: None };
                return remote.add(&command, count, cx);
            }
            _ => {}
        }
        if !added.entries.is_empty() {
            remote.add(&Command::Append { key: LOG_KEY, value: &added.encode() }, count, cx);
        }
    }

    /// Does to the process's own answers what others have purged.
    fn apply<H: Host>(&mut self, entries: &[Entry], cx: &mut Cx<'_, H>) {
        if entries.is_empty() {
            return;
        }
        let Some(secret) = cx.secret() else { return };
        for soft in [false, true] {
            let items = entries.iter().filter(|entry| entry.soft == soft).flat_map(|entry| &entry.items);
            let items: Vec<&Item> = items.collect();
            if !self.apply_items(&items, soft, &secret, cx) {
                // It is tried again.
                return;
            }
        }
        if let Some(remote) = &self.remote {
            entries.iter().for_each(|_| remote.metrics.purges.add(cx.host, RECEIVED));
        }
        edit_board(Applied(entries.iter().map(|entry| entry.id).collect()), cx);
    }

    fn apply_items<H: Host>(
        &mut self,
        items: &[&Item],
        soft: bool,
        secret: &Secret,
        cx: &mut Cx<'_, H>,
    ) -> bool {
        let now = cx.host.now();
        if items.iter().any(|item| **item == Item::All) {
            return self.storage.purge(Purged::All, soft, now, cx).is_some();
        }
        let is_split = self.config.rules.iter().any(|rule| rule.key.is_split() || rule.methods.post);
        let mut tags = Vec::new();
        let mut done = true;
        for item in items {
            match item {
                Item::All => {}
                Item::Tag(tag) => tags.push(secret.fingerprint("tag", tag)),
                Item::Group(origin, name) => tags.push(group_tag(origin, name, secret)),
                Item::Prefix(prefix) => {
                    done &= self.storage.purge(Purged::Prefix(prefix.clone()), soft, now, cx).is_some();
                }
                Item::Url(url) => {
                    let target = Target { url: url.clone(), ..Target::default() };
                    let wanted = Wanted::new(target, secret);
                    tags.extend(is_split.then(|| wanted.url_tag(secret)));
                    done &= self.storage.purge(Purged::Key(wanted.key), soft, now, cx).is_some();
                }
            }
        }
        done && (tags.is_empty() || self.storage.purge(Purged::Tags(tags), soft, now, cx).is_some())
    }
}

impl Remote {
    /// Whether this process has purged something that was not sent yet.
    fn has_news<H: Host>(&mut self, cx: &Cx<'_, H>) -> bool {
        self.read_board(cx).is_some_and(|board| board.own.iter().any(|own| !own.is_sent))
    }

    fn add<H: Host>(&mut self, command: &Command<'_>, count: usize, cx: &mut Cx<'_, H>) {
        if let Ok(call) = self.call(command, WITHIN.max(self.config.timeout), cx) {
            self.syncing.under_way = Some((call, Doing::Adding { count }));
        }
    }
}

fn edit_board<E: Edit, H: Host>(edit: E, cx: &mut Cx<'_, H>) -> Option<E::Output> {
    cx.run(&mut Rewrite::new(BOARD, edit)).ok()
}
