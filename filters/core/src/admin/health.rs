//! How well the process is, from how well its parts are.
//!
//! # How
//!
//! A component is healthy, degraded or unhealthy; one that is essential takes the whole with it, any other only
//! degrades it. Readiness is another question: whether new traffic should come here, which a healthy process that drains says
//! no to, and a degraded one yes.
//!
//! # Limits
//!
//! Since when something is so is known from the first look on that saw it ([`Since`]).

use crate::plane::{Facts, Overload};
use crate::time::MonoTime;
use crate::vec_map::VecMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How well something is; the worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All is well.
    Healthy,
    /// Somebody should look.
    Degraded,
    /// It does not do what it is for.
    Unhealthy,
}

impl State {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One part of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// How well it is.
    pub state: State,
    /// Whether the whole is unhealthy when it is.
    pub essential: bool,
    /// What there is to know.
    pub details: Value,
}

/// How well the whole is.
pub fn overall(components: &[Component]) -> State {
    let effect = |component: &Component| match component.state {
        State::Unhealthy if !component.essential => State::Degraded,
        state => state,
    };
    components.iter().map(effect).max().unwrap_or(State::Healthy)
}

/// What the facts about the process say of its parts.
pub fn components_of(facts: &Facts) -> Vec<Component> {
    let component =
        |name: &str, state, details| Component { name: name.to_owned(), state, essential: false, details };
    let overload = match facts.overload {
        Overload::None => State::Healthy,
        Overload::Elevated | Overload::High => State::Degraded,
        Overload::Critical => State::Unhealthy,
    };
    let breakers = if facts.critical_breaker_open { State::Unhealthy } else { State::Healthy };
    let drain = if facts.draining { State::Degraded } else { State::Healthy };
    vec![
        component("overload", overload, json!({ "level": facts.overload.level() })),
        component("critical-breakers", breakers, json!({ "open": facts.critical_breaker_open })),
        component("drain", drain, json!({ "draining": facts.draining })),
    ]
}

/// Why no new traffic should come; empty: it should.
pub fn reasons_against<'c>(facts: &Facts, failed_checks: impl IntoIterator<Item = &'c str>) -> Vec<String> {
    let fact = |holds: bool, reason: &str| holds.then(|| reason.to_owned());
    [
        fact(facts.draining, "draining"),
        fact(facts.critical_breaker_open, "critical_breaker_open"),
        fact(facts.overload == Overload::Critical, "overload_level_3"),
    ]
    .into_iter()
    .flatten()
    .chain(failed_checks.into_iter().map(|name| format!("check_failed:{name}")))
    .collect()
}

/// Since when each component is what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since(VecMap<String, (State, u64)>);

impl Since {
    /// The value in these bytes; what is none is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(|bytes| crate::config::from_json(bytes).ok()).unwrap_or_default()
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Takes in what is so at `now`; whether that is news. Components that are not there any more are forgotten.
    pub fn update(&mut self, components: &[Component], now: MonoTime) -> bool {
        let earlier = core::mem::take(&mut self.0);
        for Component { name, state, .. } in components {
            let since = self.known(&earlier, name, *state).unwrap_or(now.as_nanos());
            self.0.insert(name.clone(), (*state, since));
        }
        self.0 != earlier
    }

    fn known(&self, earlier: &VecMap<String, (State, u64)>, name: &str, state: State) -> Option<u64> {
        earlier.get(name).filter(|(known, _)| *known == state).map(|(_, since)| *since)
    }

    /// Since when a component has been in this state; `None`: nobody has seen it so yet.
    pub fn of(&self, component: &Component) -> Option<MonoTime> {
        self.known(&self.0, &component.name, component.state).map(MonoTime::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn component(name: &str, state: State, essential: bool) -> Component {
        Component { name: name.to_owned(), state, essential, details: Value::Null }
    }

    #[test]
    fn what_is_essential_takes_the_whole_with_it() {
        use State::{Degraded, Healthy, Unhealthy};
        for (components, expected) in [
            (&[][..], Healthy),
            (&[(Healthy, true), (Healthy, false)], Healthy),
            (&[(Degraded, true)], Degraded),
            (&[(Degraded, false), (Healthy, true)], Degraded),
            (&[(Unhealthy, false), (Healthy, true)], Degraded),
            (&[(Unhealthy, true), (Healthy, true)], Unhealthy),
        ] {
            let components: Vec<_> =
                components.iter().map(|(state, essential)| component("a", *state, *essential)).collect();
            assert_eq!(overall(&components), expected, "{components:?}");
        }
    }

    #[test]
    fn readiness_names_every_reason_against() {
        let facts = Facts { overload: Overload::Critical, draining: true, critical_breaker_open: true };
        let all = ["draining", "critical_breaker_open", "overload_level_3", "check_failed:db"];
        assert_eq!(reasons_against(&facts, ["db"]), all);
        let high = Facts { overload: Overload::High, ..Facts::default() };
        assert!(reasons_against(&high, []).is_empty());
        assert_eq!(components_of(&facts).iter().map(|part| part.state).max(), Some(State::Unhealthy));
        assert_eq!(overall(&components_of(&facts)), State::Degraded, "the process itself still works");
    }

    #[test]
    fn since_when_is_kept_until_the_state_changes() {
        let mut since = Since::default();
        let (a, b) = (component("a", State::Healthy, false), component("b", State::Degraded, false));
        assert!(since.update(&[a.clone(), b.clone()], MonoTime::from_nanos(5)));
        assert!(!since.update(&[a.clone(), b.clone()], MonoTime::from_nanos(9)));
        let worse = component("a", State::Unhealthy, false);
        assert_eq!((since.of(&a), since.of(&worse)), (Some(MonoTime::from_nanos(5)), None));
        assert!(since.update(core::slice::from_ref(&worse), MonoTime::from_nanos(11)));
        assert_eq!((since.of(&worse), since.of(&b)), (Some(MonoTime::from_nanos(11)), None));
        assert_eq!(Since::read(Some(&since.encode())), since);
        assert_eq!(Since::read(Some(b"foreign")), Since::default());
    }
}
