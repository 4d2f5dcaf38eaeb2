//! Which field controls: `Cache-Control`, or one that is targeted at this kind of cache (RFC 9213).

use super::directives::{Directives, MAX_SECONDS, Seconds};
use super::fields::Fields;
use super::structured::{Value, dictionary};

/// The directives that hold for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// What is directed.
    pub directives: Directives,
    /// Whether a targeted field directs it: `Cache-Control` and `Expires` do not count then.
    pub is_targeted: bool,
}

/// What controls an answer: the first field of the target list that is valid and not empty, else `Cache-Control`.
pub fn control(response: Fields<'_>, targeted: &[String]) -> Control {
    for name in targeted {
        // Of a structured field all lines count together (RFC 9651, section 4.2).
        let Some(value) = response.joined(name) else { continue };
        if let Some(directives) = structured(&value) {
            return Control { directives, is_targeted: true };
        }
    }
    Control { directives: Directives::parse(response.all("cache-control")), is_targeted: false }
}

/// What a targeted field says; `None`: it is not a dictionary, or empty, and ignored as a whole.
fn structured(value: &[u8]) -> Option<Directives> {
    let members = dictionary(value)?;
    if members.is_empty() {
        return None;
    }
    let mut directives = Directives::default();
    for (name, value) in &members {
        // Parameters say nothing (RFC 9213, section 2.1).
        let name = name.as_bytes();
        match value {
            Value::Boolean(true) => directives.well_formed(name, None),
            Value::Boolean(false) => {}
            Value::Integer(number) => {
                let seconds = (*number).min(MAX_SECONDS.into());
                directives.well_formed(name, Some(seconds.to_string().as_bytes()));
            }
            Value::String(text) | Value::Token(text) => directives.structured_text(name, text),
            Value::Other => directives.structured_text(name, ""),
        }
    }
    Some(directives)
}

impl Directives {
    /// A directive with a text as its value: seconds are integers in a structured field, so no text says any.
    fn structured_text(&mut self, name: &[u8], text: &str) {
        let mut takes_seconds = Self::default();
        takes_seconds.well_formed(name, Some(b"0"));
        let seconds = [
            (&mut self.max_age, takes_seconds.max_age),
            (&mut self.s_maxage, takes_seconds.s_maxage),
            (&mut self.stale_while_revalidate, takes_seconds.stale_while_revalidate),
            (&mut self.stale_if_error, takes_seconds.stale_if_error),
        ];
        for (known, taken) in seconds {
            if taken.is_present() {
                *known = Seconds::Invalid;
                return;
            }
        }
        self.well_formed(name, Some(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::directives::Scope;
    use super::super::fields::Line;
    use super::Seconds::{Absent, Given, Invalid};
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn of(lines: &[(&str, &str)], targeted: &[&str]) -> Control {
        let lines: Vec<Line<'_>> =
            lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let targeted: Vec<String> = targeted.iter().map(|name| (*name).to_owned()).collect();
        control(Fields::new(&lines), &targeted)
    }

    #[test]
    fn rfc_9213_2_2_the_first_valid_field_of_the_list_holds() {
        let list = ["ballast-cache-control", "cdn-cache-control"];
        for (lines, max_age, is_targeted) in [
            (&[("cache-control", "max-age=1"), ("cdn-cache-control", "max-age=2")][..], Given(2), true),
            (&[("cdn-cache-control", "max-age=2"), ("ballast-cache-control", "max-age=3")], Given(3), true),
            (&[("cdn-cache-control", "max-age=2"), ("ballast-cache-control", "max-age=(")], Given(2), true),
            (&[("cdn-cache-control", ""), ("cache-control", "max-age=1")], Given(1), false),
            (&[("cdn-cache-control", "max-age=&2"), ("cache-control", "max-age=1")], Given(1), false),
            (&[("cdn-cache-control", "Max-Age=2"), ("cache-control", "max-age=1")], Given(1), false),
            (&[("cdn-cache-control", "max-age=2,,"), ("cache-control", "max-age=1")], Given(1), false),
            (&[("cdn-cache-control", "max-age=2;"), ("cache-control", "max-age=1")], Given(1), false),
            (&[("surrogate-control", "max-age=2"), ("cache-control", "max-age=1")], Given(1), false),
            (
                &[
                    ("cdn-cache-control", "foo"),
                    ("cdn-cache-control", "max-age=2"),
                    ("cache-control", "no-store"),
                ],
                Given(2),
                true,
            ),
        ] {
            let control = of(lines, &list);
            assert_eq!(
                (control.directives.max_age, control.is_targeted),
                (max_age, is_targeted),
                "{lines:?}"
            );
            assert!(!control.directives.no_store, "{lines:?}");
        }
    }

    #[test]
    fn rfc_9213_2_1_values_have_the_types_of_structured_fields() {
        let directives = |value: &str| of(&[("cdn-cache-control", value)], &["cdn-cache-control"]).directives;
        for (value, expected) in [
            ("max-age=60", Given(60)),
            ("max-age=060", Given(60)),
            ("max-age=60;foo=bar", Given(60)),
            ("max-age=1, max-age=60", Given(60)),
            ("max-age=999999999999999", Given(MAX_SECONDS)),
            ("max-age=-1", Invalid),
            ("max-age=60.0", Invalid),
            (r#"max-age="60""#, Invalid),
            ("max-age=x", Invalid),
            ("max-age", Invalid),
            ("max-age=(60)", Invalid),
            ("max-age=:NjA=:", Invalid),
            ("max-age=?0", Absent),
            ("public", Absent),
        ] {
            assert_eq!(directives(value).max_age, expected, "{value}");
        }
        let many: Vec<String> = (0..100_000).map(|number| format!("a{number}")).collect();
        assert_eq!(directives(&format!("max-age=60,{}", many.join(","))).max_age, Absent);
        assert!(directives("no-store").no_store && directives("no-store=?1").no_store);
        assert!(!directives("no-store=?0").no_store);
        assert!(directives("must-revalidate, proxy-revalidate").must_revalidate);
        let named = Scope::Fields(vec!["set-cookie".to_owned()]);
        assert_eq!(directives(r#"private="Set-Cookie""#).private, named);
        assert_eq!(directives("no-cache=set-cookie").no_cache, named);
        assert_eq!(directives("no-cache=5").no_cache, Scope::Fields(vec!["5".to_owned()]));
        assert_eq!(directives("no-cache=(a)").no_cache, Scope::Whole);
    }
}
