//! What operators order: that what clients have used up is forgotten.
//!
//! # How
//!
//! The worker that leads clears the shared state, every worker drops what it holds in advance of it. A whole limit is cleared
//! [`SETS_AT_ONCE`] sets at a time, so that no worker is away from its requests for long: the answer says where to go on.
//!
//! # Limits
//!
//! What a request in flight gets back later goes to a client that has used up nothing, which changes nothing. A worker that has not heard of
//! the order yet may let through what it holds in advance.

use super::config::Limit;
use super::{Algorithm, SetKey};
use crate::orders::{self, Refusal};
use crate::rewrite::{Edit, Edited, Rewrite};
use crate::slots::{Fingerprint, Secret, stored};
use serde::{Deserialize, Serialize};

/// The names of the orders that change something.
pub const ORDERS: [&str; 2] = ["reset", "restore"];
/// How many sets are cleared by one order.
pub const SETS_AT_ONCE: u32 = 16_384;

/// What is to be forgotten of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Everything from this set on.
    All {
        /// The first set.
        from: u32,
    },
    /// These: a client has one for each plan.
    Clients(Vec<Fingerprint>),
}

/// What has come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done<'a> {
    /// The limit.
    pub rule: &'a str,
    /// Clients that are forgotten, by who leads.
    pub cleared: u64,
    /// Clients of which this worker held something in advance.
    pub leases_dropped: usize,
    /// Where to go on; `null`: nothing is left.
    pub next: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Arguments {
    key: Option<Vec<String>>,
    id: Option<String>,
    from: Option<u32>,
}

impl Reset {
    /// What an order with these arguments, a JSON object or nothing, is for.
    ///
    /// # Errors
    ///
    /// The arguments are wrong, or the limit has nothing to forget.
    pub fn read(limit: &Limit, arguments: &[u8], secret: &Secret) -> Result<Self, Refusal> {
        if matches!(limit.algorithm, Algorithm::Concurrency { .. }) {
            let reason = "it counts what is in flight, which ends by itself";
            return Err(format!("invalid arguments: {}: {reason}", limit.name));
        }
        if matches!(limit.algorithm, Algorithm::Elsewhere) {
            let reason = "a service counts it, which is the one to reset";
            return Err(format!("invalid arguments: {}: {reason}", limit.name));
        }
        let invalid = |reason: String| format!("invalid arguments: {reason}");
        match orders::arguments(arguments)? {
            Arguments { key: None, id: None, from } => Ok(Self::All { from: from.unwrap_or(0) }),
            Arguments { key: Some(texts), id: None, from: None } => {
                let clients = limit.clients_of(&texts, secret);
                clients.map(Self::Clients).map_err(|reason| invalid(format!("key: {reason}")))
            }
            Arguments { key: None, id: Some(id), from: None } => {
                let id =
                    Fingerprint::parse(&id).ok_or_else(|| format!("id: `{id}` is not 32 hexadecimal digits"));
                id.map(|id| Self::Clients(vec![id])).map_err(invalid)
            }
            _ => Err(invalid("one of key, id and from".to_owned())),
        }
    }

    /// Whether it is for this client.
    pub fn concerns(&self, client: Fingerprint) -> bool {
        match self {
            Self::All { .. } => true,
            Self::Clients(clients) => clients.contains(&client),
        }
    }

    /// The conversations that do it, and where to go on after them.
    pub fn conversations(
        &self,
        number: u16,
        limit: &Limit,
    ) -> (Vec<Rewrite<SetKey, Forgetting>>, Option<u32>) {
        let forget = |set, client| {
            let (key, algorithm) = (SetKey { limit: number, set }, limit.algorithm);
            Rewrite::new(key, Forgetting { algorithm, client })
        };
        match self {
            Self::All { from } => {
                let end = from.saturating_add(SETS_AT_ONCE).min(limit.table.sets());
                let next = (end < limit.table.sets()).then_some(end);
                ((*from..end).map(|set| forget(set, None)).collect(), next)
            }
            Self::Clients(clients) => {
                let each = clients.iter().map(|client| forget(limit.table.set_of(*client), Some(*client)));
                (each.collect(), None)
            }
        }
    }
}

/// Forgets one client of a set, or all. Ends with how many that were.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Forgetting {
    algorithm: Algorithm,
    client: Option<Fingerprint>,
}

impl Edit for Forgetting {
    type Output = u64;

    fn edit(&self, old: Option<&[u8]>) -> Edited<u64> {
        let Some(bytes) = old else { return Edited::Keep(0) };
        match self.client {
            None => Edited::Replace(Vec::new(), stored(bytes)),
            Some(client) => match self.algorithm.forget(bytes, client) {
                Some(value) => Edited::Replace(value, 1),
                None => Edited::Keep(0),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::*;
    use crate::slots::Set;
    use crate::time::MonoTime;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SECRET: Secret = Secret([7; 16]);

    fn limit(fields: &str) -> Limit {
        let text = format!(r#"{{"limits": [{{"name": "a", {fields}}}]}}"#);
        crate::config::parse::<Config>(text.as_bytes()).unwrap().limits.remove(0)
    }

    fn read(limit: &Limit, arguments: &str) -> Result<Reset, Refusal> {
        Reset::read(limit, arguments.as_bytes(), &SECRET)
    }

    #[test]
    fn a_reset_is_for_all_clients_one_key_or_one_id() {
        let limit = limit(r#""rate": "1/s", "key": ["client_address"]"#);
        let id = "000000000000000000000000000000ff";
        assert_eq!(read(&limit, ""), Ok(Reset::All { from: 0 }));
        assert_eq!(read(&limit, r#"{"from": 5}"#), Ok(Reset::All { from: 5 }));
        assert_eq!(read(&limit, &format!(r#"{{"id": "{id}"}}"#)), Ok(Reset::Clients(vec![Fingerprint(255)])));
        let Ok(Reset::Clients(clients)) = read(&limit, r#"{"key": ["192.0.2.1"]}"#) else { panic!("a key") };
        assert_eq!(clients.len(), 1);
        for (arguments, reason) in [
            (r#"{"id": "1"}"#, "id: `1` is not 32"),
            (r#"{"key": []}"#, "key: 0 values for a key made of client address"),
            (r#"{"key": ["x"]}"#, "key: `x` is no address"),
            (r#"{"key": ["192.0.2.1"], "from": 1}"#, "one of key, id and from"),
            (r#"{"keys": 1}"#, "unknown field `keys`"),
        ] {
            let refused = read(&limit, arguments).unwrap_err();
            assert!(refused.starts_with(&format!("invalid arguments: {reason}")), "{refused}");
        }
    }

    #[test]
    fn a_client_is_forgotten_under_every_plan() {
        let tiers = r#""tiers": {"by": {"header": "x-plan", "trust": {"client_addresses": ["10.0.0.0/8"]}}, "plans": {"gold": {"rate": "9/s"}, "free": {"unlimited": true}}}"#;
        let limit = limit(&format!(r#""rate": "1/s", "key": ["client_address"], {tiers}"#));
        let Ok(Reset::Clients(clients)) = read(&limit, r#"{"key": ["192.0.2.1"]}"#) else { panic!("a key") };
        assert_eq!(clients.len(), 3);
    }

    #[test]
    fn what_is_in_flight_cannot_be_forgotten() {
        let limit = limit(r#""algorithm": "concurrency", "max_concurrent": 1"#);
        assert!(read(&limit, "").unwrap_err().contains("in flight"));
    }

    #[test]
    fn a_large_table_is_cleared_part_by_part() {
        let limit = limit(r#""rate": "1/s", "max_keys": 100000"#);
        let (first, next) = Reset::All { from: 0 }.conversations(0, &limit);
        assert_eq!((first.len(), next), (16_384, Some(16_384)));
        let (last, next) = Reset::All { from: 16_384 }.conversations(0, &limit);
        assert_eq!((last.len(), next), (25_000 - 16_384, None));
        assert_eq!(Reset::All { from: u32::MAX }.conversations(0, &limit).0.len(), 0);
    }

    #[test]
    fn others_in_the_set_are_left_alone() {
        let limit = limit(r#""rate": "1/h""#);
        let Algorithm::TokenBucket(bucket) = limit.algorithm else { panic!("a bucket") };
        let now = MonoTime::from_millis(1_000);
        let mut set = Set::read(None);
        for client in 1..=3 {
            let charged = bucket.charge(None, 1, super::super::token_bucket::Advance::default(), now);
            let super::super::Outcome::Admit { state, .. } = charged else { panic!("must be charged") };
            set.put(Fingerprint(client), state, now);
        }
        let bytes = set.encode();
        let forget = |client| Forgetting { algorithm: limit.algorithm, client }.edit(Some(&bytes));
        let Edited::Replace(two, 1) = forget(Some(Fingerprint(2))) else { panic!("one") };
        assert_eq!(stored(&two), 2);
        assert_eq!(forget(Some(Fingerprint(9))), Edited::Keep(0));
        assert_eq!(forget(None), Edited::Replace(Vec::new(), 3));
    }
}
