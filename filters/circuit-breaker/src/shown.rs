//! What this filter says about itself.

use crate::CircuitBreaker;
use ballast_core::circuit_breaker::operator::History;
use ballast_core::circuit_breaker::status::{Facts, Head, Status};
use ballast_core::circuit_breaker::watch::Watch;
use ballast_core::circuit_breaker::{Key, Subject, What};
use ballast_core::status::Draft;
use ballast_host::{Cx, Host};
use std::rc::Rc;

impl CircuitBreaker {
    pub(crate) fn draft<H: Host>(&self, cx: &Cx<'_, H>) -> Draft {
        let mut draft = Draft::new(&Head { mode: self.config.mode });
        let now = cx.host.now();
        let value = |key: Key| cx.host.shared(&cx.scope().key(key)).ok().and_then(|shared| shared.value);
        for (rule, state) in self.config.breakers.iter().zip(&self.rules) {
            let of_rule = |what| value(Key { rule: Rc::clone(&rule.shared_name), what });
            let breaker = rule.single().and_then(|fingerprint| {
                let mut subject = Subject::new(&rule.shared_name, rule.table, fingerprint, &rule.policy);
                subject.reset_at = state.reset_at();
                let gathered = state.gather.as_ref().and_then(|gather| gather.gathered.value(cx.host));
                let breaker = subject.read(value(subject.set_key()).as_deref(), now)?;
                Some(breaker.with_gathered(gathered, now))
            });
            let watch = Watch::read(of_rule(What::Watch).as_deref());
            let history = History::read(of_rule(What::History).as_deref());
            let facts = Facts {
                counted: state.metrics.counted(cx.host),
                breaker: breaker.as_ref(),
                watch: &watch,
                history: &history,
                forced: state.forced(),
                order: state.order,
                now,
            };
            draft.rule(&Status::new(rule, &facts));
        }
        draft
    }
}
