//! A store outside of the proxy, as one worker reaches it: calls, what came back, and whether it is worth asking.
//!
//! # Why
//!
//! What several proxies share lies behind HTTP (see the core's `remote`), and each filter that shares something asks in
//! the same way and must be unharmed in the same way when the store is down.
//!
//! # Limits
//!
//! The guard is the worker's own: each finds out by itself that the store is down.

use crate::context::Cx;
use crate::filter::CallAnswer;
use crate::host::{CallToken, Headers, Host, HostError, HttpCall};
use crate::random::HostRandom;
use ballast_core::remote::{Command, Guard, Said, Store};
use core::time::Duration;

/// A store and this worker's experience with it.
#[derive(Debug)]
pub struct Remote {
    store: Store,
    cluster: String,
    guard: Guard,
}

/// The answer to a call, as far as one came.
#[derive(Debug)]
pub struct Heard {
    headers: Headers,
    body: Vec<u8>,
}

impl Remote {
    /// A store that `cluster` reaches. `authorization_env`: the environment variable with what it wants as
    /// `authorization`.
    pub fn new<H: Host>(
        mut store: Store,
        cluster: String,
        authorization_env: Option<&str>,
        cx: &Cx<'_, H>,
    ) -> Self {
        let secret = authorization_env.and_then(|name| cx.host.environment(name));
        store.authorization = secret.and_then(|secret| String::from_utf8(secret).ok());
        Self { store, cluster, guard: Guard::default() }
    }

    /// The store.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Whether it is worth asking now. Where it is, a [`Remote::call`] must follow.
    pub fn allows<H: Host>(&mut self, cx: &Cx<'_, H>) -> bool {
        self.guard.allows(cx.host.now())
    }

    /// Asks it.
    ///
    /// # Errors
    ///
    /// There is no such cluster; this counts as a failure of the store.
    pub fn call<H: Host>(
        &mut self,
        command: &Command<'_>,
        timeout: Duration,
        cx: &mut Cx<'_, H>,
    ) -> Result<CallToken, HostError> {
        let request = self.store.request(command);
        let headers = request.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
        let (cluster, body) = (self.cluster.clone(), request.body);
        let called = cx.call_http(&HttpCall { cluster, headers: headers.collect(), body, timeout });
        if called.is_err() {
            self.failed(cx);
        }
        called
    }

    /// What the answer to a command says.
    pub fn said<'a, H: Host>(&mut self, command: &Command<'_>, heard: &'a Heard, cx: &Cx<'_, H>) -> Said<'a> {
        let status = heard.headers.get(":status");
        let status = status.and_then(|text| core::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0);
        let said = self.store.said(command, status, heard.headers.get("etag"), &heard.body);
        if said == Said::Failed {
            self.failed(cx);
        } else {
            self.guard.succeeded();
        }
        said
    }

    fn failed<H: Host>(&mut self, cx: &Cx<'_, H>) {
        self.guard.failed(cx.host.now(), &mut HostRandom(cx.host));
    }
}

impl From<CallAnswer> for Heard {
    fn from(answer: CallAnswer) -> Self {
        match answer {
            CallAnswer::Http { headers, body } => Self { headers, body },
            CallAnswer::Grpc { .. } => Self { headers: Headers::default(), body: Vec::new() },
        }
    }
}
