//! Asking again, without conditions: what came was about something else than what is stored (RFC 9111, section 4.3.4).

use crate::ResponseCache;
use crate::response::{Judged, status_of};
use crate::say;
use crate::stream::{Fetching, Stream};
use ballast_core::http::Lines;
use ballast_core::response_cache::rules::{Fetch, Fields, stored_fields};
use ballast_core::response_cache::store::Outcome;
use ballast_host::{CallAnswer, Cx, Flow, Host, Next, Reply, route_cluster};
use core::time::Duration;

/// How long that may take.
const WITHIN: Duration = Duration::from_secs(15);

impl ResponseCache {
    /// Holds the answer that came and asks for another.
    pub(crate) fn ask_again<H: Host>(
        &mut self,
        mut fetching: Box<Fetching>,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
    ) -> Flow {
        fetching.fetch = Fetch::plain(fetching.fetch.why, fetching.fetch.may_store);
        fetching.kept = None;
        let call =
            route_cluster(cx.host).and_then(|cluster| fetching.asked.request.call(&cluster, None, WITHIN));
        fetching.sent = cx.host.now();
        match call.map(|call| cx.call_http(&call)) {
            Some(Ok(_)) => {
                *stream = Stream::AskedAgain(fetching);
                Flow::Pause
            }
            _ => {
                self.end_flight(&mut fetching.lead, Outcome::Released, cx);
                Flow::Reply(Box::new(say::unavailable(502, "mismatch")))
            }
        }
    }

    /// The other answer is there.
    pub(crate) fn asked_again<H: Host>(
        &mut self,
        mut fetching: Box<Fetching>,
        answer: CallAnswer,
        cx: &mut Cx<'_, H>,
    ) -> Next {
        let CallAnswer::Http { headers, body } = answer else { return Next::Stay };
        let lines = headers.lines();
        let response = Fields::new(&lines);
        let status = status_of(response);
        if status == 0 {
            self.end_flight(&mut fetching.lead, Outcome::Failed { status }, cx);
            return Next::Reply(Box::new(say::unavailable(502, "mismatch")));
        }
        let mut is_stored = false;
        match self.judge(&fetching, response, status, None, cx) {
            Judged::Pass(Some(new), _) if body.len() <= self.most_body() => {
                is_stored = true;
                let now = new.received;
                self.store(&fetching.asked, *new, body.as_slice().into(), now, &mut fetching.lead, cx);
            }
            _ => self.end_flight(&mut fetching.lead, self.uncacheable(), cx),
        }
        let passed = stored_fields(&lines, &Default::default());
        let mut headers: Lines =
            passed.iter().copied().filter(|(name, _)| *name != b"content-length").collect();
        let said = self.status_of_miss(&fetching.asked, fetching.fetch.why, Some(status), is_stored);
        headers.extend(said.map(|said| (say::CACHE_STATUS, said)));
        let details = "ballast_response_cache{asked_again}".into();
        Next::Reply(Box::new(Reply { status, details, headers, body: body.into(), grpc_status: None }))
    }
}
