//! Structured fields of a cache (RFC 9213, 9211 and 9875): what is generated from the grammar of RFC 9651 is read as it was
//! meant, and what is written is read back by a library.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::response_cache::rules::{
    Bypass, CacheStatus, Control, Fields, Forward, Line, MAX_SECONDS, Scope, Seconds, Tags, control,
};
use proptest::prelude::*;
use sfv::visitor::{EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};
use std::cell::RefCell;
use std::convert::Infallible;

/// A value of a dictionary with what it means for a directive that takes seconds, and for one that has no argument.
#[derive(Clone, Debug)]
struct Value {
    written: String,
    seconds: Seconds,
    is_true: bool,
}

fn value() -> impl Strategy<Value = Value> {
    let of = |written: &str, seconds, is_true| Value { written: written.to_owned(), seconds, is_true };
    let integer = (-99_i64..9_999_999_999).prop_map(|number| {
        let seconds =
            u32::try_from(number.min(i64::from(MAX_SECONDS))).map_or(Seconds::Invalid, Seconds::Given);
        Value { written: format!("={number}"), seconds, is_true: true }
    });
    let other = prop::sample::select(vec![
        of("", Seconds::Invalid, true),
        of("=?1", Seconds::Invalid, true),
        of("=?0", Seconds::Absent, false),
        of("=1.5", Seconds::Invalid, true),
        of("=\"60\"", Seconds::Invalid, true),
        of("=sixty", Seconds::Invalid, true),
        of("=:NjA=:", Seconds::Invalid, true),
        of("=(60 61)", Seconds::Invalid, true),
        of("=@60", Seconds::Invalid, true),
    ]);
    (prop_oneof![2 => integer, 1 => other], prop::sample::select(vec!["", ";a", ";a=1; b=\"max-age=7\""]))
        .prop_map(|(value, parameters)| Value { written: format!("{}{parameters}", value.written), ..value })
}

fn targeted(value: &str) -> Control {
    let lines: [Line<'_>; 2] =
        [(b"cache-control", b"private, max-age=1"), (b"cdn-cache-control", value.as_bytes())];
    control(Fields::new(&lines), &["cdn-cache-control".to_owned()])
}

/// A member's parameters as they are read: name and whether it is true, or its text.
type Read = Vec<(String, String)>;

struct Reader<'a>(&'a RefCell<Vec<Read>>);

impl<'de> ListVisitor<'de> for Reader<'_> {
    type Out = ();
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, Infallible> {
        self.0.borrow_mut().push(Vec::new());
        Ok(Member(self.0))
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

struct Member<'a>(&'a RefCell<Vec<Read>>);

impl Member<'_> {
    fn push(&self, name: &str, item: &BareItemFromInput<'_>) {
        let said = if let Some(number) = item.as_integer() {
            i64::from(number).to_string()
        } else if let Some(token) = item.as_token() {
            token.as_str().to_owned()
        } else if let Some(text) = item.as_string() {
            text.as_str().to_owned()
        } else {
            format!("{:?}", item.as_boolean())
        };
        self.0.borrow_mut().last_mut().unwrap().push((name.to_owned(), said));
    }
}

impl<'de> EntryVisitor<'de> for Member<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for Member<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        self.push("", &item);
        Ok(self)
    }
}

impl<'de> ParameterVisitor<'de> for Member<'_> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, name: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        self.push(name.as_str(), &value);
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn read(value: &str) -> Vec<Read> {
    let members = RefCell::default();
    Parser::new(value)
        .parse_list_with_visitor(Reader(&members))
        .unwrap_or_else(|error| panic!("{value}: {error}"));
    members.into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// RFC 9213, section 2.1; RFC 9651, section 4.2.2: of members with one name the last counts.
    #[test]
    fn a_targeted_field_means_what_its_members_do(
        members in prop::collection::vec((0_usize..6, value()), 1..6),
        space in prop::sample::select(vec!["", " ", "\t "]),
    ) {
        let names = ["max-age", "s-maxage", "stale-if-error", "no-store", "must-revalidate", "x-unknown"];
        let written: Vec<String> =
            members.iter().map(|(name, value)| format!("{}{}", names[*name], value.written)).collect();
        let found = targeted(&written.join(&format!("{space},{space}")));
        let last = |wanted: usize| members.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| value);
        let seconds = |name| last(name).map_or(Seconds::Absent, |value| value.seconds);
        let is_true = |name| last(name).is_some_and(|value| value.is_true);
        prop_assert!(found.is_targeted);
        let directives = found.directives;
        prop_assert_eq!(directives.max_age, seconds(0));
        prop_assert_eq!(directives.s_maxage, seconds(1));
        prop_assert_eq!(directives.stale_if_error, seconds(2));
        prop_assert_eq!((directives.no_store, directives.must_revalidate), (is_true(3), is_true(4)));
        prop_assert_eq!(directives.private, Scope::Absent, "Cache-Control does not count");
    }

    /// RFC 9213, section 2.2: what is not a dictionary is ignored as a whole.
    #[test]
    fn a_broken_targeted_field_leaves_cache_control_as_it_is(
        before in prop::collection::vec((0_usize..3, value()), 0..3),
        broken in prop::sample::select(vec!["Max-Age=5", "max-age=", "max-age=5,", "=5", "a b", "a=\"x", "a=(1", "max-age=5;", "\"a\"", "5", "a=1.", "a=?2"]),
    ) {
        let names = ["max-age", "no-store", "x"];
        let mut written: Vec<String> =
            before.iter().map(|(name, value)| format!("{}{}", names[*name], value.written)).collect();
        written.push(broken.to_owned());
        let found = targeted(&written.join(", "));
        prop_assert!(!found.is_targeted);
        prop_assert_eq!((found.directives.max_age, found.directives.private), (Seconds::Given(1), Scope::Whole));
    }

    /// RFC 9211, section 2: a list of items, the cache closest to the client last.
    #[test]
    fn cache_status_is_read_back(
        why in prop::option::of(prop::sample::select(vec![
            Forward::Bypass(Bypass::Body), Forward::Method, Forward::UriMiss, Forward::VaryMiss, Forward::Request,
            Forward::Stale, Forward::Partial,
        ])),
        status in prop::option::of(200_u16..600),
        ttl in prop::option::of(any::<i64>()),
        flags in any::<(bool, bool, bool)>(),
        key in prop::option::of("\\PC{0,12}"),
        detail in prop::option::of("([a-z][a-z_]{0,12})?"),
    ) {
        let said = CacheStatus {
            forwarded: why,
            forward_status: status,
            ttl_seconds: ttl,
            is_stored: flags.0,
            is_collapsed: flags.1,
            key: key.as_deref(),
            detail: detail.as_deref(),
        };
        let earlier = flags.2.then_some(&b"Origin; hit; ttl=5"[..]);
        let members = read(&said.value("ballast", earlier));
        prop_assert_eq!(members.len(), 1 + usize::from(flags.2));
        let own = members.last().unwrap();
        let parameter = |wanted: &str| own.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let truth = |is: bool| is.then(|| "Some(true)".to_owned());
        prop_assert_eq!(parameter(""), Some("ballast".to_owned()));
        prop_assert_eq!(parameter("hit"), truth(why.is_none()));
        prop_assert_eq!(parameter("fwd"), why.map(|why| why.as_str().to_owned()));
        prop_assert_eq!(parameter("fwd-status"), status.map(|status| status.to_string()));
        prop_assert_eq!(parameter("stored"), truth(flags.0));
        prop_assert_eq!(parameter("collapsed"), truth(flags.1));
        // A structured field has integers of fifteen digits.
        let largest = 999_999_999_999_999;
        prop_assert_eq!(parameter("ttl"), ttl.map(|ttl| ttl.clamp(-largest, largest).to_string()));
        let is_ascii = |text: &&String| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        prop_assert_eq!(parameter("key"), key.as_ref().filter(is_ascii).cloned());
        prop_assert_eq!(parameter("detail"), detail.filter(|text| !text.is_empty()));
    }

    /// RFC 9875, section 2.1.
    #[test]
    fn groups_are_read_as_they_are_written(
        groups in prop::collection::vec("[ -~]{0,32}", 1..40),
        intruder in prop::option::of(prop::sample::select(vec!["token", "5", "(\"a\")", "?1", "\"open"])),
    ) {
        let escaped = |group: &String| format!("\"{}\"", group.replace('\\', "\\\\").replace('"', "\\\""));
        let mut written: Vec<String> = groups.iter().map(escaped).collect();
        written.extend(intruder.map(str::to_owned));
        let value = written.join(", ");
        let lines: [Line<'_>; 1] = [(b"cache-groups", value.as_bytes())];
        let mut expected = if intruder.is_some() { Vec::new() } else { groups };
        expected.sort();
        expected.dedup();
        prop_assert_eq!(Tags::of(Fields::new(&lines)).groups, expected);
    }
}
