//! What HTTP allows a cache, held against a second source of truth: messages are generated from a grammar together with
//! what they mean, and the rules must read that meaning back from their text.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::response_cache::rules::{Candidate, Failure, on_failure};
use ballast_core::response_cache::rules::{
    Directives, Exchange, Fields, Line, Lookup, MAX_SECONDS, Now, Policy, Refused, Request, Scope, Seconds,
    Served, Source, control, initial_age, lifetime, lookup, on_response,
};
use ballast_core::time::{MonoTime, WallTime};
use core::time::Duration;
use proptest::prelude::*;
use response_cache_support::written_date;

mod response_cache_support;

/// Sat, 21 Nov 2026 00:00:00 GMT
const TODAY: i64 = 1_795_219_200;

fn now(millis: u64) -> Now {
    let wall = WallTime::from_unix_nanos((TODAY.unsigned_abs() * 1_000 + millis) * 1_000_000);
    Now { mono: MonoTime::from_millis(7_000_000 + millis), wall }
}

fn with_fields<T>(lines: &[(String, String)], then: impl FnOnce(Fields<'_>) -> T) -> T {
    let lines: Vec<Line<'_>> =
        lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    then(Fields::new(&lines))
}

/// A directive's value with a way to write it.
#[derive(Clone, Debug)]
enum Number {
    Valid { seconds: u64, zeros: usize, is_quoted: bool },
    Invalid(String),
}

impl Number {
    fn meaning(&self) -> Seconds {
        match self {
            Self::Valid { seconds, .. } => {
                Seconds::Given(u32::try_from((*seconds).min(MAX_SECONDS.into())).unwrap())
            }
            Self::Invalid(_) => Seconds::Invalid,
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Valid { seconds, zeros, is_quoted } => {
                let digits = format!("{}{seconds}", "0".repeat(*zeros));
                if *is_quoted { format!("=\"{digits}\"") } else { format!("={digits}") }
            }
            Self::Invalid(text) => text.clone(),
        }
    }
}

fn number() -> impl Strategy<Value = Number> {
    let seconds = prop_oneof![0_u64..200, Just(1 << 31), Just((1 << 31) + 1), any::<u64>()];
    let valid = (seconds, 0_usize..4, any::<bool>()).prop_map(|(seconds, zeros, is_quoted)| Number::Valid {
        seconds,
        zeros,
        is_quoted,
    });
    let invalid = prop::sample::select(vec![
        "", "=", "=-1", "=+1", "=1.0", "=1.5", "=x", "=1x", "='1'", "=\"\"", "=\" 1\"", "=\"-1\"", "=0x1",
        "=1e2",
    ]);
    prop_oneof![4 => valid, 1 => invalid.prop_map(|text| Number::Invalid(text.to_owned()))]
}

/// One directive with what it means.
#[derive(Clone, Debug)]
enum Directive {
    MaxAge(Number),
    SMaxAge(Number),
    WhileRevalidate(Number),
    IfError(Number),
    NoCache(Option<Vec<String>>),
    Private(Option<Vec<String>>),
    /// One that has no argument.
    Word(&'static str),
    Unknown(String),
}

impl Directive {
    fn written(&self) -> String {
        let named = |names: &Option<Vec<String>>| {
            names.as_ref().map(|names| format!("=\"{}\"", names.join(", "))).unwrap_or_default()
        };
        match self {
            Self::MaxAge(number) => format!("max-age{}", number.written()),
            Self::SMaxAge(number) => format!("s-maxage{}", number.written()),
            Self::WhileRevalidate(number) => format!("stale-while-revalidate{}", number.written()),
            Self::IfError(number) => format!("stale-if-error{}", number.written()),
            Self::NoCache(names) => format!("no-cache{}", named(names)),
            Self::Private(names) => format!("private{}", named(names)),
            Self::Word(word) => (*word).to_owned(),
            Self::Unknown(text) => text.clone(),
        }
    }
}

fn directive() -> impl Strategy<Value = Directive> {
    let names = || prop::option::of(prop::collection::vec("[a-z][a-z0-9-]{0,6}", 1..3));
    // Of these, none is a directive, whatever they quote.
    let unknown = prop::sample::select(vec![
        "foo",
        "foo=bar",
        "foo=\"max-age=60\"",
        "foo=\"a, no-store, private\"",
        "foo=\"\\\", max-age=5\"",
        "max-agex=5",
        "x-no-store",
        "no-store-x=1",
    ]);
    let words = prop::sample::select(vec![
        "no-store",
        "must-revalidate",
        "proxy-revalidate",
        "must-understand",
        "public",
        "immutable",
    ]);
    prop_oneof![
        6 => words.prop_map(Directive::Word),
        4 => number().prop_map(Directive::MaxAge),
        2 => number().prop_map(Directive::SMaxAge),
        1 => number().prop_map(Directive::WhileRevalidate),
        1 => number().prop_map(Directive::IfError),
        1 => names().prop_map(Directive::NoCache),
        1 => names().prop_map(Directive::Private),
        2 => unknown.prop_map(|text| Directive::Unknown(text.to_owned())),
    ]
}

/// `Cache-Control` as lines: the directives, how each is written, and where a line ends.
fn cache_control() -> impl Strategy<Value = (Vec<Directive>, Vec<String>)> {
    let padding = || prop::sample::select(vec!["", " ", "\t", "  ", ",", " , "]);
    let member = (directive(), any::<u64>(), padding(), padding(), any::<bool>());
    prop::collection::vec(member, 0..7).prop_map(|members| {
        let mut lines = vec![String::new()];
        let mut directives = Vec::new();
        for (directive, case, before, after, ends_line) in members {
            let line = lines.last_mut().unwrap();
            if !line.is_empty() {
                line.push(',');
            }
            line.push_str(before);
            for (at, letter) in directive.written().chars().enumerate() {
                // Names of directives and fields know no case.
                let is_upper = case >> (at % 64) & 1 == 1 && !matches!(directive, Directive::Unknown(_));
                line.push(if is_upper { letter.to_ascii_uppercase() } else { letter });
            }
            line.push_str(after);
            if ends_line {
                lines.push(String::new());
            }
            directives.push(directive);
        }
        (directives, lines)
    })
}

/// What several occurrences of a number mean together (RFC 9111, section 4.2.1).
fn together<'a>(numbers: impl Iterator<Item = &'a Number>) -> Seconds {
    let mut meanings: Vec<Seconds> = numbers.map(Number::meaning).collect();
    meanings.dedup();
    match meanings.as_slice() {
        [] => Seconds::Absent,
        [one] => *one,
        _ => Seconds::Invalid,
    }
}

fn scope<'a>(all: impl Iterator<Item = &'a Option<Vec<String>>>) -> Scope {
    let mut fields: Option<Vec<String>> = None;
    for names in all {
        match names {
            None => return Scope::Whole,
            Some(names) => fields.get_or_insert_default().extend(names.iter().cloned()),
        }
    }
    fields.map_or(Scope::Absent, Scope::Fields)
}

fn meaning(list: &[Directive]) -> Directives {
    macro_rules! all {
        ($kind:ident) => {
            list.iter().filter_map(|d| if let Directive::$kind(inner) = d { Some(inner) } else { None })
        };
    }
    let has = |word: &str| list.iter().any(|directive| directive.written() == word);
    Directives {
        max_age: together(all!(MaxAge)),
        s_maxage: together(all!(SMaxAge)),
        stale_while_revalidate: together(all!(WhileRevalidate)),
        stale_if_error: together(all!(IfError)),
        no_store: has("no-store"),
        must_revalidate: has("must-revalidate"),
        proxy_revalidate: has("proxy-revalidate"),
        must_understand: has("must-understand"),
        public: has("public"),
        immutable: has("immutable"),
        no_cache: scope(all!(NoCache)),
        private: scope(all!(Private)),
        ..Directives::default()
    }
}

/// A response with what it means: its directives, and the seconds from now that `Date`, `Expires` and `Last-Modified` name.
#[derive(Clone, Debug)]
struct Message {
    status: u16,
    directives: Vec<Directive>,
    lines: Vec<(String, String)>,
    date: Option<i64>,
    expires: Option<Option<i64>>,
    modified: Option<i64>,
    age: Option<u64>,
}

fn message() -> impl Strategy<Value = Message> {
    let status = prop::sample::select(vec![200_u16, 203, 204, 299, 301, 302, 304, 404, 412, 429, 500, 503]);
    let age = prop::option::of(prop_oneof![0_u64..300, any::<u64>()]);
    let seconds = -5_000_i64..5_000;
    let expires = prop::option::of(prop::option::weighted(0.8, seconds.clone()));
    let dates = (prop::option::of(seconds.clone()), expires, prop::option::of(seconds));
    let form = prop::collection::vec(0_usize..3, 3);
    (status, cache_control(), dates, age, form).prop_map(|(status, (directives, cc), dates, age, form)| {
        let (date, expires, modified) = dates;
        let mut lines: Vec<(String, String)> =
            cc.into_iter().map(|line| ("cache-control".to_owned(), line)).collect();
        let mut push = |name: &str, value: String| lines.push((name.to_owned(), value));
        if let Some(date) = date {
            push("date", written_date(TODAY + date, form[0]));
        }
        if let Some(expires) = expires {
            let bad = || "0".to_owned();
            push("expires", expires.map_or_else(bad, |at| written_date(TODAY + at, form[1])));
        }
        if let Some(modified) = modified {
            push("last-modified", written_date(TODAY + modified, form[2]));
        }
        if let Some(age) = age {
            push("age", age.to_string());
        }
        Message { status, directives, lines, date, expires, modified, age }
    })
}

impl Message {
    fn expected_lifetime(&self) -> (u64, Source) {
        let meaning = meaning(&self.directives);
        let (date, modified) = (self.date.unwrap_or(0), self.modified.unwrap_or(i64::MAX));
        let ahead = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
        match (meaning.s_maxage, meaning.max_age, self.expires) {
            (Seconds::Given(seconds), ..) => (seconds.into(), Source::SMaxAge),
            (Seconds::Invalid, ..) => (0, Source::SMaxAge),
            (_, Seconds::Given(seconds), _) => (seconds.into(), Source::MaxAge),
            (_, Seconds::Invalid, _) => (0, Source::MaxAge),
            (_, _, Some(expires)) => (expires.map_or(0, |at| ahead(at - date)), Source::Expires),
            _ => {
                let may_guess = matches!(self.status, 200 | 203 | 204 | 301 | 404) || meaning.public;
                let tenth = ahead(date.saturating_sub(modified)) / 10;
                match (may_guess, tenth) {
                    (false, _) | (_, 0) => (0, Source::Nobody),
                    (true, seconds) => (seconds, Source::Heuristic),
                }
            }
        }
    }

    fn expected_age(&self, delay: u64) -> u64 {
        let apparent = u64::try_from(-self.date.unwrap_or(0)).unwrap_or(0);
        apparent.max(self.age.unwrap_or(0).min(1 << 31) + delay)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// RFC 9111, section 5.2.
    #[test]
    fn directives_mean_what_they_were_written_for((list, lines) in cache_control()) {
        let read = Directives::parse(lines.iter().map(String::as_bytes));
        prop_assert_eq!(read, meaning(&list));
        // Envoy joins lines without a space.
        let joined = lines.join(",");
        prop_assert_eq!(Directives::parse([joined.as_bytes()]), meaning(&list));
    }

    /// RFC 9111, section 5.2.2.5: heeded among anything that is no quoted string.
    #[test]
    fn no_store_is_found_among_anything_unquoted(before in "[ -!#-~]{0,20}", after in "[ -!#-~]{0,20}", tail in ".{0,20}") {
        for value in [format!("{before},no-store,{after}"), format!("{before} , No-Store"), format!("{before},no-store,{tail}")] {
            prop_assert!(Directives::parse([value.as_bytes()]).no_store, "{}", value);
        }
    }

    /// RFC 9111, sections 4.2.1 to 4.2.3.
    #[test]
    fn lifetimes_and_ages_are_what_the_message_means(message in message(), delay in 0_u64..9) {
        let (policy, now) = (Policy::default(), now(0));
        let found = with_fields(&message.lines, |fields| {
            lifetime(message.status, fields, &control(fields, &policy.targeted), &policy, now)
        });
        prop_assert_eq!((found.span.as_secs(), found.source), message.expected_lifetime());
        let sent = now.mono.before(Duration::from_secs(delay));
        let age = with_fields(&message.lines, |fields| initial_age(fields, sent, now));
        prop_assert_eq!(age.as_secs(), message.expected_age(delay));
    }

    /// RFC 9111, sections 3, 4 and 4.2.4: whatever an answer says, what forbids is obeyed.
    #[test]
    fn what_is_served_may_be_stored_and_is_fresh_or_allowed_to_be_stale(
        message in message(),
        is_authorized in any::<bool>(),
        asked in cache_control(),
        later in 0_u64..400_000,
    ) {
        let meant = meaning(&message.directives);
        let mut lines: Vec<(String, String)> = [(":method", "GET"), (":authority", "a"), (":path", "/")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        if is_authorized {
            lines.push(("authorization".to_owned(), "x".to_owned()));
        }
        let policy = Policy::default();
        let plan = with_fields(&lines, |fields| {
            let request = Request::read(fields, false, true);
            with_fields(&message.lines, |response| {
                let exchange = Exchange { request: &request, status: message.status, response, sent: now(0).mono, now: now(0) };
                on_response(&exchange, &policy).map(|plan| plan.stored)
            })
        });
        let is_forbidden = meant.private == Scope::Whole
            || meant.no_store && !meant.must_understand
            || matches!(message.status, 304 | 412 | 429)
            || meant.must_understand && message.status == 299;
        if is_forbidden {
            prop_assert!(plan.is_err());
        }
        let is_shared = meant.public || meant.must_revalidate || meant.s_maxage != Seconds::Absent;
        if !is_forbidden && is_authorized && !is_shared {
            prop_assert_eq!(plan.clone(), Err(Refused::Authorization));
        }
        let Ok(stored) = plan else { return Ok(()) };
        lines.retain(|(name, _)| name != "authorization");
        lines.extend(asked.1.iter().map(|line| ("cache-control".to_owned(), line.clone())));
        let asked = meaning(&asked.0);
        let at = now(later);
        // The age in milliseconds, and how long the answer was meant to be fresh.
        let age = message.expected_age(0) * 1_000 + later;
        let fresh = message.expected_lifetime().0 * 1_000;
        let may_be_stale = !meant.must_revalidate && !meant.proxy_revalidate
            && meant.s_maxage == Seconds::Absent && meant.no_cache != Scope::Whole;
        let window = |seconds: Seconds| u64::from(seconds.given().unwrap_or(0)) * 1_000;
        with_fields(&lines, |fields| {
            let request = Request::read(fields, false, true);
            let candidate = Candidate { stored: &stored, fields: Fields::default(), length: 0, is_marked_stale: false };
            match lookup(&request, Some(candidate), false, &policy, at) {
                Lookup::Serve(serve) => {
                    prop_assert!(meant.no_cache != Scope::Whole && asked.no_cache == Scope::Absent);
                    prop_assert_eq!(serve.age_seconds, age / 1_000);
                    match serve.served {
                        Served::Fresh => prop_assert!(age < fresh),
                        Served::StaleWhileRevalidate => {
                            prop_assert!(may_be_stale && age >= fresh);
                            prop_assert!(age - fresh <= window(meant.stale_while_revalidate));
                        }
                        other => prop_assert!(false, "{:?}", other),
                    }
                    if let Seconds::Given(most) = asked.max_age {
                        prop_assert!(age <= u64::from(most) * 1_000 || meant.immutable && age < fresh);
                    }
                }
                Lookup::Fetch(_) => {
                    let is_asked = asked.no_cache != Scope::Absent || asked.max_age != Seconds::Absent;
                    prop_assert!(age >= fresh || is_asked || meant.no_cache == Scope::Whole);
                }
                Lookup::Unavailable => prop_assert!(false),
            }
            if on_failure(&request, &stored, Failure::Status(503), at) {
                let longest = window(meant.stale_if_error).max(window(asked.stale_if_error));
                prop_assert!(may_be_stale && age.saturating_sub(fresh) <= longest);
            }
            Ok(())
        })?;
    }
}
