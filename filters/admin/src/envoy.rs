//! The proxy's own administration interface, through a cluster that leads to it. By who leads.
//!
//! It is looked at for what no filter sees: connections and requests of the pools, hosts that were ejected, the
//! proxy's memory. During a drain it is told to fail its health checks, which has it close connections as it answers.

use crate::Admin;
use crate::checking::status;
use ballast_core::admin::drain::Phase;
use ballast_core::admin::envoy::{Looked, take_in};
use ballast_core::time::MonoTime;
use ballast_core::vec_map::VecMap;
use ballast_host::{CallAnswer, CallToken, Cx, Host, HttpCall, LogLevel};
use core::time::Duration;
use serde_json::Value;

/// The key of what was seen.
const SEEN: &str = "envoy";
/// The key of whether the proxy was told to fail its health checks, which another leader must know.
const FAILING: &str = "envoy-failing";
const TIMEOUT: Duration = Duration::from_secs(2);

/// What is remembered of it while leading.
#[derive(Debug, Default)]
pub(crate) struct Looking {
    seen: Value,
    looked_at: Option<MonoTime>,
    calls: VecMap<CallToken, Asked>,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Look(Looked),
    Drain(bool),
}

impl Admin {
    /// What was seen last.
    pub(crate) fn envoy_seen<H: Host>(&self, cx: &Cx<'_, H>) -> Value {
        if self.config.envoy_admin.is_none() {
            return Value::Null;
        }
        let shared = cx.host.shared(&cx.scope().key(SEEN)).ok().and_then(|shared| shared.value);
        shared.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
    }

    /// How many connections of clients are open, if the proxy says so.
    pub(crate) fn connections(&self) -> Option<u64> {
        self.looking.seen.get("connections")?.as_u64()
    }

    /// Looks at it, if it is time to, and has it close connections during a drain.
    pub(crate) fn look_at_envoy<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(admin) = &self.config.envoy_admin else { return };
        let (interval, drains) = (admin.interval, admin.drain_connections);
        if drains {
            self.fail_health_checks(cx);
        }
        let now = cx.host.now();
        // A drain is waited for, so it is looked at more often.
        let closing = self.drain.as_ref().is_some_and(|drain| drain.phase == Phase::Closing);
        let interval = if closing { interval.min(Duration::from_secs(1)) } else { interval };
        let is_due = self.looking.looked_at.is_none_or(|at| now.since(at) >= interval);
        let under_way = self.looking.calls.values().any(|asked| matches!(asked, Asked::Look(_)));
        if !is_due || under_way {
            return;
        }
        self.looking.looked_at = Some(now);
        for looked in Looked::ALL {
            self.call_envoy("GET", looked.path(), Asked::Look(looked), cx);
        }
    }

    fn fail_health_checks<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let key = cx.scope().key(FAILING);
        let wanted = self.drain.is_some();
        let Ok(shared) = cx.host.shared(&key) else { return };
        let is = shared.value.is_some_and(|value| value == b"1");
        let under_way = self.looking.calls.values().any(|asked| matches!(asked, Asked::Drain(_)));
        if is == wanted || under_way {
            return;
        }
        let path = if wanted { "/healthcheck/fail" } else { "/healthcheck/ok" };
        self.call_envoy("POST", path, Asked::Drain(wanted), cx);
    }

    fn call_envoy<H: Host>(&mut self, method: &str, path: &str, asked: Asked, cx: &mut Cx<'_, H>) {
        let Some(admin) = &self.config.envoy_admin else { return };
        let head = [(":method", method), (":path", path), (":authority", "envoy-admin")];
        let headers = head.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let call = HttpCall { cluster: admin.cluster.clone(), headers, body: Vec::new(), timeout: TIMEOUT };
        match cx.call_http(&call) {
            Ok(token) => {
                self.looking.calls.insert(token, asked);
            }
            Err(error) => cx.log(LogLevel::Warn, &format!("envoy_admin.cluster: {error}")),
        }
    }

    /// Takes in its answer. Whether it was one.
    pub(crate) fn on_envoy<H: Host>(
        &mut self,
        token: CallToken,
        answer: &CallAnswer,
        cx: &Cx<'_, H>,
    ) -> bool {
        let Some(asked) = self.looking.calls.remove(&token) else { return false };
        let body = match answer {
            CallAnswer::Http { body, .. } if status(answer) == Some(200) => body.as_slice(),
            _ => {
                cx.log(LogLevel::Warn, "envoy_admin.cluster: the proxy's own interface does not answer");
                return true;
            }
        };
        match asked {
            Asked::Look(looked) => {
                take_in(&mut self.looking.seen, looked, body, cx.host.now());
                let bytes = self.looking.seen.to_string().into_bytes();
                // What is lost is written with the next look.
                let _ = cx.host.put_shared(&cx.scope().key(SEEN), &bytes);
            }
            Asked::Drain(fails) => {
                let _ = cx.host.put_shared(&cx.scope().key(FAILING), if fails { b"1" } else { b"0" });
            }
        }
        true
    }
}
