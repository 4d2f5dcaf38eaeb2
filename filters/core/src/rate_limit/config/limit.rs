//! One limit, checked, and what it asks.

use super::super::elastic::Elastic;
use super::super::global::Global;
use super::super::global::wire::Entry;
use super::super::{Algorithm, Ask};
use super::asking::Asking;
use super::elastic::elastic;
use super::global::check_alone;
use super::numbers::{Numbers, at, plan_numbers};
use super::raw::{RawAlgorithm, RawCost, RawLimit, RawPlan};
use crate::config::{ConfigError, Mode, Name};
use crate::http::StatusSet;
use crate::key::{KeySpec, MissingPart, OnMissingKey};
use crate::matching::{Matcher, Needs, Request};
use crate::plane::Overload;
use crate::random::Random;
use crate::slots::{Fingerprint, Secret, Table};
use crate::time::MonoTime;
use crate::trust::TrustedHeader;
use crate::units::Share;

/// The most clients one limit remembers at the same time: some 2 GiB of shared data.
const MOST_KEYS: u32 = 1 << 24;

/// A valid limit.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Its name.
    pub name: Name,
    /// Where its clients' states are.
    pub table: Table,
    /// The numbers of a client without a plan, as they hold now.
    pub algorithm: Algorithm,
    /// How they tighten under overload, if they do.
    pub elastic: Option<Elastic>,
    /// The numbers as they are configured.
    whole: Algorithm,
    /// Who counts it in place of this process.
    pub global: Option<Global>,
    /// Which answers count; `None`: all.
    pub charge_when: Option<StatusSet>,
    matcher: Matcher,
    key: KeySpec,
    on_missing_key: OnMissingKey,
    mode: Mode,
    enforce_share: Share,
    tiers: Option<(TrustedHeader, Vec<Plan>)>,
    cost: Option<Cost>,
}

/// A plan's numbers.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    /// As it holds now. `None`: unlimited.
    algorithm: Option<Algorithm>,
    /// As it is configured.
    whole: Option<Algorithm>,
}

/// What a request costs.
#[derive(Clone, Debug)]
pub struct Cost {
    header: TrustedHeader,
    default: u64,
    max: u64,
}

/// What a limit is asked for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: it does not apply, or not to this client.
    Nothing,
    /// This.
    Ask(Ask),
    /// The request lacks a part of the key and is denied.
    Denied(MissingPart),
}

impl Limit {
    /// Whether its decisions take effect.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// What a client is known by whose key is made of these texts, under each plan.
    pub(in crate::rate_limit) fn clients_of(
        &self,
        texts: &[String],
        secret: &Secret,
    ) -> Result<Vec<Fingerprint>, String> {
        let plans = self.tiers.iter().flat_map(|(_, plans)| plans).map(Some);
        let client = |plan: Option<&Plan>| {
            let mut material = Vec::with_capacity(64);
            begin(plan, &mut material);
            self.key.append_texts(texts, &mut material)?;
            Ok(secret.fingerprint(self.name.as_str(), &material))
        };
        core::iter::once(None).chain(plans).map(client).collect()
    }

    /// Who a request counts for, as it is shown.
    pub(super) fn shown(&self, request: &impl Request) -> String {
        self.key.text(request)
    }

    /// Whether some requests are let through that it would refuse, whose responses say so.
    pub fn marks_responses(&self) -> bool {
        self.mode == Mode::Shadow || self.enforce_share != Share::ALL
    }

    /// Whether a refusal of the next request counts.
    pub fn is_enforced(&self, random: &mut impl Random) -> bool {
        self.mode == Mode::Enforce
            && (self.enforce_share == Share::ALL || self.enforce_share.admits(random.next_u64()))
    }

    /// Whether an answer with this status counts (`None`: there was no answer).
    pub fn counts(&self, status: Option<u16>) -> bool {
        let set = self.charge_when.as_ref();
        set.is_none_or(|set| status.is_some_and(|status| set.contains(status)))
    }

    /// Goes by the overload level of the process. `Some`: this share of the limit is left from now on.
    pub(super) fn follow(&mut self, overload: Overload, now: MonoTime) -> Option<Share> {
        let elastic = self.elastic.as_mut()?;
        if !elastic.follow(overload, now) {
            return None;
        }
        let share = elastic.share();
        let least = self.cost.as_ref().map_or(1, |cost| cost.max);
        self.algorithm = self.whole.tightened(share, least);
        for plan in self.tiers.iter_mut().flat_map(|(_, plans)| plans) {
            plan.algorithm = plan.whole.map(|whole| whole.tightened(share, least));
        }
        Some(share)
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        if self.mode == Mode::Disabled {
            return;
        }
        self.matcher.needs(needs);
        self.key.needs(needs);
        if let Some((by, _)) = &self.tiers {
            by.needs(needs);
        }
        if let Some(cost) = &self.cost {
            cost.header.needs(needs);
        }
    }

    /// What it is asked for a request.
    pub(super) fn ask(
        &self,
        number: u16,
        request: &impl Request,
        secret: &Secret,
        enforced: bool,
        asking: &mut Asking,
    ) -> Asked {
        if self.mode == Mode::Disabled || !self.matcher.matches(request) {
            return Asked::Nothing;
        }
        let plan = self.plan(request);
        let Some(algorithm) = plan.map_or(Some(self.algorithm), |plan| plan.algorithm) else {
            return Asked::Nothing;
        };
        let Asking { material, clients, .. } = asking;
        let sole = if plan.is_none() { self.key.sole_value(request) } else { None };
        let client = match sole {
            Some(value) => {
                clients.recall(number, &value, || self.client(None, request, secret, material).ok())
            }
            None => None,
        };
        // What is not remembered is missing, or made of more than one value.
        let client = match client.map_or_else(|| self.client(plan, request, secret, material), Ok) {
            Ok(client) => client,
            Err(missing) => match self.on_missing_key {
                OnMissingKey::Shared => secret.fingerprint(self.name.as_str(), material),
                OnMissingKey::Skip => return Asked::Nothing,
                OnMissingKey::Deny => return Asked::Denied(missing),
            },
        };
        let cost = self.cost.as_ref().map_or(1, |cost| cost.of(request));
        let (set, refundable) = (self.table.set_of(client), self.charge_when.is_some());
        Asked::Ask(Ask { limit: number, set, client, algorithm, cost, enforced, refundable })
    }

    /// What the service is told that counts it: the limit's name, and each part of the key that the request has.
    pub fn descriptor(&self, request: &impl Request) -> Vec<Entry> {
        let mut entries = vec![Entry { key: "limit".to_owned(), value: self.name.to_string() }];
        self.key.describe(request, |key, value| entries.push(Entry { key, value }));
        entries
    }

    /// Who the request counts for. `material` is overwritten, and complete even where a part of the key is missing.
    fn client(
        &self,
        plan: Option<&Plan>,
        request: &impl Request,
        secret: &Secret,
        material: &mut Vec<u8>,
    ) -> Result<Fingerprint, MissingPart> {
        material.clear();
        begin(plan, material);
        self.key.extract(request, material)?;
        Ok(secret.fingerprint(self.name.as_str(), material))
    }

    fn plan(&self, request: &impl Request) -> Option<&Plan> {
        let (by, plans) = self.tiers.as_ref()?;
        let wanted = by.value(request)?;
        plans.iter().find(|plan| plan.name.as_bytes() == &*wanted)
    }
}

/// A client's plans are counted apart, so a change of plan cannot mix up two sets of numbers.
fn begin(plan: Option<&Plan>, material: &mut Vec<u8>) {
    if let Some(plan) = plan {
        material.extend_from_slice(plan.name.as_bytes());
        material.push(0);
    }
}

impl Cost {
    fn of(&self, request: &impl Request) -> u64 {
        let Some(value) = self.header.value(request) else { return self.default };
        let text = value.trim_ascii();
        if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
            return self.default;
        }
        // Too many digits for a number is more than the most.
        let cost = core::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        cost.unwrap_or(u64::MAX).clamp(1, self.max)
    }
}

impl Limit {
    pub(super) fn new(number: u16, raw: RawLimit) -> Result<Self, ConfigError> {
        let path = format!("limits[{number}]");
        let numbers = Numbers { rate: raw.rate, burst: raw.burst, max_concurrent: raw.max_concurrent };
        let algorithm = match &raw.global {
            Some(_) => check_alone(&raw, &path).map(|()| Algorithm::Elsewhere)?,
            None => numbers.algorithm(raw.algorithm, &path)?,
        };
        let global = raw.global.map(|global| global.check(&path)).transpose()?;
        if !(1..=MOST_KEYS).contains(&raw.max_keys) {
            return Err(at(&path, "max_keys", format!("`{}` is not 1 to {MOST_KEYS}", raw.max_keys)));
        }
        let concurrency = raw.algorithm == RawAlgorithm::Concurrency;
        let charge_when = raw.charge_when.map(|when| when.status);
        if let Some(status) = &charge_when {
            if concurrency {
                let reason =
                    "not with algorithm `concurrency`: a permit is given back at the end in any case";
                return Err(at(&path, "charge_when", reason.to_owned()));
            }
            if !(100..=599).any(|code| status.contains(code)) {
                return Err(at(
                    &path,
                    "charge_when.status",
                    "`[]` would never charge: name a status".to_owned(),
                ));
            }
        }
        let tiers = raw.tiers.map(|tiers| {
            let plan = |(name, plan): (String, RawPlan)| {
                let path = format!("{path}.tiers.plans.{name}");
                let algorithm = plan_numbers(raw.algorithm, &plan, &path)?;
                Ok(Plan { algorithm, whole: algorithm, name })
            };
            if tiers.plans.is_empty() {
                return Err(at(&path, "tiers.plans", "`{}` has no plan: name one".to_owned()));
            }
            Ok((tiers.by, tiers.plans.into_iter().map(plan).collect::<Result<Vec<_>, ConfigError>>()?))
        });
        let tiers = tiers.transpose()?;
        let plans = tiers.iter().flat_map(|(_, plans)| plans).filter_map(|plan| plan.algorithm);
        let least = plans.map(|plan| plan.most()).chain([algorithm.most()]).min().unwrap_or(1);
        let cost = match raw.cost {
            Some(_) if concurrency => {
                let reason = "not with algorithm `concurrency`: a request holds one permit".to_owned();
                return Err(at(&path, "cost", reason));
            }
            // What a service is told has 32 bits.
            Some(cost) if global.is_some() => Some(Cost::new(cost, least.min(u32::MAX.into()), &path)?),
            Some(cost) => Some(Cost::new(cost, least, &path)?),
            None => None,
        };
        Ok(Self {
            name: raw.name,
            table: Table::for_keys(raw.max_keys),
            algorithm,
            whole: algorithm,
            elastic: raw.elastic.map(|raw| elastic(raw, &path)).transpose()?,
            global,
            charge_when,
            matcher: raw.matcher,
            key: raw.key,
            on_missing_key: raw.on_missing_key,
            mode: raw.mode,
            enforce_share: raw.enforce_share,
            tiers,
            cost,
        })
    }
}

impl Cost {
    /// `least` is the smallest number that passes at once.
    fn new(raw: RawCost, least: u64, path: &str) -> Result<Self, ConfigError> {
        let max = raw.max.unwrap_or(least);
        if max == 0 || max > least {
            let reason =
                format!("`{max}` can never pass: 1 to {least}, the smallest number that passes at once");
            return Err(at(path, "cost.max", reason));
        }
        if raw.default == 0 || raw.default > max {
            return Err(at(
                path,
                "cost.default",
                format!("`{}` is not 1 to {max}, the most it costs", raw.default),
            ));
        }
        let header =
            TrustedHeader::new(&raw.header, raw.trust).map_err(|reason| at(path, "cost.header", reason))?;
        Ok(Self { header, default: raw.default, max })
    }
}
