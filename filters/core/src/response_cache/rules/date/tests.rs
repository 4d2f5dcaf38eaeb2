use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// 2026-11-21 00:00:00 GMT
const NOW: i64 = 1_795_219_200;
/// 1994-11-06 08:49:37 GMT, as RFC 9110, section 5.6.7, has it.
const EXAMPLE: i64 = 784_111_777;

#[test]
fn rfc_9110_5_6_7_dates_come_in_three_forms() {
    for (text, expected) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE),
        ("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE),
        ("Sun Nov  6 08:49:37 1994", EXAMPLE),
        (" Sun, 06 Nov 1994 08:49:37 GMT\t", EXAMPLE),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        ("Sun Nov 06 08:49:37 1994", EXAMPLE),
    ] {
        assert_eq!(parse_date(text.as_bytes(), NOW), Some(expected), "{text}");
    }
}

#[test]
fn rfc_9110_5_6_7_whatever_else_is_no_date() {
    for text in [
        "",
        "0",
        "-1",
        "now",
        "784111777",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 PST",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06  Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "SUN, 06 Nov 1994 08:49:37 GMT",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Thu, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 1995 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT;",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Monday, 06-Nov-94 08:49:37 GMT",
        "Sunday, 6-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Mon Nov  6 08:49:37 1994",
        "Sun, 06 Nov +994 08:49:37 GMT",
    ] {
        assert_eq!(parse_date(text.as_bytes(), NOW), None, "{text}");
    }
    assert_eq!(parse_date(b"\xff\xfe", NOW), None);
}

#[test]
fn rfc_9110_5_6_7_a_year_of_two_digits_is_at_most_fifty_years_ahead() {
    for (text, imf) in [
        ("Saturday, 21-Nov-26 00:00:00 GMT", "Sat, 21 Nov 2026 00:00:00 GMT"),
        ("Friday, 20-Nov-76 00:00:00 GMT", "Fri, 20 Nov 2076 00:00:00 GMT"),
        ("Thursday, 30-Dec-76 00:00:00 GMT", "Thu, 30 Dec 1976 00:00:00 GMT"),
        ("Saturday, 01-Jan-77 00:00:00 GMT", "Sat, 01 Jan 1977 00:00:00 GMT"),
        ("Friday, 31-Dec-99 00:00:00 GMT", "Fri, 31 Dec 1999 00:00:00 GMT"),
        ("Saturday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ("Friday, 01-Jan-71 00:00:00 GMT", "Thu, 01 Jan 2071 00:00:00 GMT"),
    ] {
        let expected = parse_date(imf.as_bytes(), NOW).unwrap();
        let found = parse_date(text.as_bytes(), NOW);
        if text.starts_with("Friday, 01-Jan-71") {
            // Such a year is 2071 today, and the day of the week says otherwise.
            assert_eq!(found, None);
        } else {
            assert_eq!(found, Some(expected), "{text}");
        }
    }
}
