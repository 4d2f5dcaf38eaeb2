//! What is stored of an answer, and what goes because of one.

use crate::ResponseCache;
use crate::metrics::{DRAINING, PURGED, STORE, TOO_LARGE};
use crate::storage::Wanted;
use crate::stream::{Asked, Lead, NewAnswer};
use ballast_core::random::Random;
use ballast_core::response_cache::codec::Codec;
use ballast_core::response_cache::fleet::Item;
use ballast_core::response_cache::head::Sealed;
use ballast_core::response_cache::key::variant_of;
use ballast_core::response_cache::rules::{Fields, Line, Plan, Stored, Tags, invalidates};
use ballast_core::response_cache::store::{New, NotStored, Object, Outcome, Target};
use ballast_core::slots::Secret;
use ballast_core::time::MonoTime;
use ballast_host::{Cx, Host, HostRandom};
use core::time::Duration;
use std::borrow::Cow;

/// For how long what can be validated is kept after its last use without validation.
const KEPT_FOR_VALIDATION: Duration = Duration::from_secs(24 * 60 * 60);
/// What headers and keys take of the largest object, generously: the rest is for the body.
const HEAD_BYTES: usize = 512;

impl ResponseCache {
    /// The longest body that is collected.
    pub(crate) fn most_body(&self) -> usize {
        usize::try_from(self.storage.shape.most_object()).unwrap_or(usize::MAX).saturating_sub(HEAD_BYTES)
    }

    pub(crate) const fn uncacheable(&self) -> Outcome {
        Outcome::Uncacheable { remember: crate::UNCACHEABLE_FOR }
    }

    /// What is to be stored of an answer, but for its body. `None`: it has more than can be found again.
    pub(crate) fn new_answer<H: Host>(
        &self,
        asked: &Asked,
        plan: Plan<'_>,
        length: u64,
        cx: &mut Cx<'_, H>,
    ) -> Option<NewAnswer> {
        let secret = cx.secret()?;
        // What varies by nothing asks nothing of the request.
        let lines = if plan.vary.is_empty() { Vec::new() } else { asked.lines() };
        let variant = variant_of(Fields::new(&lines), &asked.wanted.target, &plan.vary)?;
        let jitter = self.config.rules.get(asked.rule).map_or_else(Default::default, |rule| rule.ttl_jitter);
        let bits = if jitter == Default::default() { 0 } else { HostRandom(cx.host).next_u64() };
        let stored = plan.stored.jittered(jitter, bits);
        let lines: Vec<Line<'_>> = plan.fields.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let dead_at = dead_at(&stored, plan.has_validator);
        let tags = fingerprints(Fields::new(&lines), &asked.wanted, &secret);
        let head = Sealed::new(&stored, length, lines.into_iter());
        let received = stored.received;
        Some(NewAnswer { head, received, dead_at, variant, tags, may_transform: plan.may_transform })
    }

    /// Stores an answer with its whole body, whose end has come `now`, and lets those go on that wait for it.
    pub(crate) fn store<H: Host>(
        &mut self,
        asked: &Asked,
        new: NewAnswer,
        body: Cow<'_, [u8]>,
        now: MonoTime,
        lead: &mut Lead,
        cx: &mut Cx<'_, H>,
    ) {
        if self.config.stop_when.stores_nothing(cx.facts()) {
            self.count(asked, |metrics| metrics.refused(DRAINING));
            return self.end_flight(lead, Outcome::Released, cx);
        }
        let NewAnswer { head, dead_at, variant, tags, may_transform, .. } = new;
        let compress = self.config.store.compress.as_ref();
        let packed = match compress.and_then(|_| head.head()) {
            Some(head) => {
                let lines = head.lines();
                let fields = Fields::new(&lines);
                let is_encoded = fields.has("content-encoding");
                match Codec::pack(&body, compress, fields.get("content-type"), is_encoded, !may_transform) {
                    (Codec::Plain, _) => None,
                    (codec, packed) => Some((codec, packed.into_owned())),
                }
            }
            None => None,
        };
        let Some(head) = head.finish(u64::try_from(body.len()).unwrap_or(u64::MAX)) else {
            self.count(asked, |metrics| metrics.refused(TOO_LARGE));
            return self.end_flight(lead, self.uncacheable(), cx);
        };
        // What is for the other proxies, too.
        let is_shared = lead.duty.knowledge.is_some();
        let shared =
            if is_shared { (head.clone(), variant.clone(), body.to_vec()) } else { Default::default() };
        let (codec, body) = packed.unwrap_or_else(|| (Codec::Plain, body.into_owned()));
        let object =
            Object { key: asked.wanted.primary.clone(), variant, head, codec: codec.to_wire(), body };
        let entry = New {
            key: asked.wanted.key,
            object,
            url: &asked.wanted.target.url,
            tags: &tags,
            dead_at,
            ticket: lead.ticket,
        };
        match self.storage.put(entry, lead.leadership, now, cx) {
            Ok(stored) => {
                self.count(asked, |metrics| metrics.stored.one());
                self.fruitless.forget(asked.wanted.key);
                let (head, variant, body) = &shared;
                self.fill(asked, (head, variant, may_transform), body, lead, cx);
                if let (Some(leadership), Some(finished)) = (lead.leadership.take(), stored.finished) {
                    self.land(leadership, finished, cx);
                }
            }
            Err(why) => {
                let (reason, outcome) = match why {
                    NotStored::TooLarge | NotStored::Unfit(_) => (TOO_LARGE, self.uncacheable()),
                    NotStored::Purged => (PURGED, Outcome::Released),
                    NotStored::Damaged | NotStored::Unfinished(_) => (STORE, Outcome::Released),
                };
                self.count(asked, |metrics| metrics.refused(reason));
                self.end_flight(lead, outcome, cx);
            }
        }
    }

    /// What a request is for must not be used again.
    pub(crate) fn drop_key<H: Host>(&mut self, asked: &Asked, cx: &mut Cx<'_, H>) {
        self.drop_url(&asked.wanted, cx);
    }

    /// Drops all answers of a URL.
    pub(crate) fn drop_url<H: Host>(&mut self, wanted: &Wanted, cx: &mut Cx<'_, H>) -> Option<u64> {
        let secret = cx.secret()?;
        // What cannot be told to others is done here all the same.
        if self.tell_fleet(vec![Item::Url(wanted.target.url.clone())], false, cx).is_none() {
            self.storage.metrics.errors.add(cx.host, 1);
        }
        self.drop_here(wanted, &secret, cx)
    }

    fn drop_here<H: Host>(&mut self, wanted: &Wanted, secret: &Secret, cx: &mut Cx<'_, H>) -> Option<u64> {
        // Where more than the URL is part of the key, only a tag finds all.
        let target = if wanted.target.is_split() {
            Target::Tags(vec![wanted.url_tag(secret)])
        } else {
            Target::Key(wanted.key)
        };
        self.storage.purge(target, false, cx.host.now(), cx)
    }

    /// An unsafe request was answered: what it may have changed goes.
    pub(crate) fn invalidate<H: Host>(
        &mut self,
        asked: &Asked,
        status: u16,
        response: Fields<'_>,
        cx: &mut Cx<'_, H>,
    ) {
        let (Some(rule), Some(policy)) = (self.config.rules.get(asked.rule), self.policies.get(asked.rule))
        else {
            return;
        };
        let Some(secret) = cx.secret() else { return };
        let lines = asked.lines();
        let fields = Fields::new(&lines);
        let request = asked.request(&lines, policy);
        let found = invalidates(&request, status, response, policy);
        let mut gone = Vec::new();
        for path in &found.paths {
            let target = asked.wanted.target.at(fields, &rule.key, path);
            gone.push(Wanted::new(target, &secret));
        }
        let origin = asked.wanted.target.origin().to_vec();
        let tags: Vec<_> =
            found.groups.iter().map(|group| group_tag(&origin, group.as_bytes(), &secret)).collect();
        if self.remote.is_some() {
            let urls = gone.iter().map(|wanted| Item::Url(wanted.target.url.clone()));
            let groups =
                found.groups.iter().map(|group| Item::Group(origin.clone(), group.as_bytes().to_vec()));
            let items = urls.chain(groups).collect();
            // What cannot be told to others is done here all the same: nobody waits for an answer to this.
            if self.tell_fleet(items, false, cx).is_none() {
                self.storage.metrics.errors.add(cx.host, 1);
            }
        }
        for wanted in &gone {
            self.count(asked, |metrics| metrics.invalidated.add(cx.host, 1));
            self.drop_here(wanted, &secret, cx);
        }
        if !tags.is_empty() {
            self.storage.purge(Target::Tags(tags), false, cx.host.now(), cx);
        }
    }
}

/// Until when an answer is of any use.
pub(crate) fn dead_at(stored: &Stored, has_validator: bool) -> MonoTime {
    let useful = stored.useful_until();
    if has_validator { useful.after(KEPT_FOR_VALIDATION) } else { useful }
}

/// The tags and groups of an answer, hashed.
pub(crate) fn fingerprints(
    response: Fields<'_>,
    wanted: &Wanted,
    secret: &Secret,
) -> Vec<ballast_core::slots::Fingerprint> {
    let Tags { tags, groups } = Tags::of(response);
    let mut found: Vec<_> = tags.iter().map(|tag| secret.fingerprint("tag", tag)).collect();
    if !groups.is_empty() {
        let origin = wanted.target.origin();
        found.extend(groups.iter().map(|group| group_tag(origin, group.as_bytes(), secret)));
    }
    if wanted.target.is_split() {
        found.push(wanted.url_tag(secret));
    }
    found
}

/// A group belongs to its origin (RFC 9875, section 2).
pub(crate) fn group_tag(origin: &[u8], group: &[u8], secret: &Secret) -> ballast_core::slots::Fingerprint {
    let material = [origin, b"\0", group].concat();
    secret.fingerprint("group", &material)
}
