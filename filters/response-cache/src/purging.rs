//! Requests that have what is stored dropped.

use crate::ResponseCache;
use crate::storage::Wanted;
use crate::storing::group_tag;
use ballast_core::matching::Request as _;
use ballast_core::response_cache::fleet::Item;
use ballast_core::response_cache::key::Target;
use ballast_core::response_cache::purge::{Ask, Refused, Target as Asked, ask};
use ballast_core::response_cache::rules::{Fields, Line};
use ballast_core::response_cache::store::Target as Purged;
use ballast_host::{Cx, Flow, Host, Reply, RequestView};

/// The fields that make a URL.
const URL: [&str; 3] = [":scheme", ":authority", ":path"];

impl ResponseCache {
    /// Answers a purge, if the request is one.
    pub(crate) fn purge<H: Host>(&mut self, view: &RequestView<'_, H>, cx: &mut Cx<'_, H>) -> Option<Flow> {
        let purge = self.config.purge.as_ref()?;
        if view.header(":method")?.as_ref() != purge.method.as_bytes() {
            return None;
        }
        let token = self.token.as_deref();
        let reply = match ask(purge, token, view) {
            Err(Refused::Forbidden) => {
                self.storage.metrics.purges_refused.add(cx.host, 1);
                reply(403, "forbidden", r#"{"error":"forbidden"}"#.to_owned())
            }
            Err(Refused::Malformed) => {
                self.storage.metrics.purges_refused.add(cx.host, 1);
                reply(400, "malformed", r#"{"error":"what is to be purged cannot be understood"}"#.to_owned())
            }
            Ok(asked) => match self.purge_requested(&asked, view, cx) {
                // Others do it within the interval; how much they drop is not known here.
                Some(count) if self.remote.is_some() => {
                    reply(200, "purged", format!(r#"{{"purged":{count},"fleet":"told"}}"#))
                }
                Some(count) => reply(200, "purged", format!(r#"{{"purged":{count}}}"#)),
                // Half of a purge is none: whoever asks must ask again.
                None => reply(
                    503,
                    "purge_failed",
                    r#"{"error":"the store does not answer: ask again"}"#.to_owned(),
                ),
            },
        };
        Some(Flow::Reply(Box::new(reply)))
    }

    fn purge_requested<H: Host>(
        &mut self,
        asked: &Ask,
        view: &RequestView<'_, H>,
        cx: &mut Cx<'_, H>,
    ) -> Option<u64> {
        let values = URL.map(|name| view.header(name).unwrap_or_default().into_owned());
        self.purge_what(asked, &values, cx)
    }

    /// Drops or marks what is asked for; `url` are the values of [`URL`] that it is about.
    pub(crate) fn purge_what<H: Host, T: AsRef<[u8]>>(
        &mut self,
        asked: &Ask,
        url: &[T; 3],
        cx: &mut Cx<'_, H>,
    ) -> Option<u64> {
        let secret = cx.secret()?;
        let lines: Vec<Line<'_>> =
            URL.iter().zip(url).map(|(name, value)| (name.as_bytes(), value.as_ref())).collect();
        let fields = Fields::new(&lines);
        let now = cx.host.now();
        if self.remote.is_some() {
            let items = self.items(&asked.target, fields);
            self.tell_fleet(items, asked.soft, cx)?;
        }
        match &asked.target {
            Asked::All => self.storage.purge(Purged::All, asked.soft, now, cx),
            Asked::Tags(tags) => {
                let tags = tags.iter().map(|tag| secret.fingerprint("tag", tag)).collect();
                self.storage.purge(Purged::Tags(tags), asked.soft, now, cx)
            }
            Asked::Groups(groups) => {
                let wanted = self.targets(fields);
                let tags = wanted
                    .iter()
                    .flat_map(|target| groups.iter().map(|group| group_tag(target.origin(), group, &secret)));
                let tags = tags.collect();
                self.storage.purge(Purged::Tags(tags), asked.soft, now, cx)
            }
            Asked::Prefix => {
                let mut count = 0_u64;
                for target in self.targets(fields) {
                    count = count.saturating_add(self.storage.purge(
                        Purged::Prefix(target.url),
                        asked.soft,
                        now,
                        cx,
                    )?);
                }
                Some(count)
            }
            Asked::Url => {
                let mut count = 0_u64;
                for target in self.targets(fields) {
                    let wanted = Wanted::new(target, &secret);
                    // Rules may differ in what else is part of the key: the tag finds those, the key the others.
                    let is_split =
                        self.config.rules.iter().any(|rule| rule.key.is_split() || rule.methods.post);
                    let tag = is_split.then(|| Purged::Tags(vec![wanted.url_tag(&secret)]));
                    for target in [Some(Purged::Key(wanted.key)), tag].into_iter().flatten() {
                        count = count.saturating_add(self.storage.purge(target, asked.soft, now, cx)?);
                    }
                }
                Some(count)
            }
        }
    }

    /// What is purged, by the names that all proxies know.
    fn items(&self, target: &Asked, fields: Fields<'_>) -> Vec<Item> {
        let targets = || self.targets(fields).into_iter();
        match target {
            Asked::All => vec![Item::All],
            Asked::Tags(tags) => tags.iter().cloned().map(Item::Tag).collect(),
            Asked::Groups(groups) => targets()
                .flat_map(|target| {
                    let origin = target.origin().to_vec();
                    groups.iter().map(move |group| Item::Group(origin.clone(), group.clone()))
                })
                .collect(),
            Asked::Prefix => targets().map(|target| Item::Prefix(target.url)).collect(),
            Asked::Url => targets().map(|target| Item::Url(target.url)).collect(),
        }
    }

    /// What a URL is called under each rule: they may leave out different parameters.
    fn targets(&self, fields: Fields<'_>) -> Vec<Target> {
        let path = fields.get(":path").unwrap_or_default();
        let mut targets: Vec<Target> = Vec::new();
        for rule in &self.config.rules {
            let target = Target::default().at(fields, &rule.key, path);
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        targets
    }
}

fn reply(status: u16, why: &str, body: String) -> Reply {
    Reply {
        status,
        details: format!("ballast_response_cache{{{why}}}").into(),
        headers: [("content-type", "application/json"), ("cache-control", "no-store")].into_iter().collect(),
        body: body.into_bytes().into(),
        grpc_status: None,
    }
}
