//! Something that a request has.

use super::raw::RawCondition;
use crate::matching::{Needs, Request};

/// Where a [`Condition`] looks.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Header(String),
    Cookie(String),
    Query(String),
}

/// A header, a cookie or a parameter of the query that a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    place: Place,
    value: Option<String>,
}

impl Condition {
    /// Whether it applies to a request. Of what comes several times any may.
    pub fn applies(&self, request: &impl Request) -> bool {
        let wanted = |value: &[u8]| self.value.as_ref().is_none_or(|wanted| value == wanted.as_bytes());
        match &self.place {
            Place::Header(name) => request.header(name).is_some_and(|value| wanted(&value)),
            Place::Cookie(name) => request.header("cookie").is_some_and(|cookies| {
                cookies
                    .split(|byte| *byte == b';')
                    .map(<[u8]>::trim_ascii)
                    .any(|cookie| named(cookie, name).is_some_and(wanted))
            }),
            Place::Query(name) => request.header(":path").is_some_and(|path| {
                let query = path.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
                query.split(|byte| *byte == b'&').any(|parameter| {
                    parameter == name.as_bytes() && self.value.is_none()
                        || named(parameter, name).is_some_and(wanted)
                })
            }),
        }
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        needs.header(match &self.place {
            Place::Header(name) => name,
            Place::Cookie(_) => "cookie",
            Place::Query(_) => ":path",
        });
    }
}

/// The value of `name=value`.
fn named<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

impl TryFrom<RawCondition> for Condition {
    type Error = &'static str;

    fn try_from(raw: RawCondition) -> Result<Self, Self::Error> {
        let place = match (raw.header, raw.cookie, raw.query) {
            (Some(name), None, None) => Place::Header(name.as_str().to_owned()),
            (None, Some(name), None) if !name.is_empty() => Place::Cookie(name),
            (None, None, Some(name)) if !name.is_empty() => Place::Query(name),
            _ => return Err("exactly one of header, cookie and query, and not empty, is needed"),
        };
        Ok(Self { place, value: raw.value })
    }
}
