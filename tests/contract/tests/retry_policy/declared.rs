//! The module that sees no log: the same retries, and no policy that has something to learn there.

use super::{A_WAIT, REPLAY, configuration, get, received, the_call, upstream_answer};
use ballast_contract::{Workers, configure, filter};
use ballast_wasm_host::{Action, Host, Module};
use std::sync::LazyLock;

static DECLARED: LazyLock<Module> = LazyLock::new(|| filter("retry-policy-declared"));

#[test]
fn it_sends_again_like_the_whole_module() {
    let workers = Workers::start(&DECLARED, 1, &configuration(REPLAY));
    workers.host.add_cluster("upstream");
    let stream = get(&workers);
    assert_eq!(stream.response_headers(&[(":status", "503")], false).unwrap(), Action::Pause);
    workers.host.advance(A_WAIT);
    the_call(&workers.host).answer(&upstream_answer("200", &[]), "second").unwrap();
    stream.response_body("first", true).unwrap();
    assert_eq!(received(&stream), ("200".to_owned(), "second".to_owned()));
}

#[test]
fn what_has_to_be_learnt_is_refused_by_name() {
    let vm = Host::new().vm(&DECLARED).unwrap();
    let refusal = configure(&vm, configuration(r#""via": "replay""#)).unwrap_err();
    assert!(refusal.says("retry-policy: invalid configuration: policies[0].rewrite: "), "{refusal}");
    assert!(refusal.says("ballast_retry_policy.wasm"), "{refusal}");
}
