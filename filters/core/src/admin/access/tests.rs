use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const READ: &str = "Bearer read-token-0123456789";
const ACT: &str = "bearer  act-token-0123456789";

fn rights(read: bool, act: bool, allow_loopback: bool) -> Rights {
    let credential = |name: &str, wanted: bool| {
        let token = format!("{name}-token-0123456789");
        wanted.then(|| Credential::new(name, token.as_bytes()).unwrap()).into_iter().collect()
    };
    Rights {
        read: credential("read", read),
        act: credential("act", act),
        allow_loopback,
        guard_probes: false,
    }
}

fn asker(authorization: Option<&'static str>) -> Asker<'static> {
    Asker {
        source: "127.0.0.1".parse().ok(),
        destination: "127.0.0.1".parse().ok(),
        authorization: authorization.map(str::as_bytes),
        authority: Some(b"127.0.0.1:10001"),
        scheme: Some(b"http"),
        origin: None,
        fetch_site: None,
    }
}

fn outcome(rights: &Rights, class: Class, asker: &Asker<'_>) -> Result<String, u16> {
    rights.check(class, asker).map(|who| who.as_str().to_owned()).map_err(|refusal| refusal.status())
}

#[test]
fn a_token_gives_its_right_and_no_more() {
    let ok = |name: &str| Ok(name.to_owned());
    for (read, act, loopback, class, authorization, expected) in [
        (true, true, false, Class::Read, Some(READ), ok("read")),
        (true, true, false, Class::Read, Some(ACT), ok("act")),
        (true, true, false, Class::Act, Some(ACT), ok("act")),
        (true, true, false, Class::Act, Some(READ), Err(403)),
        (true, true, false, Class::Read, None, Err(401)),
        (true, true, false, Class::Read, Some("Bearer wrong-token-0123456789"), Err(401)),
        (true, true, false, Class::Read, Some("Bearer read-token-012345678"), Err(401)),
        (true, true, false, Class::Read, Some("Bearer read-token-01234567890"), Err(401)),
        (true, true, false, Class::Read, Some("Basic cmVhZA=="), Err(401)),
        (true, true, false, Class::Read, Some("read-token-0123456789"), Err(401)),
        (true, true, false, Class::Read, Some("Bearer "), Err(401)),
        (true, true, false, Class::Probe, None, ok("anybody")),
        (true, true, false, Class::Page, None, ok("anybody")),
        // Nothing is configured: nobody may, but for who is on the same host where that is allowed.
        (false, false, false, Class::Read, None, Err(401)),
        (false, false, false, Class::Read, Some("Bearer "), Err(401)),
        (false, false, true, Class::Read, None, ok("loopback")),
        (false, false, true, Class::Act, None, ok("loopback")),
        (false, false, true, Class::Act, Some(ACT), Err(401)),
        // A right with a token of its own is not had without.
        (true, false, true, Class::Read, None, Err(401)),
        (true, false, true, Class::Act, None, ok("loopback")),
        (true, false, true, Class::Act, Some(READ), Err(403)),
        (false, true, true, Class::Act, None, Err(401)),
        (false, true, false, Class::Read, Some(ACT), ok("act")),
    ] {
        let outcome = outcome(&rights(read, act, loopback), class, &asker(authorization));
        assert_eq!(outcome, expected, "{read} {act} {loopback} {class:?} {authorization:?}");
    }
    let guarded = Rights { guard_probes: true, ..rights(true, true, false) };
    assert_eq!(outcome(&guarded, Class::Probe, &asker(None)), Err(401));
    assert_eq!(outcome(&guarded, Class::Probe, &asker(Some(READ))), ok("read"));
}

#[test]
fn only_a_connection_that_no_other_host_can_make_is_local() {
    let at = |source: &str, destination: &str, authority: &'static str| Asker {
        source: source.parse().ok(),
        destination: destination.parse().ok(),
        authority: Some(authority.as_bytes()),
        ..asker(None)
    };
    for (source, destination, authority, local) in [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.1", "localhost:10001", true),
        ("::1", "::1", "[::1]:10001", true),
        ("::1", "::1", "[::1]", true),
        ("::ffff:127.0.0.1", "127.0.0.1", "LOCALHOST", true),
        // Who believes x-forwarded-for takes anybody for local; the connection's end does not lie.
        ("127.0.0.1", "10.0.0.5", "127.0.0.1", false),
        ("10.0.0.6", "127.0.0.1", "127.0.0.1", false),
        // A name that was made to point here.
        ("127.0.0.1", "127.0.0.1", "evil.example", false),
        ("127.0.0.1", "127.0.0.1", "evil.example:10001", false),
        ("127.0.0.1", "127.0.0.1", "localhost.evil.example", false),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1.evil.example", false),
        ("127.0.0.1", "127.0.0.1", "10.0.0.5:10001", false),
        ("", "127.0.0.1", "127.0.0.1", false),
        ("127.0.0.1", "", "127.0.0.1", false),
    ] {
        let outcome = outcome(&rights(false, false, true), Class::Read, &at(source, destination, authority));
        assert_eq!(outcome.is_ok(), local, "{source} {destination} {authority}");
    }
}

#[test]
fn what_acts_comes_from_no_other_sites_page() {
    for (origin, site, expected) in [
        (None, None, true),
        (Some("http://127.0.0.1:10001"), Some("same-origin"), true),
        (Some("http://127.0.0.1:10001"), None, true),
        (None, Some("none"), true),
        (Some("http://evil.example"), None, false),
        (Some("https://127.0.0.1:10001"), None, false),
        (Some("http://127.0.0.1"), None, false),
        (Some("null"), None, false),
        (Some(""), None, false),
        (Some("http://127.0.0.1:10001"), Some("cross-site"), false),
        (None, Some("same-site"), false),
    ] {
        let asker = Asker {
            origin: origin.map(str::as_bytes),
            fetch_site: site.map(str::as_bytes),
            ..asker(Some(ACT))
        };
        let rights = rights(true, true, false);
        assert_eq!(rights.check(Class::Act, &asker).is_ok(), expected, "{origin:?} {site:?}");
        assert!(rights.check(Class::Read, &asker).is_ok(), "reading leaks nothing without CORS");
    }
}

#[test]
fn a_token_is_long_visible_and_never_shown() {
    assert!(Credential::new("a", b"0123456789abcdef").is_ok());
    for (token, reason) in [
        (&b"0123456789abcde"[..], "a token of 15 bytes: at least 16 are needed"),
        (b"", "a token of 0 bytes: at least 16 are needed"),
        (b"0123456789 abcdef", "a token is of visible ASCII characters without spaces"),
        (b"0123456789abcdef\n", "a token is of visible ASCII characters without spaces"),
    ] {
        assert_eq!(Credential::new("a", token).unwrap_err(), reason);
    }
    let shown = format!("{:?}", rights(true, true, false));
    assert!(!shown.contains("0123456789"), "{shown}");
}
