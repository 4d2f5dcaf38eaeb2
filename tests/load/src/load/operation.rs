//! What users ask for.

use goose::goose::GooseMethod;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// One of a few hundred items, which are fresh for five seconds; some are asked for far more often than others.
    Read,
    /// Never the same, and never kept.
    Search,
    /// Something is ordered.
    Order,
    /// A login that succeeds.
    Login,
    /// A slow report of one of a few tenants.
    Report,
    /// A health check.
    Health,
    /// What the upstream can do only so often.
    Work,
    /// What everybody wants at this moment.
    Crowd,
}

/// A request, and what is a right answer to it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: GooseMethod,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) good: u16,
    /// A right answer has this in its body.
    pub(crate) contains: String,
}

const ITEMS: f64 = 400.0;
const TENANTS: usize = 200;

impl Operation {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Search => "search",
            Self::Order => "order",
            Self::Login => "login",
            Self::Report => "report",
            Self::Health => "health",
            Self::Work => "work",
            Self::Crowd => "crowd",
        }
    }

    /// The request with this number, of this user, in this second of the run. The upstream echoes it.
    pub(crate) fn asked(self, number: u64, user: usize, second: u64) -> Asked {
        let get = GooseMethod::Get;
        let (method, path, upstream, good) = match self {
            Self::Read => {
                let item = (unit(number).powi(3) * ITEMS) as u64;
                (get, format!("/api/items/{item}"), "header=cache-control:max-age=5; delay=5ms", 200)
            }
            Self::Search => {
                (get, format!("/api/search?q={number}"), "header=cache-control:no-store; delay=10ms", 200)
            }
            Self::Order => (GooseMethod::Post, "/orders".to_owned(), "status=201; delay=5ms", 201),
            Self::Login => (GooseMethod::Post, "/login".to_owned(), "delay=5ms", 200),
            Self::Report => (get, format!("/reports/{number}"), "delay=100ms", 200),
            Self::Health => (get, "/healthz".to_owned(), "", 200),
            Self::Work => (get, "/work".to_owned(), "", 200),
            Self::Crowd => {
                (get, format!("/api/page/{second}"), "header=cache-control:max-age=60; delay=50ms", 200)
            }
        };
        let mut headers = Vec::new();
        if self == Self::Report {
            headers.push(("x-tenant", format!("tenant-{}", user % TENANTS)));
        }
        if !upstream.is_empty() {
            headers.push(("x-upstream", upstream.to_owned()));
        }
        let contains = if self == Self::Work { "worked".to_owned() } else { format!("\"{path}\"") };
        Asked { method, path, headers, good, contains }
    }
}

/// A number from 0 up to 1 that looks random (`SplitMix64`).
fn unit(number: u64) -> f64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
