//! The in-process host answers every fact that Ballast relies on as the real one does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

use ballast_contract::{VM_ID, plugin};
use ballast_e2e::sample_with;
use ballast_harness::Request;
use ballast_upstream::Upstream;
use ballast_wasm_host::{Host, PluginConfig, Root, VmConfig};
use std::time::Duration;

const HEADERS: [(&str, &str); 4] = [("x-twice", "1"), ("x-twice", "2"), ("accept", "a/b"), ("accept", "c/d")];

/// The probe in the in-process host, and a request that has come to it before.
fn in_process() -> (Host, Root) {
    let host = Host::new();
    let vm =
        host.vm_with(&plugin("probe"), VmConfig { vm_id: VM_ID.to_owned(), ..VmConfig::default() }).unwrap();
    let root = vm.configure(PluginConfig::new("rate-limit", "{}")).unwrap();
    let earlier = root.stream();
    earlier.request_headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")], true).unwrap();
    earlier.response_headers(&[(":status", "200")], true).unwrap();
    earlier.finish().unwrap();
    (host, root)
}

fn modelled(path: &str) -> Vec<String> {
    let (_host, root) = in_process();
    let stream = root.stream();
    stream.set_property(&["source", "address"], "127.0.0.1:40000");
    stream.set_property(&["xds", "cluster_name"], "upstream");
    stream.set_property(&["xds", "listener_direction"], 0_u64.to_le_bytes());
    let usual = [(":method", "GET"), (":path", path), (":authority", "a")];
    stream.request_headers(&[&usual[..], &HEADERS].concat(), true).unwrap();
    if stream.local_reply().is_none() {
        stream.response_headers(&[(":status", "200")], true).unwrap();
    }
    let reply = stream.local_reply().expect("the probe answers");
    assert_eq!(reply.details, "probe_details");
    lines(&reply.body)
}

fn lines(body: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(body).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_in_process_host_answers_every_fact_as_envoy_does() {
    let upstream = Upstream::start();
    let module = ("dist/ballast_rate_limit.wasm", "target/plugins/ballast_probe.wasm");
    let envoy = sample_with("rate-limit.yaml", "{}", &upstream).replacing(module.0, module.1).concurrency(1);
    let envoy = envoy.start().await.unwrap();
    // So that a stream has ended before, as in the model.
    Request::get(&envoy.url("/")).send().await.unwrap();

    for path in ["/probe/request", "/probe/response"] {
        let mut request = Request::get(&envoy.url(path));
        for (name, value) in HEADERS {
            request = request.header(name, value);
        }
        let real = lines(&request.send().await.unwrap().body);
        assert!(real.len() >= 5, "{path} answered {real:?}");
        assert_eq!(modelled(path), real, "{path}: the model on the left, Envoy on the right");
    }
}

#[tokio::test]
async fn a_parked_request_goes_on_with_the_headers_it_was_given_meanwhile() {
    let upstream = Upstream::start();
    let module = ("dist/ballast_rate_limit.wasm", "target/plugins/ballast_probe.wasm");
    let envoy =
        sample_with("rate-limit.yaml", "{}", &upstream).replacing(module.0, module.1).start().await.unwrap();
    let answer = Request::get(&envoy.url("/probe/park")).send().await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("x-parked"), "{}", answer.text());

    let (host, root) = in_process();
    let stream = root.stream();
    stream
        .request_headers(&[(":method", "GET"), (":path", "/probe/park"), (":authority", "a")], true)
        .unwrap();
    assert!(!stream.resumed());
    host.advance(Duration::from_millis(200));
    assert!(stream.resumed());
    assert_eq!(stream.request().headers.text("x-parked"), Some("yes"));
}
