//! The orders by which a filter's state is taken out of one process and put into another: `export` and `restore`.
//!
//! State goes in parts of at most 512 KiB, each a JSON object with a version. What is in a part is the filter's business; whoever
//! keeps them asks for one after the other until there is no next.

use super::{Refusal, answer, arguments};
use crate::config::{from_value, json_value};
use crate::slots::{Fingerprint, Secret};
use crate::time::WallTime;
use core::time::Duration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of all parts. Another is refused.
pub const SNAPSHOT_VERSION: u64 = 1;

#[derive(Serialize)]
struct Exported<'a, P, C> {
    version: u64,
    part: &'a P,
    next: Option<C>,
}

/// What has come of putting a part back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// What is there again.
    pub restored: u64,
    /// What was left out: of no rule here, of no use any more, or known already.
    pub skipped: u64,
}

/// Where an export is to go on; from the start if it does not say.
///
/// # Errors
///
/// The arguments are wrong.
pub fn cursor<C: DeserializeOwned + Default>(bytes: &[u8]) -> Result<C, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments<C> {
        cursor: Option<C>,
    }
    impl<C> Default for Arguments<C> {
        fn default() -> Self {
            Self { cursor: None }
        }
    }
    let read: Arguments<C> = arguments(bytes)?;
    Ok(read.cursor.unwrap_or_default())
}

/// The answer to an export.
///
/// # Errors
///
/// It is no JSON, which would be a fault of the filter's.
pub fn exported<P: Serialize, C: Serialize>(part: &P, next: Option<C>) -> Result<Vec<u8>, Refusal> {
    answer(&Exported { version: SNAPSHOT_VERSION, part, next })
}

/// The part that a restore is about.
///
/// # Errors
///
/// There is none, or one of another version.
pub fn part<P: DeserializeOwned>(bytes: &[u8]) -> Result<P, Refusal> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    #[derive(Deserialize)]
    struct Arguments<P> {
        part: P,
    }
    let invalid = |reason: String| format!("invalid arguments: {reason}");
    let value = json_value(bytes).map_err(invalid)?;
    let Version { version } = from_value(&value).map_err(invalid)?;
    if version != SNAPSHOT_VERSION {
        return Err(format!("invalid arguments: version: `{version}` is not {SNAPSHOT_VERSION}"));
    }
    from_value(&value).map(|Arguments { part }| part).map_err(invalid)
}

/// The secret as a part says it.
pub fn seed(secret: &Secret) -> String {
    Fingerprint(u128::from_le_bytes(secret.0)).to_string()
}

/// The secret that a part says.
///
/// # Errors
///
/// It says none.
pub fn secret(seed: &str) -> Result<Secret, Refusal> {
    let secret = Fingerprint::parse(seed).map(|seed| Secret(seed.0.to_le_bytes()));
    secret.ok_or_else(|| "invalid arguments: part.seed: not 32 hexadecimal digits".to_owned())
}

/// How long ago something was taken. A wall clock that went back says: just now.
pub fn age(taken_unix_ms: u64, wall: WallTime) -> Duration {
    let taken_nanos = taken_unix_ms.saturating_mul(1_000_000);
    Duration::from_nanos(wall.as_unix_nanos().saturating_sub(taken_nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_part_comes_back_as_it_went() {
        let exported = exported(&vec![1, 2], Some(7)).unwrap();
        assert_eq!(exported, br#"{"version":1,"part":[1,2],"next":7}"#);
        assert_eq!(part::<Vec<u8>>(&exported), Ok(vec![1, 2]));
        assert_eq!((cursor::<u8>(b""), cursor::<u8>(br#"{"cursor": 7}"#)), (Ok(0), Ok(7)));
        assert_eq!(cursor::<u8>(br#"{"cursor": null}"#), Ok(0));
    }

    #[test]
    fn what_is_no_part_of_this_version_is_refused() {
        for (arguments, reason) in [
            (r#"{"version": 2, "part": []}"#, "version: `2` is not 1"),
            (r#"{"part": []}"#, "missing field `version`"),
            (r#"{"version": 1}"#, "missing field `part`"),
            (r#"{"version": 1, "part": {}}"#, "invalid type: map"),
            ("", "EOF"),
        ] {
            let refused = part::<Vec<u8>>(arguments.as_bytes()).unwrap_err();
            assert!(refused.starts_with(&format!("invalid arguments: {reason}")), "{refused}");
        }
        assert!(cursor::<u8>(br#"{"from": 1}"#).is_err());
    }

    #[test]
    fn a_part_knows_its_secret_and_its_age() {
        let known = Secret([3; 16]);
        assert_eq!(secret(&seed(&known)), Ok(known));
        assert!(secret("x").is_err());
        assert_eq!(age(5_000, WallTime::from_unix_nanos(7_000_000_000)), Duration::from_secs(2));
        assert_eq!(age(5_000, WallTime::from_unix_nanos(0)), Duration::ZERO);
    }
}
