//! Looking at alerts, and telling who is to hear of them. By who leads.

use crate::Admin;
use crate::checking::{call, status};
use crate::reporting::{readable, series};
use ballast_core::admin::alerts::{
    Batch, Board, Change, Outgoing, Rates, Readings, Source, alertmanager_body, web_hook_body,
};
use ballast_core::admin::config::{Channel, ChannelKind, Target};
use ballast_core::admin::params::Params;
use ballast_core::status::humanize;
use ballast_core::time::MonoTime;
use ballast_core::vec_map::VecMap;
use ballast_host::{CallAnswer, CallToken, Cx, Host, LogLevel, Reply};
use core::time::Duration;
use serde_json::Value;

/// The key of how all alerts stand.
const BOARD: &str = "alerts";
/// After which a message is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How often metrics and reports are read for alerts: they change no faster.
const READ_EVERY: Duration = Duration::from_millis(500);
const HISTORY_SHOWN: u64 = 100;

/// What is remembered of alerts while leading.
#[derive(Debug, Default)]
pub(crate) struct Alerting {
    board: Option<Board>,
    written: Vec<u8>,
    rates: Rates,
    read_at: Option<MonoTime>,
    channels: VecMap<String, Outgoing>,
    /// Messages under way, by channel.
    calls: VecMap<CallToken, (usize, Batch)>,
}

impl Admin {
    /// Looks at all alerts.
    pub(crate) fn look_at_alerts<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let now = cx.host.now();
        let is_early = self.alerting.read_at.is_some_and(|at| now.since(at) < READ_EVERY);
        if is_early || (self.config.alerts.is_empty() && self.config.channels.is_empty()) {
            return;
        }
        self.alerting.read_at = Some(now);
        let reads =
            |wanted: fn(&Source) -> bool| self.config.alerts.iter().any(|alert| wanted(&alert.when.source));
        let series =
            if reads(|source| matches!(source, Source::Metric { .. })) { series(cx) } else { Vec::new() };
        let reports =
            if reads(|source| matches!(source, Source::Status { .. })) { readable(cx) } else { Vec::new() };
        let checks = self.checks(cx);
        let readings =
            Readings { facts: self.facts(cx), checks: &checks, series: &series, reports: &reports };
        let key = cx.scope().key(BOARD);
        let mut board = self.alerting.board.take().unwrap_or_else(|| read_board(cx));
        let changes = board.evaluate(&self.config.alerts, &readings, &mut self.alerting.rates, now);
        for change in &changes {
            let state = if change.ended.is_some() { "resolved" } else { "firing" };
            cx.event("alert", "", &format!("{} ({}): {state}", change.name, change.severity.as_str()), "");
        }
        let firing = board.firing(&self.config.alerts);
        let bytes = board.encode();
        if bytes != self.alerting.written && cx.host.put_shared(&key, &bytes).is_ok() {
            self.alerting.written = bytes;
        }
        self.alerting.board = Some(board);
        self.tell_channels(&changes, &firing, cx);
    }

    fn tell_channels<H: Host>(&mut self, changes: &[Change], firing: &[Change], cx: &mut Cx<'_, H>) {
        let now = cx.host.now();
        let Self { config, alerting, .. } = self;
        for (number, channel) in config.channels.iter().enumerate() {
            let outgoing = alerting.channels.entry(channel.name.as_str().to_owned()).or_default();
            let batch =
                outgoing.step(changes, firing, channel.min_severity, channel.group_wait, channel.repeat, now);
            let Some(batch) = batch else { continue };
            let body = message(channel, &batch, cx);
            let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            match cx.call_http(&call(&channel.target, "POST", headers, body.to_string().into_bytes(), cx)) {
                Ok(token) => {
                    alerting.calls.insert(token, (number, batch));
                }
                Err(error) => {
                    cx.log(LogLevel::Warn, &format!("channel {}: {error}", channel.name));
                    outgoing.failed(batch, now.after(AGAIN_AFTER));
                }
            }
        }
    }

    /// Takes in a channel's answer. Whether it was one.
    pub(crate) fn on_channel<H: Host>(
        &mut self,
        token: CallToken,
        answer: &CallAnswer,
        cx: &Cx<'_, H>,
    ) -> bool {
        let Some((number, batch)) = self.alerting.calls.remove(&token) else { return false };
        let Some(channel) = self.config.channels.get(number) else { return true };
        let status = status(answer);
        if status.is_some_and(|status| (200..=299).contains(&status)) {
            return true;
        }
        let said = status.map_or("no answer".to_owned(), |status| format!("status {status}"));
        cx.log(LogLevel::Warn, &format!("channel {}: {said}", channel.name));
        if let Some(outgoing) = self.alerting.channels.get_mut(channel.name.as_str()) {
            outgoing.failed(batch, cx.host.now().after(AGAIN_AFTER));
        }
        true
    }

    /// `GET /alerts`.
    pub(crate) fn alerts<H: Host>(&self, params: &Params, cx: &Cx<'_, H>) -> Reply {
        let most = usize::try_from(params.number("limit").unwrap_or(HISTORY_SHOWN)).unwrap_or(usize::MAX);
        self.json(200, "alerts", read_board(cx).show(&self.config.alerts, most), cx)
    }

    /// Tells somebody that a drain is over.
    pub(crate) fn tell_drained<H: Host>(&self, target: &Target, cx: &mut Cx<'_, H>) {
        let mut body = self.show_drain(cx);
        humanize(&mut body, cx.host.now(), cx.host.wall_time());
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if let Err(error) = cx.call_http(&call(target, "POST", headers, body.to_string().into_bytes(), cx)) {
            cx.log(LogLevel::Warn, &format!("drain.web_hook: {error}"));
        }
    }
}

fn read_board<H: Host>(cx: &Cx<'_, H>) -> Board {
    let shared = cx.host.shared(&cx.scope().key(BOARD)).ok().and_then(|shared| shared.value);
    Board::read(shared.as_deref())
}

fn message<H: Host>(channel: &Channel, batch: &Batch, cx: &Cx<'_, H>) -> Value {
    let now = cx.host.now();
    let mut body = match channel.kind {
        ChannelKind::WebHook => web_hook_body(&batch.changes, now),
        ChannelKind::Alertmanager => alertmanager_body(&batch.changes, &channel.labels),
    };
    humanize(&mut body, now, cx.host.wall_time());
    body
}
