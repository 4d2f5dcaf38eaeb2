//! Exchanges as a table.

use super::said;
use ballast_harness::{Envoy, Request, Response};
use ballast_upstream::Upstream;

/// One request, what the upstream would answer, and what the client must get.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    method: &'static str,
    /// After the case's own path.
    query: &'static str,
    headers: Vec<(&'static str, String)>,
    upstream: String,
    status: u16,
    /// What must be in `Cache-Status`.
    says: &'static str,
    /// Header and what its value must be; `None`: it must be absent.
    has: Vec<(&'static str, Option<&'static str>)>,
    body: Option<&'static str>,
    asked: bool,
    content: &'static str,
}

/// A GET that the upstream would answer with this.
pub(crate) fn get(upstream: &str) -> Step {
    send("GET", upstream)
}

/// A request that the upstream would answer with this.
pub(crate) fn send(method: &'static str, upstream: &str) -> Step {
    Step {
        method,
        query: "",
        headers: Vec::new(),
        upstream: upstream.to_owned(),
        status: 200,
        says: "",
        has: Vec::new(),
        body: None,
        asked: true,
        content: "",
    }
}

impl Step {
    /// With a header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With this behind the path.
    pub(crate) const fn at(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    /// With content.
    pub(crate) const fn content(mut self, content: &'static str) -> Self {
        self.content = content;
        self
    }

    /// The client gets this status.
    pub(crate) const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The cache answers by itself.
    pub(crate) const fn hit(mut self) -> Self {
        self.asked = false;
        self.says = "hit";
        self
    }

    /// The upstream is not asked.
    pub(crate) const fn unasked(mut self) -> Self {
        self.asked = false;
        self
    }

    /// The upstream is asked, and the cache says why.
    pub(crate) const fn says(mut self, says: &'static str) -> Self {
        self.says = says;
        self
    }

    /// The answer has a header.
    pub(crate) fn has(mut self, name: &'static str, value: &'static str) -> Self {
        self.has.push((name, Some(value)));
        self
    }

    /// The answer has no such header.
    pub(crate) fn lacks(mut self, name: &'static str) -> Self {
        self.has.push((name, None));
        self
    }

    /// The answer's body.
    pub(crate) const fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }
}

/// A fact, and the exchanges that show it.
pub(crate) struct Case {
    /// The fact, beginning with its RFC section.
    pub(crate) fact: &'static str,
    /// Under which prefix, and so under which rule.
    pub(crate) prefix: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// A case under the rule for everything else.
pub(crate) fn case(fact: &'static str, steps: Vec<Step>) -> Case {
    under("/api", fact, steps)
}

/// A case under the rule of a prefix.
pub(crate) fn under(prefix: &'static str, fact: &'static str, steps: Vec<Step>) -> Case {
    Case { fact, prefix, steps }
}

/// Plays all cases, each at a path of its own, and says which do not hold.
pub(crate) async fn play(cases: Vec<Case>, envoy: &Envoy, upstream: &Upstream) {
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let path = format!("{}/{number}", case.prefix);
        for (at, step) in case.steps.iter().enumerate() {
            let before = upstream.received();
            let url = envoy.url(&format!("{path}{}", step.query));
            let mut request = Request::new(step.method, &url);
            if !step.upstream.is_empty() {
                request = request.header("x-upstream", &step.upstream);
            }
            for (name, value) in &step.headers {
                request = request.header(name, value);
            }
            if !step.content.is_empty() {
                request = request.body(step.content);
            }
            let answer = request.send().await.unwrap();
            let asked = upstream.received() - before;
            if let Some(why) = step.differs(&answer, asked) {
                wrong.push(format!("{}: step {}: {why}\n    {:?}", case.fact, at + 1, answer.headers));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

impl Step {
    fn differs(&self, answer: &Response, asked: u64) -> Option<String> {
        if answer.status != self.status {
            return Some(format!("status {} and not {}", answer.status, self.status));
        }
        if asked != u64::from(self.asked) {
            return Some(format!("the upstream was asked {asked} times, {}", said(answer)));
        }
        if !said(answer).contains(self.says) {
            return Some(format!("`{}` and not `{}`", said(answer), self.says));
        }
        if let Some(body) = self.body.filter(|body| answer.text() != *body) {
            return Some(format!("body `{}` and not `{body}`", answer.text()));
        }
        let other = self.has.iter().find(|(name, value)| answer.header(name) != *value);
        other.map(|(name, value)| format!("{name}: {:?} and not {value:?}", answer.header(name)))
    }
}
