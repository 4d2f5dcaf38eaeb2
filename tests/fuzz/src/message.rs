//! Inputs that are messages: field lines as text, so that a corpus can be read.

use ballast_core::matching::{Property, Request};
use ballast_core::response_cache::rules::{Line, Now};
use ballast_core::time::{MonoTime, WallTime};
use std::borrow::Cow;

/// The parts of an input, which an empty line separates.
pub(crate) fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.windows(2).position(|pair| pair == b"\n\n");
    at.map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + 2..]))
}

/// The lines of a text; none of an empty one.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// Field lines: `name: value`. The colon that begins a pseudo header is part of its name.
pub(crate) fn fields(text: &[u8]) -> Vec<Line<'_>> {
    let field = |line| {
        let from = usize::from(<[u8]>::first(line) == Some(&b':'));
        let at = line[from..].iter().position(|byte| *byte == b':').map(|at| at + from);
        at.map_or((line, &b""[..]), |at| (&line[..at], line[at + 1..].trim_ascii()))
    };
    lines(text).map(field).collect()
}

/// A request of such lines. What a proxy knows besides are lines that begin with `@`.
pub(crate) struct Lines<'a>(pub(crate) Vec<Line<'a>>);

impl Lines<'_> {
    fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Borrowed(*value))
    }
}

impl Request for Lines<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.get(name.as_bytes())
    }

    fn property(&self, property: &Property) -> Option<Cow<'_, [u8]>> {
        self.get(match property {
            Property::SourceAddress => b"@source",
            Property::RouteName => b"@route",
            Property::ClusterName => b"@cluster",
            Property::RouteMetadata(_) => b"@metadata",
            Property::Direction => b"@direction",
            Property::PeerIdentity => b"@peer",
            Property::Path(_) => b"@path",
        })
    }
}

/// Sat, 21 Nov 2026 00:00:00 GMT, and a process that is two hours old.
pub(crate) fn now() -> Now {
    Now { mono: MonoTime::from_millis(7_200_000), wall: WallTime::from_unix_nanos(1_795_219_200_000_000_000) }
}
