//! What a store says.

use serde_json::Value;

/// What a store has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// The value of the key, and the tag by which it can be asked for again.
    Value(&'a [u8], Option<&'a str>),
    /// The value is the one that is known.
    Unchanged,
    /// The key has no value.
    Absent,
    /// What was asked for is done.
    Done,
    /// Somebody else has the lock.
    Taken,
    /// Nothing that can be understood, or that it failed.
    Failed,
}

impl<'a> Said<'a> {
    pub(super) fn to_get(status: u16, tag: Option<&'a [u8]>, body: &'a [u8]) -> Self {
        match status {
            200 => Self::Value(body, tag.and_then(|tag| core::str::from_utf8(tag).ok())),
            304 => Self::Unchanged,
            404 | 410 => Self::Absent,
            _ => Self::Failed,
        }
    }

    /// `{"SET": [true, "OK"]}`, `{"SET": null}` where a condition does not hold, a number, or `[false, "ERR …"]`.
    pub(super) fn by_webdis(status: u16, body: &[u8]) -> Self {
        let said = serde_json::from_slice::<Value>(body).ok().filter(|_| status == 200);
        let value = said.as_ref().and_then(Value::as_object).and_then(|object| object.values().next());
        match value {
            Some(Value::Null) => Self::Taken,
            Some(Value::Number(_)) => Self::Done,
            Some(Value::Array(parts)) if parts.first() == Some(&Value::Bool(true)) => Self::Done,
            _ => Self::Failed,
        }
    }

    pub(super) const fn to_put(status: u16) -> Self {
        match status {
            200..=299 | 404 => Self::Done,
            // S3 says 409 where two come at once.
            409 | 412 => Self::Taken,
            _ => Self::Failed,
        }
    }
}
