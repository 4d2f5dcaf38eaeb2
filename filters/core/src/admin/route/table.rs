//! The table itself.

use super::{Answer, Body, Class, Endpoint, Kind, Method, Parameter, Route};

const OK: (u16, &str) = (200, "done");
const ACCEPTED: (u16, &str) = (202, "accepted, and not yet known to every worker: `see` says where to look");

const fn parameter(name: &'static str, kind: Kind, what: &'static str) -> Parameter {
    Parameter { name, kind, repeated: false, what }
}

const fn repeated(name: &'static str, kind: Kind, what: &'static str) -> Parameter {
    Parameter { name, kind, repeated: true, what }
}

const NAMESPACE: Parameter =
    parameter("namespace", Kind::Name, "only the filters with this namespace; default: all");
const ID: Parameter = parameter("id", Kind::Id, "one key by its id in the status; default: all keys");
const NEWEST: Parameter = parameter("limit", Kind::Number(10_000), "how many at the most, the newest first");

const fn get(endpoint: Endpoint, path: &'static str, what: &'static str) -> Route {
    Route {
        endpoint,
        method: Method::Get,
        path,
        class: Class::Read,
        parameters: &[],
        body: Body::Parameters,
        answer: Answer::Json,
        statuses: &[OK],
        what,
    }
}

const fn act(endpoint: Endpoint, method: Method, path: &'static str, what: &'static str) -> Route {
    Route { method, class: Class::Act, statuses: &[OK, ACCEPTED], ..get(endpoint, path, what) }
}

/// Every endpoint.
pub const ROUTES: &[Route] = &[
    Route {
        class: Class::Probe,
        statuses: &[(200, "alive")],
        ..get(Endpoint::Live, "/health/live", "the VM works")
    },
    Route {
        class: Class::Probe,
        statuses: &[(200, "ready"), (503, "not ready, with the reasons")],
        ..get(Endpoint::Ready, "/health/ready", "whether traffic should come here")
    },
    Route {
        statuses: &[(200, "healthy or degraded"), (503, "unhealthy")],
        ..get(Endpoint::Health, "/health", "every component with its state, since when, and details")
    },
    Route {
        answer: Answer::Metrics,
        ..get(Endpoint::Metrics, "/metrics", "the metrics of every filter, for Prometheus")
    },
    Route {
        parameters: &[NAMESPACE],
        ..get(Endpoint::Status, "/status", "what every filter says of itself")
    },
    Route {
        parameters: &[NAMESPACE],
        ..get(Endpoint::Breakers, "/circuit-breakers", "every circuit breaker with its state")
    },
    Route {
        parameters: &[NAMESPACE],
        ..get(Endpoint::Breaker, "/circuit-breakers/{name}", "one circuit breaker")
    },
    Route {
        parameters: &[NAMESPACE, ID],
        ..act(
            Endpoint::BreakerReset,
            Method::Post,
            "/circuit-breakers/{name}/reset",
            "closes a breaker and forgets what it has counted",
        )
    },
    Route {
        parameters: &[NAMESPACE],
        ..act(
            Endpoint::BreakerForceOpen,
            Method::Post,
            "/circuit-breakers/{name}/force-open",
            "keeps a breaker open until it is reset",
        )
    },
    Route {
        parameters: &[NAMESPACE],
        ..act(
            Endpoint::BreakerForceClosed,
            Method::Post,
            "/circuit-breakers/{name}/force-closed",
            "keeps a breaker closed until it is reset",
        )
    },
    Route {
        parameters: &[NAMESPACE],
        ..act(
            Endpoint::BreakerMetricsOnly,
            Method::Post,
            "/circuit-breakers/{name}/metrics-only",
            "has a breaker decide and count, and not refuse, until it is reset",
        )
    },
    Route {
        parameters: &[NAMESPACE],
        ..get(Endpoint::Limits, "/rate-limits", "every rate limit with its use")
    },
    Route {
        parameters: &[
            NAMESPACE,
            ID,
            repeated("key", Kind::Text, "one key by its parts, one text for each, in place of `id`"),
        ],
        ..act(
            Endpoint::LimitReset,
            Method::Post,
            "/rate-limits/{name}/reset",
            "gives one client or all of a limit back what they have used up",
        )
    },
    Route {
        parameters: &[NAMESPACE],
        ..get(Endpoint::Cache, "/cache", "what the response cache holds and does")
    },
    Route {
        parameters: &[
            NAMESPACE,
            parameter("all", Kind::Flag, "everything"),
            parameter("url", Kind::Text, "all variants of this URL, with scheme and host"),
            parameter("prefix", Kind::Text, "every URL that begins so, with scheme and host"),
            repeated("tag", Kind::Text, "what carries one of these tags"),
            repeated("group", Kind::Text, "what is in one of these groups; with `origin`"),
            parameter("origin", Kind::Text, "the origin of the groups, with scheme and host"),
            parameter("mode", Kind::Word(&["hard", "soft"]), "hard drops, soft makes stale; default: hard"),
        ],
        ..act(Endpoint::CachePurge, Method::Post, "/cache/purge", "drops what is stored, or makes it stale")
    },
    Route { parameters: &[NEWEST], ..get(Endpoint::Alerts, "/alerts", "the alerts, and the last that were") },
    Route { parameters: &[NEWEST], ..get(Endpoint::Events, "/events", "the last decisions of note") },
    get(Endpoint::Drain, "/drain", "how far the drain is"),
    Route {
        statuses: &[(202, "begun, or under way already: GET /drain says how far it is")],
        ..act(
            Endpoint::DrainBegin,
            Method::Post,
            "/drain",
            "refuses new work, and lets what is under way finish",
        )
    },
    act(Endpoint::DrainCancel, Method::Delete, "/drain", "calls the drain off"),
    Route {
        parameters: &[parameter(
            "cursor",
            Kind::Text,
            "where to go on: what the part before names as `next`",
        )],
        class: Class::Act,
        ..get(Endpoint::State, "/state", "a snapshot of breakers and limits, one part at a time")
    },
    Route {
        parameters: &[
            parameter("part", Kind::Long, "the part itself, where bodies are not seen"),
            parameter("from", Kind::Word(&["store"]), "all parts from the store that configuration names"),
        ],
        body: Body::Snapshot,
        ..act(Endpoint::StateRestore, Method::Put, "/state", "brings a part of a snapshot back")
    },
    Route {
        parameters: &[parameter(
            "rounds",
            Kind::Number(10_000),
            "how often each thing is measured; default: 1000",
        )],
        statuses: &[OK],
        ..act(Endpoint::Benchmark, Method::Post, "/benchmark", "measures what things cost in this proxy")
    },
    get(Endpoint::OpenApi, "/openapi.json", "this description"),
    Route {
        class: Class::Page,
        answer: Answer::Html,
        ..get(Endpoint::Dashboard, "/dashboard", "a page with live figures and buttons for the actions")
    },
];
