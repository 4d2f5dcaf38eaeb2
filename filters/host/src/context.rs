//! The handle that a callback gets: the proxy, and what this root shares between its streams.

use crate::drive::{Scope, drive};
use crate::host::{CallToken, GrpcCall, Host, HostError, HttpCall, LogLevel};
use crate::log::About;
use crate::services::Services;
use ballast_core::protocol::Machine;
use ballast_core::slots::Secret;
use ballast_core::vms::{Member, View};
use core::fmt::Display;
use core::time::Duration;
use std::rc::Rc;

/// What a callback can reach.
pub struct Cx<'a, H: Host> {
    /// The proxy.
    pub host: &'a H,
    /// What the root keeps for all its streams.
    pub services: &'a mut Services,
    /// The stream whose callback runs; `None` in callbacks of the root.
    pub(crate) stream: Option<u32>,
}

impl<H: Host> Cx<'_, H> {
    /// Where this filter's shared state lives.
    pub fn scope(&self) -> &Scope {
        &self.services.scope
    }

    /// Runs a conversation over shared values of this filter to its end; a key's text is its name in the scope.
    pub fn run<M>(&mut self, machine: &mut M) -> M::Output
    where
        M: Machine<Key: Display + PartialEq>,
    {
        let Services { queues, scope, .. } = self.services;
        drive(self.host, scope, machine, |slot, message| queues.send(self.host, scope, slot, message))
    }

    /// This root's identity among the workers; claimed at the first tick or the first request, whichever comes first. `None`:
    /// all slots are taken, or the store fails.
    pub fn member(&mut self) -> Option<Member> {
        let Services { membership, queues, scope, .. } = self.services;
        membership.member(self.host, scope, queues)
    }

    /// What this root knows of the others, as of its last tick but one second at the most.
    pub fn view(&self) -> &Rc<View> {
        self.services.membership.view()
    }

    /// The secret of this scope's slot tables, the same for all workers; made by whoever asks first. `None`: the store fails.
    pub fn secret(&mut self) -> Option<Secret> {
        let Services { secret, scope, .. } = self.services;
        if secret.is_none() {
            *secret = crate::secret::shared(self.host, scope);
        }
        *secret
    }

    /// Takes this secret for the scope's from now on, in place of the one there was: clients that are known under that are not found
    /// again. One root writes it for all; each that is to go by it must take it. `false`: the store fails.
    pub fn adopt_secret(&mut self, secret: Secret, writes: bool) -> bool {
        let Services { secret: known, scope, .. } = self.services;
        if writes && !crate::secret::replace(self.host, scope, &secret) {
            return false;
        }
        *known = Some(secret);
        true
    }

    /// Sets a timer of this stream: [`crate::Filter::on_timer`] comes after at least `wait`. Does nothing in a callback of the root.
    pub fn set_timer(&mut self, wait: Duration, timer: u32) {
        if let Some(stream) = self.stream {
            let now = self.host.now();
            self.services.timers.set(now.after(wait), stream, timer);
            self.services.adjust_tick(self.host, now);
            self.services.keep_reachable = true;
        }
    }

    /// Starts an HTTP call; for a stream its answer comes to [`crate::Filter::on_call`], else to
    /// [`crate::Filter::on_background_call`].
    ///
    /// # Errors
    ///
    /// [`HostError::BadArgument`]: no such cluster, or no time-out within reason.
    pub fn call_http(&mut self, call: &HttpCall) -> Result<CallToken, HostError> {
        let token = self.host.call_http(call)?;
        Ok(self.remember_call(token))
    }

    /// Starts a gRPC call; answered like [`Cx::call_http`].
    ///
    /// # Errors
    ///
    /// [`HostError::Internal`]: no such cluster, or one without hosts; [`HostError::BadArgument`]: no time-out within reason.
    pub fn call_grpc(&mut self, call: &GrpcCall) -> Result<CallToken, HostError> {
        let token = self.host.call_grpc(call)?;
        Ok(self.remember_call(token))
    }

    /// Writes a log line in the filter's name.
    pub fn log(&self, level: LogLevel, message: &str) {
        self.log_about(level, About::default(), message);
    }

    /// Writes a log line in the filter's name that says what it is about.
    pub fn log_about(&self, level: LogLevel, about: About<'_>, message: &str) {
        self.services.scope.log(self.host, level, about, message);
    }

    fn remember_call(&mut self, token: CallToken) -> CallToken {
        if let Some(stream) = self.stream {
            self.services.calls.insert(token.0, stream);
            self.services.keep_reachable = true;
        }
        token
    }
}
