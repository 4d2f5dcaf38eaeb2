//! A metric's name in the proxy, which has no labels: they are part of the name.

use core::fmt::Write;

/// A name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The part before the labels, such as `ballast.rate_limit.allowed`.
    pub family: &'a str,
    /// Names and values of the labels, in order.
    pub labels: Vec<(&'a str, &'a str)>,
}

/// The proxy's name of a filter's metric: `ballast.<filter>.<metric>;namespace=<namespace>;<label>=<value>`.
pub fn metric_name(filter: &str, namespace: &str, metric: &str, labels: &[(&str, &str)]) -> String {
    let mut name = format!("ballast.{}.{metric};namespace={}", filter.replace('-', "_"), label(namespace));
    for (key, value) in labels {
        // Writing to a string cannot fail.
        let _ = write!(name, ";{key}={}", label(value));
    }
    name
}

/// A label's value without what separates labels.
pub fn label(value: &str) -> String {
    value.replace([';', '=', '.'], "_")
}

/// Takes a name apart. `None`: it is none of [`metric_name`].
pub fn parse_name(name: &str) -> Option<Name<'_>> {
    let mut parts = name.split(';');
    let family = parts.next().filter(|family| family.starts_with("ballast."))?;
    let labels = parts.map(|part| part.split_once('=')).collect::<Option<_>>()?;
    Some(Name { family, labels })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn labels_are_part_of_the_name_and_cannot_forge_others() {
        let labels = [("rule", "per-client")];
        let expected = "ballast.rate_limit.allowed;namespace=default;rule=per-client";
        assert_eq!(metric_name("rate-limit", "default", "allowed", &labels), expected);
        assert_eq!(metric_name("x", "a;rule=b", "m", &[]), "ballast.x.m;namespace=a_rule_b");
    }

    #[test]
    fn a_name_is_taken_apart_as_it_was_made() {
        let name = metric_name("retry-policy", "a.b", "retries", &[("rule", "r;1"), ("reason", "reset")]);
        let labels = vec![("namespace", "a_b"), ("rule", "r_1"), ("reason", "reset")];
        assert_eq!(parse_name(&name), Some(Name { family: "ballast.retry_policy.retries", labels }));
        for foreign in ["cluster.upstream_rq", "ballast.x.m;namespace", ""] {
            assert_eq!(parse_name(foreign), None, "{foreign}");
        }
    }
}
