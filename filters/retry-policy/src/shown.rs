//! What this filter says about itself.

use crate::RetryPolicy;
use ballast_core::retry_policy::status::{Counted, Head, Status};
use ballast_core::status::Draft;
use ballast_host::{Cx, Host};

impl RetryPolicy {
    pub(crate) fn draft<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Draft {
        let waiting = self.waiting.total(cx);
        let mut draft = Draft::new(&Head { mode: self.config.mode, waiting });
        for running in &mut self.running {
            let counted = running.metrics.counted(cx.host);
            let counted = Counted { budget_left: running.budget_left(cx.host), ..counted };
            let now = (counted.budget_left == 0 && counted.requests > 0, running.is_throttled(cx.host));
            let before = core::mem::replace(&mut running.told, now);
            let name = running.policy.name.as_str();
            if now.0 && !before.0 {
                cx.event("budget_spent", name, "no more retries until it fills again", "");
            }
            if now.1 && !before.1 {
                cx.event("throttled", name, "too many attempts fail", "");
            }
            draft.rule(&Status::new(&running.policy, counted));
        }
        draft
    }
}
