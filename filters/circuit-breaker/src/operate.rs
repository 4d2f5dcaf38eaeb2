//! What operators order, and what others are told.

use crate::CircuitBreaker;
use ballast_core::circuit_breaker::operator::{Ask, Command, Forced, Order, Ordering};
use ballast_core::circuit_breaker::watch::{Delist, Watch};
use ballast_core::circuit_breaker::{Closing, Key, Subject, What};
use ballast_core::orders::{self, Refusal};
use ballast_core::plane::Facts;
use ballast_core::rewrite::{Rewrite, Unfinished};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_host::{About, Cx, Host, LogLevel, Ordered};
use core::time::Duration;
use serde::Serialize;
use std::rc::Rc;

/// What tells the other workers to look at the orders: anything that is no command.
const LOOK: &[u8] = b"look";
/// How often the watch lists are looked at for what is shown and published.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// What an order has come to.
#[derive(Serialize)]
struct Done<'a> {
    rule: &'a str,
    forced: &'static str,
}

impl CircuitBreaker {
    /// Looks at the orders on each tick, and once a second at the watch lists.
    pub(crate) fn look<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.rules.iter_mut().for_each(|state| state.read_order(cx.host));
        let now = cx.host.now();
        if now.since(self.looked_at) < LOOK_EVERY {
            return;
        }
        self.looked_at = now;
        let mut critical_breaker_open = false;
        for number in 0..self.rules.len() {
            let open = self.show(number, cx);
            let critical = self.config.breakers.get(number).is_some_and(|rule| rule.critical);
            critical_breaker_open |= critical && open > 0;
        }
        if self.config.breakers.iter().any(|rule| rule.critical) {
            cx.publish(Facts { critical_breaker_open, ..Facts::default() });
        }
    }

    /// Shows how many breakers of a rule are not closed.
    pub(crate) fn show<H: Host>(&self, number: usize, cx: &Cx<'_, H>) -> usize {
        let Some(state) = self.rules.get(number) else { return 0 };
        let Ok(watch) = cx.host.shared(&state.watch_key) else { return 0 };
        let open = Watch::read(watch.value.as_deref()).entries().len();
        state.metrics.open.set(cx.host, u64::try_from(open).unwrap_or(u64::MAX));
        open
    }

    /// Takes a message: an operator's command, or the word that there is one.
    pub(crate) fn take_command<H: Host>(&mut self, cx: &mut Cx<'_, H>, payload: &[u8]) {
        if payload == LOOK {
            self.rules.iter_mut().for_each(|state| state.read_order(cx.host));
            return;
        }
        let Some(command) = Command::parse(payload) else {
            cx.log(LogLevel::Warn, "a message is no command: {\"breaker\": …, \"state\": …} is one");
            return;
        };
        let Some(number) = self.number_of(&command.breaker) else {
            cx.log(LogLevel::Warn, &format!("an order for `{}`, which is no breaker here", command.breaker));
            return;
        };
        match self.force(number, command.state, cx.host.now(), cx) {
            // Who does not hear it sees it on its next tick.
            Ok(_) => _ = cx.broadcast(LOOK.to_vec(), TOLD_WITHIN),
            Err(unfinished) => {
                let text = format!("an order is lost: {unfinished}");
                cx.log_about(LogLevel::Error, About::rule(&command.breaker), &text);
            }
        }
    }

    /// Executes an order that has come to every worker.
    pub(crate) fn execute<H: Host>(
        &mut self,
        cx: &mut Cx<'_, H>,
        ordered: &Ordered,
    ) -> Result<Vec<u8>, Refusal> {
        let order = &ordered.order;
        match order.name.as_str() {
            "export" => return self.export(cx, &order.arguments),
            "restore" => return self.restore(cx, ordered),
            _ => {}
        }
        let ask = Ask::read(&order.name, &order.arguments)?;
        let number = self.number_of(&order.rule).ok_or_else(|| format!("unknown rule `{}`", order.rule))?;
        let lost = |unfinished: Unfinished| format!("the order is lost, ask again: {unfinished}");
        let forced = match ask {
            Ask::All(forced) => self.force(number, forced, ordered.issued, cx).map_err(lost)?.forced,
            // The only breaker of a rule is all of them.
            Ask::Close(_) if self.is_single(number) => {
                self.force(number, Forced::Closed, ordered.issued, cx).map_err(lost)?.forced
            }
            Ask::Close(fingerprint) => {
                // The breaker is in shared state: one worker closes it for all.
                if ordered.leads {
                    self.close(number, fingerprint, cx).map_err(lost)?;
                }
                self.rules.get(number).map_or(Forced::Closed, |state| state.forced())
            }
        };
        orders::answer(&Done { rule: &order.rule, forced: forced.as_str() })
    }

    fn is_single(&self, number: usize) -> bool {
        self.config.breakers.get(number).is_some_and(|rule| rule.is_single)
    }

    pub(crate) fn number_of(&self, name: &str) -> Option<usize> {
        self.config.breakers.iter().position(|rule| rule.name.as_str() == name)
    }

    /// Has all breakers of a rule be this: in shared state, and here at once.
    pub(crate) fn force<H: Host>(
        &mut self,
        number: usize,
        forced: Forced,
        issued: MonoTime,
        cx: &mut Cx<'_, H>,
    ) -> Result<Order, Unfinished> {
        let (Some(rule), Some(state)) = (self.config.breakers.get(number), self.rules.get_mut(number)) else {
            return Err(Unfinished::Failed);
        };
        let key = Key { rule: Rc::clone(&rule.shared_name), what: What::Order };
        let order = cx.run(&mut Rewrite::new(key, Ordering { forced, now: issued }))?;
        state.obey(order);
        let text = format!("ordered to be {}", order.forced.as_str());
        cx.log_about(LogLevel::Info, About::rule(rule.name.as_str()).because("operator"), &text);
        Ok(order)
    }

    /// Closes one breaker of a rule.
    fn close<H: Host>(
        &mut self,
        number: usize,
        fingerprint: Fingerprint,
        cx: &mut Cx<'_, H>,
    ) -> Result<(), Unfinished> {
        let (Some(rule), Some(state)) = (self.config.breakers.get(number), self.rules.get(number)) else {
            return Err(Unfinished::Failed);
        };
        let mut subject = Subject::new(&rule.shared_name, rule.table, fingerprint, &rule.policy);
        subject.reset_at = state.reset_at();
        let key = subject.watch_key();
        let Some(change) = cx.run(&mut Closing { subject, now: cx.host.now() }.converse())? else {
            return Ok(());
        };
        // As when probes close it: first the breaker, then the list.
        let delist = Delist { fingerprint, closed_since: change.at };
        // What is left on the list is found closed by the next request.
        let _ = cx.run(&mut Rewrite::new(key, delist));
        state.has_changed(cx.host);
        self.changed(number, fingerprint, &change, cx);
        Ok(())
    }
}
