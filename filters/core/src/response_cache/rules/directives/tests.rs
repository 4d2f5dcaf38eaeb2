use super::Seconds::{Absent, Given, Invalid};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn read(value: &str) -> Directives {
    Directives::parse([value.as_bytes()])
}

#[test]
fn rfc_9111_1_2_2_and_5_2_numbers_of_seconds() {
    for (value, expected) in [
        ("", Absent),
        ("max-age=60", Given(60)),
        ("MAX-age=60", Given(60)),
        ("max-age=0", Given(0)),
        ("max-age=0060", Given(60)),
        ("max-age=2147483648", Given(MAX_SECONDS)),
        ("max-age=2147483649", Given(MAX_SECONDS)),
        ("max-age=4294967295", Given(MAX_SECONDS)),
        ("max-age=99999999999999999999999999", Given(MAX_SECONDS)),
        (r#"max-age="60""#, Given(60)),
        (r#"max-age="6\0""#, Given(60)),
        ("max-age", Invalid),
        ("max-age=", Invalid),
        (r#"max-age="""#, Invalid),
        ("max-age=-1", Invalid),
        ("max-age=+1", Invalid),
        ("max-age=60.0", Invalid),
        ("max-age=60.5", Invalid),
        ("max-age=1e3", Invalid),
        ("max-age=0x10", Invalid),
        ("max-age='60'", Invalid),
        ("max-age=60s", Invalid),
        ("max-age =60", Invalid),
        ("max-age= 60", Invalid),
        ("max-age: 60", Invalid),
        ("max-age=60 0", Invalid),
        ("max-age=60;public", Invalid),
        (r#"max-age="60"#, Invalid),
        (r#"max-age="60"0"#, Invalid),
        ("x-max-age=60", Absent),
        ("max-agee=60", Absent),
    ] {
        assert_eq!(read(value).max_age, expected, "{value}");
    }
}

#[test]
fn rfc_9111_4_2_1_what_is_said_twice_differently_is_invalid() {
    for (lines, expected) in [
        (&["max-age=60, max-age=60"][..], Given(60)),
        (&["max-age=60", "max-age=060"], Given(60)),
        (&["max-age=60, max-age=1"], Invalid),
        (&["max-age=1, max-age=60"], Invalid),
        (&["max-age=60", "max-age=1"], Invalid),
        (&["max-age=60, max-age=x"], Invalid),
        (&["max-age=x, max-age=60"], Invalid),
        (&["max-age=x, max-age=x"], Invalid),
    ] {
        let directives = Directives::parse(lines.iter().map(|line| line.as_bytes()));
        assert_eq!(directives.max_age, expected, "{lines:?}");
    }
}

#[test]
fn rfc_9111_5_2_lines_that_were_joined_without_a_space_are_a_list() {
    let directives =
        read("max-age=60,s-maxage=7,,public ,\tno-store,stale-while-revalidate=3,stale-if-error=4");
    let expected = Directives {
        max_age: Given(60),
        s_maxage: Given(7),
        public: true,
        no_store: true,
        stale_while_revalidate: Given(3),
        stale_if_error: Given(4),
        ..Directives::default()
    };
    assert_eq!(directives, expected);
}

#[test]
fn rfc_9111_5_2_3_what_is_not_known_is_ignored_and_what_it_quotes_too() {
    for value in [
        "foo",
        "foo=bar",
        r#"foo="max-age=60""#,
        r#"foo="no-store, max-age=60""#,
        r#"foo="\", no-store""#,
        "community=UCI",
        r#"foo="1", bar="private""#,
    ] {
        assert_eq!(read(value), Directives::default(), "{value}");
    }
    assert_eq!(read(r#"foo="max-age=60", max-age=1"#).max_age, Given(1));
}

#[test]
fn rfc_9111_5_2_2_5_no_store_is_heeded_in_any_case_and_among_malformed_neighbours() {
    for value in [
        "no-store",
        "No-Store",
        "NO-STORE",
        " no-store ",
        "max-age=60, no-store",
        "max-age=60,no-store",
        "no-store,max-age=60",
        "max-age=60; no-store",
        "max-age=60 no-store",
        "foo=@, no-store",
        "=, no-store",
        "foo=\"bar, no-store",
        "\", no-store",
        "\"no-store",
        "no-store=1",
        "no-store=\"\"",
        "no-store=",
        "no-store =1",
        "(no-store)",
        "foo=bar baz, no-store",
        "\u{b}no-store",
    ] {
        assert!(read(value).no_store, "{value}");
    }
    for value in ["no-stored", "no_store", "xno-store", "nostore", r#"a="no-store""#, "a=no-store"] {
        assert!(!read(value).no_store, "{value}");
    }
}

#[test]
fn what_permits_is_not_heeded_behind_a_quote_that_is_never_closed() {
    let directives =
        read(r#"foo="bar, max-age=60, public, must-understand, stale-if-error=9, no-cache="a", private"#);
    assert_eq!(directives.max_age, Invalid);
    assert_eq!((directives.public, directives.must_understand), (false, false));
    assert_eq!(directives.stale_if_error, Invalid);
    assert_eq!((directives.no_cache, directives.private), (Scope::Whole, Scope::Whole));
    let directives = read(r#"foo="bar, max-age=60, public, must-understand, stale-if-error=9, no-cache"#);
    assert_eq!((directives.max_age, directives.stale_if_error), (Invalid, Invalid));
    assert_eq!((directives.public, directives.must_understand), (false, false));
    assert_eq!(directives.no_cache, Scope::Whole);
    assert_eq!(read(r#"max-age=60, public, foo="bar"#).max_age, Given(60), "what comes before is read");
}

#[test]
fn rfc_9111_5_2_2_4_and_5_2_2_7_no_cache_and_private_may_name_fields() {
    let fields = |names: &[&str]| Scope::Fields(names.iter().map(|name| (*name).to_owned()).collect());
    for (argument, expected) in [
        ("", Scope::Whole),
        (r#"="Set-Cookie""#, fields(&["set-cookie"])),
        (r#"="a, B,,c""#, fields(&["a", "b", "c"])),
        ("=set-cookie", fields(&["set-cookie"])),
        (r#"="""#, Scope::Whole),
        (r#"=" , ""#, Scope::Whole),
        (r#"="a b""#, Scope::Whole),
        (r#"="a, (b)""#, Scope::Whole),
        ("=", Scope::Whole),
        (r#"="a"#, Scope::Whole),
        ("=a b", Scope::Whole),
    ] {
        assert_eq!(read(&format!("no-cache{argument}")).no_cache, expected, "{argument}");
        assert_eq!(read(&format!("private{argument}")).private, expected, "{argument}");
    }
    let twice = read(r#"private="a", private="b""#);
    assert_eq!(twice.private, fields(&["a", "b"]));
    assert_eq!(read(r#"private="a", private"#).private, Scope::Whole);
    assert_eq!(read(r#"private, private="a""#).private, Scope::Whole);
}

#[test]
fn rfc_9111_5_2_1_directives_of_requests() {
    for (value, expected) in [
        ("max-stale", Given(MAX_SECONDS)),
        ("max-stale=5", Given(5)),
        ("max-stale=x", Invalid),
        ("max-stale=", Invalid),
    ] {
        assert_eq!(read(value).max_stale, expected, "{value}");
    }
    assert_eq!(read("min-fresh=5").min_fresh, Given(5));
    assert_eq!(read("min-fresh=five").min_fresh, Invalid);
    assert!(read("only-if-cached").only_if_cached);
}

#[test]
fn the_words_of_restrictions_and_permissions_are_told_apart() {
    let all =
        read("public,immutable,must-revalidate,proxy-revalidate,must-understand,no-transform,only-if-cached");
    let expected = Directives {
        public: true,
        immutable: true,
        must_revalidate: true,
        proxy_revalidate: true,
        must_understand: true,
        no_transform: true,
        only_if_cached: true,
        ..Directives::default()
    };
    assert_eq!(all, expected);
}

#[test]
fn a_value_that_is_written_to_take_long_is_read_in_one_pass() {
    for hostile in ["\\\"", "a=\"b\\\",", "\",", "no-cache=\"a\",", "\"\"", "private=\"a,"] {
        let value = hostile.repeat(1 << 17);
        assert_eq!(read(&format!("{value},no-store")).max_age, Absent, "{hostile}");
    }
}
