use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn store(via: Via) -> Store {
    Store { via, prefix: "b".to_owned(), authority: "store".to_owned(), authorization: None }
}

fn line(request: &Request) -> String {
    let value = |name: &str| {
        let found = request.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let body = String::from_utf8(request.body.clone()).unwrap();
    format!("{} {} {}{}", value(":method"), value(":path"), body, value("if-none-match"))
}

#[test]
fn commands_become_requests() {
    let second = Duration::from_secs(1);
    for (command, webdis, http) in [
        (Command::Get { key: "k", unless: None }, "GET /GET/b:k.bin ", "GET /b/k "),
        (Command::Get { key: "k", unless: Some("\"t\"") }, "GET /GET/b:k.bin \"t\"", "GET /b/k \"t\""),
        (Command::Put { key: "k", value: b"v", keep: Some(second / 2) }, "PUT /SETEX/b:k/1 v", "PUT /b/k v"),
        (
            Command::Put { key: "k", value: b"v", keep: Some(second * 3 / 2) },
            "PUT /SETEX/b:k/2 v",
            "PUT /b/k v",
        ),
        (Command::Put { key: "k", value: b"v", keep: None }, "PUT /SET/b:k v", "PUT /b/k v"),
        (Command::Append { key: "k", value: b"v" }, "PUT /APPEND/b:k v", "PUT /b/k v"),
        (
            Command::Lock { key: "k", token: 7, keep: second },
            "POST / SET/b:k/0000000000000007/NX/PX/1000",
            "PUT /b/k 0000000000000007*",
        ),
    ] {
        assert_eq!(line(&store(Via::Webdis).request(&command)), webdis);
        assert_eq!(line(&store(Via::Http).request(&command)), http);
    }
    let unlock = Command::Unlock { key: "k", token: 7 };
    assert_eq!(line(&store(Via::Http).request(&unlock)), "DELETE /b/k ");
    let eval = line(&store(Via::Webdis).request(&unlock));
    assert!(
        eval.starts_with("POST / EVAL/if%20redis") && eval.ends_with("/1/b:k/0000000000000007"),
        "{eval}"
    );
    assert_eq!(eval.matches('/').count(), 5, "{eval}");
}

#[test]
fn what_a_store_says_is_understood_or_a_failure() {
    let get = Command::Get { key: "k", unless: None };
    let put = Command::Put { key: "k", value: b"v", keep: None };
    for (via, command, status, body, said) in [
        (Via::Webdis, &get, 200, "v", Said::Value(b"v", None)),
        (Via::Webdis, &get, 304, "", Said::Unchanged),
        (Via::Webdis, &get, 404, "", Said::Absent),
        (Via::Webdis, &get, 503, "", Said::Failed),
        (Via::Webdis, &get, 0, "", Said::Failed),
        (Via::Webdis, &put, 200, r#"{"SETEX":[true,"OK"]}"#, Said::Done),
        (Via::Webdis, &put, 200, r#"{"SETEX":[false,"ERR value is not an integer"]}"#, Said::Failed),
        (Via::Webdis, &put, 200, r#"{"SET":null}"#, Said::Taken),
        (Via::Webdis, &put, 200, r#"{"APPEND":304}"#, Said::Done),
        (Via::Webdis, &put, 200, "<html>", Said::Failed),
        (Via::Webdis, &put, 403, r#"{"SET":[true,"OK"]}"#, Said::Failed),
        (Via::Http, &put, 201, "", Said::Done),
        (Via::Http, &put, 204, "", Said::Done),
        (Via::Http, &put, 412, "", Said::Taken),
        (Via::Http, &put, 409, "", Said::Taken),
        (Via::Http, &put, 507, "", Said::Failed),
        (Via::Http, &put, 0, "", Said::Failed),
    ] {
        assert_eq!(store(via).said(command, status, None, body.as_bytes()), said, "{via:?} {status} {body}");
    }
    assert_eq!(store(Via::Http).said(&get, 200, Some(b"\"t\""), b"v"), Said::Value(b"v", Some("\"t\"")));
}

#[test]
fn keys_are_named_by_what_they_are_for() {
    let key = key_of("a1", b"x");
    assert_eq!(key, "a12d711642b726b04401627ca9fbac32f5");
    assert_ne!(key, key_of("a1", b"y"));
}

#[test]
fn prefixes_are_plain_words() {
    for (via, prefix, may) in [
        (Via::Webdis, "ballast", true),
        (Via::Webdis, "team-a:shop_1", true),
        (Via::Webdis, "a/b", false),
        (Via::Webdis, "a.b", false),
        (Via::Webdis, "", false),
        (Via::Webdis, "a:", false),
        (Via::Http, "bucket/cache", true),
        (Via::Http, "../x", false),
        (Via::Http, "/a", false),
        (Via::Http, "a:b", false),
    ] {
        assert_eq!(is_prefix(via, prefix), may, "{via:?} {prefix}");
    }
    assert!(!is_prefix(Via::Webdis, &"a".repeat(65)));
}
