//! The facts, one function a group.

use ballast_host::{Host, HttpCall, Map, MetricKind};
use core::time::Duration;

/// What a request headers callback sees.
pub(crate) fn in_request(host: &impl Host, logged: u32) -> Vec<String> {
    let mut lines = Vec::new();
    shared_data(host, &mut lines);
    queues(host, &mut lines);
    metrics(host, &mut lines);
    filter_state(host, &mut lines);
    headers(host, &mut lines);
    properties(host, &mut lines);
    clocks(host, &mut lines);
    refusals(host, &mut lines);
    say(&mut lines, "earlier streams have ended with a log callback", logged > 0);
    lines
}

/// What a response headers callback sees.
pub(crate) fn in_response(host: &impl Host) -> Vec<String> {
    let mut lines = Vec::new();
    let status = host.header(Map::ResponseHeaders, ":status");
    say(&mut lines, "status of the answer", status.map(text));
    say(
        &mut lines,
        "request header once the request has gone on",
        host.header(Map::RequestHeaders, ":path").map(text),
    );
    let absent = host.property("request\0headers\0x-twice").map(text);
    say(&mut lines, "request header as a property in the response phase", absent);
    let code = host.property("response\0code").map(|bytes| bytes == 200_u64.to_le_bytes());
    say(&mut lines, "response.code is eight little-endian bytes", code);
    say(&mut lines, "response.code_details", host.property("response\0code_details").map(text));
    lines
}

fn say(lines: &mut Vec<String>, fact: &str, answer: impl core::fmt::Debug) {
    lines.push(format!("{fact}: {answer:?}"));
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn shared_data(host: &impl Host, lines: &mut Vec<String>) {
    // A key of this request's own, so that each run starts from nothing.
    let key = format!("probe/{:x}", host.random());
    let Ok(absent) = host.shared(&key) else { return say(lines, "shared data", "unreadable") };
    say(lines, "an absent key", &absent);
    say(lines, "create if absent, first", host.swap_shared(&key, b"one", absent.version));
    say(lines, "create if absent, second", host.swap_shared(&key, b"two", absent.version));
    let Ok(first) = host.shared(&key) else { return say(lines, "shared data", "unreadable") };
    say(lines, "after creation", first.value.map(text));
    say(lines, "swap with the version read", host.swap_shared(&key, b"three", first.version));
    say(lines, "swap with an old version", host.swap_shared(&key, b"four", first.version));
    say(lines, "unconditional write", host.put_shared(&key, b"five"));
    say(lines, "after the unconditional write", host.shared(&key).map(|shared| shared.value.map(text)));
    let again = host.shared(&key).map(|shared| shared.version);
    say(
        lines,
        "reading does not change the version",
        again == host.shared(&key).map(|shared| shared.version),
    );
    say(lines, "empty write", host.put_shared(&key, b""));
    let emptied = host.shared(&key).map(|shared| (shared.value, shared.version != absent.version));
    say(lines, "an emptied key has no value but a version", emptied);
}

fn queues(host: &impl Host, lines: &mut Vec<String>) {
    let name = format!("probe/{:x}", host.random());
    say(lines, "an unknown queue", host.find_queue(&name));
    let Ok(queue) = host.register_queue(&name) else { return say(lines, "queues", "not registered") };
    say(lines, "a registered queue is found", host.find_queue(&name) == Ok(Some(queue)));
    say(lines, "an empty queue", host.dequeue(queue));
    say(lines, "enqueue", host.enqueue(queue, b"one").and_then(|()| host.enqueue(queue, b"two")));
    say(
        lines,
        "oldest first",
        [host.dequeue(queue), host.dequeue(queue)].map(|message| message.map(|m| m.map(text))),
    );
    say(lines, "registering again keeps the queue", host.register_queue(&name) == Ok(queue));
}

fn metrics(host: &impl Host, lines: &mut Vec<String>) {
    let name = format!("probe.{:x}", host.random());
    let Ok(gauge) = host.define_metric(MetricKind::Gauge, &name) else {
        return say(lines, "metrics", "undefined");
    };
    say(lines, "the same name is the same metric", host.define_metric(MetricKind::Gauge, &name) == Ok(gauge));
    host.increment(gauge, 5);
    host.increment(gauge, -3);
    say(lines, "a gauge adds and subtracts", host.metric(gauge));
    host.increment(gauge, -3);
    say(lines, "a gauge wraps below zero", host.metric(gauge));
    host.record(gauge, 7);
    say(lines, "a gauge is set", host.metric(gauge));
}

fn filter_state(host: &impl Host, lines: &mut Vec<String>) {
    say(lines, "filter state of one element", host.set_filter_state("ballast.probe", b"state"));
    say(lines, "read by its name", host.property("ballast.probe").map(text));
    say(lines, "read as filter state", host.property("filter_state\0wasm.ballast.probe").map(text));
    say(lines, "filter state of two elements", host.set_filter_state("ballast\0two", b"state"));
    say(lines, "read by two elements", host.property("ballast\0two").map(text));
    say(lines, "read by two elements joined", host.property("ballast.two").map(text));
}

fn headers(host: &impl Host, lines: &mut Vec<String>) {
    let map = Map::RequestHeaders;
    say(lines, "an absent header", host.header(map, "x-absent"));
    say(lines, "a repeated header", host.header(map, "x-twice").map(text));
    let all = host.headers(map);
    let twice: Vec<_> =
        all.iter().filter(|(name, _)| *name == b"x-twice").map(|(_, value)| text(value.to_vec())).collect();
    say(lines, "a repeated header in the whole map", twice);
    say(lines, "a repeated header that Envoy knows", host.header(map, "accept").map(text));
    say(lines, "set", host.set_header(map, "x-new", b"1").map(|()| host.header(map, "x-new").map(text)));
    say(lines, "replace", host.set_header(map, "x-new", b"2").map(|()| host.header(map, "x-new").map(text)));
    say(lines, "remove", host.remove_header(map, "x-new").map(|()| host.header(map, "x-new").map(text)));
    say(lines, "remove what is absent", host.remove_header(map, "x-new"));
    let names = [":method", ":path", ":authority", "x-twice"];
    say(lines, "the whole map", names.map(|name| all.get(name).is_some()));
    say(lines, "response headers in the request phase", host.header(Map::ResponseHeaders, ":status"));
}

fn properties(host: &impl Host, lines: &mut Vec<String>) {
    say(lines, "an absent property", host.property("no\0such\0thing"));
    let source = host.property("source\0address").map(text);
    say(lines, "source.address has a port", source.map(|address| address.starts_with("127.0.0.1:")));
    say(lines, "plugin_name", host.property("plugin_name").map(text));
    say(lines, "xds.cluster_name", host.property("xds\0cluster_name").map(text));
    say(
        lines,
        "connection.uri_san_peer_certificate without TLS",
        host.property("connection\0uri_san_peer_certificate"),
    );
    say(lines, "listener direction", host.property("xds\0listener_direction").map(|bytes| bytes.len()));
}

fn clocks(host: &impl Host, lines: &mut Vec<String>) {
    let (first, second) = (host.now(), host.now());
    say(lines, "the monotonic clock does not go back", second >= first);
    let year_2020_nanos = 1_577_836_800_000_000_000;
    say(lines, "the wall clock shows a date", host.wall_time().as_unix_nanos() > year_2020_nanos);
    say(lines, "random bits differ", host.random() != host.random());
}

fn refusals(host: &impl Host, lines: &mut Vec<String>) {
    let call = HttpCall {
        cluster: "no-such-cluster".to_owned(),
        headers: [(":method", "GET"), (":path", "/"), (":authority", "a")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        body: Vec::new(),
        timeout: Duration::from_secs(1),
    };
    say(lines, "a call to an unknown cluster", host.call_http(&call).map(|_| "made"));
    say(lines, "an unknown foreign function", host.foreign_function("no_such_function", b""));
}
