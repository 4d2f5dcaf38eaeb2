//! What operators order, and what others are told.

use crate::CircuitBreaker;
use ballast_core::circuit_breaker::operator::{Command, Ordering};
use ballast_core::circuit_breaker::watch::Watch;
use ballast_core::circuit_breaker::{Key, What};
use ballast_core::plane::Facts;
use ballast_core::rewrite::Rewrite;
use ballast_host::{Cx, Host, LogLevel};
use core::time::Duration;
use std::rc::Rc;

/// What tells the other workers to look at the orders: anything that is no command.
const LOOK: &[u8] = b"look";
/// How often the watch lists are looked at for what is shown and published.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const TOLD_WITHIN: Duration = Duration::from_secs(5);

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
        let named =
            |rule: &ballast_core::circuit_breaker::config::Rule| rule.name.as_str() == command.breaker;
        let number = self.config.breakers.iter().position(named);
        let rule = number.and_then(|number| self.config.breakers.get(number));
        let (Some(rule), Some(state)) = (rule, number.and_then(|number| self.rules.get_mut(number))) else {
            cx.log(LogLevel::Warn, &format!("an order for `{}`, which is no breaker here", command.breaker));
            return;
        };
        let key = Key { rule: Rc::clone(&rule.shared_name), what: What::Order };
        let ordering = Ordering { forced: command.state, now: cx.host.now() };
        match cx.run(&mut Rewrite::new(key, ordering)) {
            Ok(order) => {
                state.obey(order);
                cx.log(LogLevel::Info, &format!("{}: ordered to be {}", rule.name, order.forced.as_str()));
                // Who does not hear it sees it on its next tick.
                let _ = cx.broadcast(LOOK.to_vec(), TOLD_WITHIN);
            }
            Err(unfinished) => {
                cx.log(LogLevel::Error, &format!("{}: an order is lost: {unfinished}", rule.name));
            }
        }
    }
}
