//! Asking what the process depends on.

use crate::Admin;
use ballast_core::admin::checks::{Check, Outcome};
use ballast_core::admin::config::Target;
use ballast_core::time::MonoTime;
use ballast_core::vec_map::VecMap;
use ballast_host::{CallAnswer, CallToken, Cx, Host, HostError, HttpCall, LogLevel};

/// The key of what is known of the checks.
const CHECKS: &str = "checks";

/// The checks that this root asks, while it leads.
#[derive(Debug, Default)]
pub(crate) struct Checking {
    known: VecMap<String, Check>,
    asked: VecMap<String, MonoTime>,
    /// Which check each call under way is for.
    calls: VecMap<CallToken, usize>,
}

impl Admin {
    /// What is known of the checks.
    pub(crate) fn checks<H: Host>(&self, cx: &Cx<'_, H>) -> VecMap<String, Check> {
        if self.config.checks.is_empty() {
            return VecMap::new();
        }
        let shared = cx.host.shared(&cx.scope().key(CHECKS)).ok().and_then(|shared| shared.value);
        shared.and_then(|bytes| ballast_core::config::from_json(&bytes).ok()).unwrap_or_default()
    }

    /// Asks whatever is due.
    pub(crate) fn ask_checks<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        if self.checking.known.is_empty() {
            self.checking.known = self.checks(cx);
        }
        let now = cx.host.now();
        for (number, check) in self.config.checks.iter().enumerate() {
            let name = check.name.as_str();
            let is_due = self.checking.asked.get(name).is_none_or(|at| now.since(*at) >= check.interval);
            if !is_due || self.checking.calls.values().any(|asked| *asked == number) {
                continue;
            }
            self.checking.asked.insert(name.to_owned(), now);
            match cx.call_http(&call(&check.target, "GET", Vec::new(), Vec::new(), cx)) {
                Ok(token) => {
                    self.checking.calls.insert(token, number);
                }
                Err(error) => {
                    let known = self.checking.known.entry(name.to_owned()).or_default();
                    known.observe(Outcome::Failed(unreachable(error)), check.thresholds, now);
                }
            }
        }
        self.write_checks(cx);
    }

    /// Takes in the answer to a check. Whether it was one.
    pub(crate) fn on_check<H: Host>(
        &mut self,
        call: CallToken,
        answer: &CallAnswer,
        cx: &mut Cx<'_, H>,
    ) -> bool {
        let Some(number) = self.checking.calls.remove(&call) else { return false };
        let Some(check) = self.config.checks.get(number) else { return true };
        let outcome = match status(answer) {
            Some(status) if check.expect.contains(status) => Outcome::Passed,
            Some(status) => Outcome::Failed(format!("status {status}")),
            None => Outcome::Failed("no answer".to_owned()),
        };
        let known = self.checking.known.entry(check.name.as_str().to_owned()).or_default();
        if known.observe(outcome, check.thresholds, cx.host.now()) {
            let verdict = if known.has_failed() { "fails" } else { "passes" };
            cx.log(LogLevel::Warn, &format!("check {} {verdict}", check.name));
        }
        self.write_checks(cx);
        true
    }

    fn write_checks<H: Host>(&self, cx: &Cx<'_, H>) {
        if self.checking.known.is_empty() {
            return;
        }
        if let Ok(bytes) = serde_json::to_vec(&self.checking.known) {
            // Only who leads writes; what is lost now is written with the next answer.
            let _ = cx.host.put_shared(&cx.scope().key(CHECKS), &bytes);
        }
    }
}

fn unreachable(error: HostError) -> String {
    match error {
        HostError::BadArgument => "no such cluster".to_owned(),
        error => error.to_string(),
    }
}

/// The status of an answer; `None`: there was none.
pub(crate) fn status(answer: &CallAnswer) -> Option<u16> {
    let CallAnswer::Http { headers, .. } = answer else { return None };
    core::str::from_utf8(headers.get(":status")?).ok()?.parse().ok()
}

/// A call to a target.
pub(crate) fn call<H: Host>(
    target: &Target,
    method: &str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cx: &Cx<'_, H>,
) -> HttpCall {
    let mut all = vec![
        (":method".to_owned(), method.to_owned()),
        (":path".to_owned(), target.path.clone()),
        (":authority".to_owned(), target.authority.clone()),
        ("user-agent".to_owned(), concat!("ballast/", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    let token = target.token_env.as_ref().and_then(|name| cx.host.environment(name));
    if let Some(token) = token.and_then(|token| String::from_utf8(token).ok()) {
        all.push(("authorization".to_owned(), format!("Bearer {token}")));
    }
    all.extend(headers);
    HttpCall { cluster: target.cluster.clone(), headers: all, body, timeout: target.timeout }
}
