//! What is limited.

use ballast_core::rate_limit::global::wire::Entry;
use std::str::FromStr;
use std::time::Duration;

/// The units of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Unit {
    /// A second.
    Second = 1,
    /// Sixty of them.
    Minute = 2,
    /// Sixty minutes.
    Hour = 3,
    /// A day.
    Day = 4,
    /// 365 days.
    Year = 6,
}

impl Unit {
    /// How long it is.
    #[must_use]
    pub const fn window(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Year => 31_536_000,
        })
    }
}

/// How many in which time, for each descriptor that has an entry of this key and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The key of the entry.
    pub key: String,
    /// Its value.
    pub value: String,
    /// How many.
    pub requests: u32,
    /// In which time.
    pub unit: Unit,
}

/// Why a text is no limit.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no limit: write it like `limit=api:100/minute` (second, minute, hour, day, year)")]
pub struct NoLimit(String);

impl FromStr for Limit {
    type Err = NoLimit;

    fn from_str(text: &str) -> Result<Self, NoLimit> {
        let read = || {
            let (entry, rate) = text.rsplit_once(':')?;
            let (key, value) = entry.split_once('=')?;
            let (requests, unit) = rate.split_once('/')?;
            let unit = match unit {
                "second" => Unit::Second,
                "minute" => Unit::Minute,
                "hour" => Unit::Hour,
                "day" => Unit::Day,
                "year" => Unit::Year,
                _ => return None,
            };
            Some(Self {
                key: key.to_owned(),
                value: value.to_owned(),
                requests: requests.parse().ok()?,
                unit,
            })
        };
        read().ok_or_else(|| NoLimit(text.to_owned()))
    }
}

/// All limits. What none of them is for is unlimited.
#[derive(Clone, Debug, Default)]
pub struct Limits(pub Vec<Limit>);

impl Limits {
    /// The first limit that is for a descriptor.
    #[must_use]
    pub fn of(&self, entries: &[Entry]) -> Option<&Limit> {
        let is_for =
            |limit: &&Limit| entries.iter().any(|entry| entry.key == limit.key && entry.value == limit.value);
        self.0.iter().find(is_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_an_entry_and_a_rate() {
        let limit: Limit = "limit=api:100/minute".parse().unwrap();
        assert_eq!((limit.key.as_str(), limit.value.as_str()), ("limit", "api"));
        assert_eq!((limit.requests, limit.unit), (100, Unit::Minute));
        for text in ["", "limit=api", "limit:100/minute", "limit=api:x/minute", "limit=api:1/week"] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_no_limit_is_for_is_unlimited() {
        let limits = Limits(vec!["limit=api:100/minute".parse().unwrap()]);
        let entry = |key: &str, value: &str| Entry { key: key.to_owned(), value: value.to_owned() };
        assert!(limits.of(&[entry("other", "x"), entry("limit", "api")]).is_some());
        assert!(limits.of(&[entry("limit", "web")]).is_none());
    }
}
