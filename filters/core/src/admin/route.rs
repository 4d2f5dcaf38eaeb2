//! The endpoints, in one table.
//!
//! # Why
//!
//! What a path is, which methods it has, who may use it, which parameters it takes and how it is described are five
//! views of one thing. One table yields them all, so that the description cannot say other than what is done.
//!
//! # Limits
//!
//! Paths have one spelling: what is encoded, doubled or relative in a path is no endpoint, and not tidied up.

mod table;

pub use table::ROUTES;

use super::refusal::Refusal;

/// What an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// The VM works.
    Live,
    /// Whether traffic should come here.
    Ready,
    /// Every component.
    Health,
    /// Counters and gauges for Prometheus.
    Metrics,
    /// All filters.
    Status,
    /// All breakers.
    Breakers,
    /// One breaker.
    Breaker,
    /// Closes a breaker and forgets its counts.
    BreakerReset,
    /// Keeps a breaker open.
    BreakerForceOpen,
    /// Keeps a breaker closed.
    BreakerForceClosed,
    /// Has a breaker count and not refuse.
    BreakerMetricsOnly,
    /// All limits.
    Limits,
    /// Gives clients of a limit back what they have used up.
    LimitReset,
    /// The response cache.
    Cache,
    /// Drops what is stored.
    CachePurge,
    /// What alerts, and what has.
    Alerts,
    /// Decisions of note.
    Events,
    /// How far the drain is.
    Drain,
    /// Begins it.
    DrainBegin,
    /// Calls it off.
    DrainCancel,
    /// A snapshot.
    State,
    /// Brings a snapshot back.
    StateRestore,
    /// What things cost here.
    Benchmark,
    /// This table.
    OpenApi,
    /// A page for people.
    Dashboard,
}

/// Who may use an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Everybody, unless configuration says otherwise.
    Probe,
    /// A page without any figure in it: everybody from an allowed network.
    Page,
    /// Who may read.
    Read,
    /// Who may act.
    Act,
}

/// The methods of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `GET`, and with it `HEAD`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
}

impl Method {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    fn is(self, name: &[u8]) -> bool {
        name == self.as_str().as_bytes() || (self == Self::Get && name == b"HEAD")
    }
}

/// What a parameter's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text of 1 to 4096 bytes.
    Text,
    /// Any text of 1 to 49152 bytes: what a request's head has room for.
    Long,
    /// 32 hex digits.
    Id,
    /// A name as in configurations.
    Name,
    /// A whole number up to this.
    Number(u64),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// A parameter of the query, or of the JSON object in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// It may be given more than once.
    pub repeated: bool,
    /// What it means.
    pub what: &'static str,
}

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing, or a JSON object with parameters.
    Parameters,
    /// A part of a snapshot.
    Snapshot,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A JSON object.
    Json,
    /// Prometheus's text or OpenMetrics.
    Metrics,
    /// A page.
    Html,
}

/// One endpoint with one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// What it does.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: Method,
    /// Its path below the prefix; `{name}` is any one segment.
    pub path: &'static str,
    /// Who may.
    pub class: Class,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// What a request brings.
    pub body: Body,
    /// What an answer is.
    pub answer: Answer,
    /// The statuses it answers with when it does what it is for.
    pub statuses: &'static [(u16, &'static str)],
    /// What it does, in a line.
    pub what: &'static str,
}

/// An endpoint that a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The row of the table.
    pub route: &'static Route,
    /// The segment in place of `{name}`.
    pub name: Option<String>,
}

/// The part of a request's path below the prefix, and its query; `None`: it is not for the endpoints.
pub fn below<'p>(prefix: &str, path: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
    let rest = path.strip_prefix(prefix.as_bytes())?;
    // A fragment never comes in a request; one that does is no part of a path.
    let end = rest.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(rest.len());
    let (path, query) = rest.split_at_checked(end)?;
    let is_below = matches!(path.first(), None | Some(b'/'));
    is_below.then(|| (path, query.get(1..).unwrap_or_default()))
}

/// The endpoint of a path below the prefix.
///
/// # Errors
///
/// There is none, or it has other methods.
pub fn find(method: &[u8], path: &[u8]) -> Result<Found, Refusal> {
    let at_path = ROUTES.iter().filter_map(|route| segment(route.path, path).map(|name| (route, name)));
    let mut methods: Vec<&'static str> = Vec::new();
    for (route, name) in at_path {
        if route.method.is(method) {
            return Ok(Found { route, name: name.map(str::to_owned) });
        }
        methods.push(route.method.as_str());
        if route.method == Method::Get {
            methods.push("HEAD");
        }
    }
    match methods.is_empty() {
        true => Err(Refusal::NotFound("there is no such endpoint".to_owned())),
        false => Err(Refusal::WrongMethod { allowed: methods.join(", ") }),
    }
}

/// Whether a path is one of a pattern, with what stands for `{name}`, which is a name as in configurations.
fn segment<'p>(pattern: &str, path: &'p [u8]) -> Option<Option<&'p str>> {
    let Some((before, after)) = pattern.split_once("{name}") else {
        return (pattern.as_bytes() == path).then_some(None);
    };
    let name = path.strip_prefix(before.as_bytes())?.strip_suffix(after.as_bytes())?;
    let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let is_name = (1..=63).contains(&name.len()) && name.iter().all(allowed);
    core::str::from_utf8(name).ok().filter(|_| is_name).map(Some)
}

#[cfg(test)]
mod tests;
