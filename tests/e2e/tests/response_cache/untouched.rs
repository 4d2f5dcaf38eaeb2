//! What passes as it is and leaves nothing behind: trailers, gRPC, upgrades, interim answers, methods that nobody knows, answers
//! that break off, and a validation that is about something else.

use super::{rules, said};
use ballast_e2e::over_http2;
use ballast_harness::Request;
use ballast_upstream::{Answer, Behaviour, Reset, Upstream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ALL: &str = r#"[{"name": "all", "methods": ["GET", "POST"]}]"#;

/// An upstream that says these bytes to each connection's first request and echoes what comes then; how many have come.
async fn raw_upstream(says: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut bytes = [0; 4_096];
                let _ = socket.read(&mut bytes).await;
                count.fetch_add(1, Ordering::SeqCst);
                let _ = socket.write_all(says.as_bytes()).await;
                while let Ok(read @ 1..) = socket.read(&mut bytes).await {
                    let _ = socket.write_all(&bytes[..read]).await;
                }
            });
        }
    });
    (address, asked)
}

/// Sends these bytes and reads until the text has come.
async fn exchange(socket: &mut TcpStream, send: &str, until: &str) -> String {
    socket.write_all(send.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let read = async {
        let mut bytes = [0; 4_096];
        while !String::from_utf8_lossy(&all).contains(until) {
            let read = socket.read(&mut bytes).await.unwrap();
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&bytes[..read]);
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), read).await;
    let all = String::from_utf8_lossy(&all).into_owned();
    assert!(in_time.is_ok(), "`{until}` does not come: {all:?}");
    all
}

async fn connect(url: &str) -> TcpStream {
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    TcpStream::connect(authority).await.unwrap()
}

#[tokio::test]
async fn rfc_9110_6_5_an_answer_with_trailers_passes_whole_and_is_not_stored() {
    let upstream = Upstream::start();
    let answer = Answer::ok().header("cache-control", "max-age=60").body("abc").trailer("x-end", "1");
    upstream.script("/a", answer);
    let envoy = over_http2(rules(ALL, &upstream)).start().await.unwrap();
    for time in 1..=2 {
        let answer = Request::get(&envoy.url("/a")).http2().send().await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "abc"));
        assert_eq!(answer.trailer("x-end"), Some("1"));
        assert_eq!(upstream.received_at("/a"), time, "{}", said(&answer));
    }
}

#[tokio::test]
async fn grpc_is_not_touched() {
    let upstream = Upstream::start();
    let fresh = |answer: Answer| answer.header("cache-control", "max-age=60");
    upstream.script("/s.S/Whole", fresh(Answer::grpc(0, "")));
    upstream.script("/s.S/Fails", fresh(Answer::grpc_trailers_only(14, "away")));
    let envoy = over_http2(rules(ALL, &upstream)).start().await.unwrap();
    for path in ["/s.S/Whole", "/s.S/Fails"] {
        for time in 1..=2 {
            let call = Request::post(&envoy.url(path), "same")
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .http2();
            let answer = call.send().await.unwrap();
            let status = answer.trailer("grpc-status").or(answer.header("grpc-status"));
            assert_eq!(status, Some(if path.ends_with("Whole") { "0" } else { "14" }), "{path}");
            assert_eq!(answer.header("cache-status"), None, "{path}");
            assert_eq!(upstream.received_at(path), time, "{path}");
        }
    }
}

#[tokio::test]
async fn rfc_9110_7_8_an_upgrade_is_not_touched() {
    let (address, asked) = raw_upstream(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\ncache-control: max-age=60\r\n\r\n",
    )
    .await;
    let unused = Upstream::start();
    let envoy = rules(ALL, &unused)
        .upstream(address)
        .replacing(
            "                use_remote_address: true\n",
            "                use_remote_address: true\n                upgrade_configs: [{ upgrade_type: websocket }]\n",
        )
        .start()
        .await
        .unwrap();
    let ask = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    for time in 1..=2 {
        let mut socket = connect(&envoy.url("/")).await;
        let head = exchange(&mut socket, ask, "\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(!head.contains("cache-status"), "{head}");
        assert_eq!(exchange(&mut socket, "to and fro", "to and fro").await, "to and fro");
        assert_eq!(asked.load(Ordering::SeqCst), time);
    }
}

#[tokio::test]
async fn rfc_9110_15_2_an_interim_answer_passes_and_neither_it_nor_its_fields_are_stored() {
    let (address, asked) = raw_upstream(
        "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\ncache-control: max-age=600\r\n\r\n\
         HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 5\r\n\r\nfinal",
    )
    .await;
    let unused = Upstream::start();
    let envoy = rules(ALL, &unused).upstream(address).start().await.unwrap();
    let ask = "GET /page HTTP/1.1\r\nhost: a\r\n\r\n";
    let first = exchange(&mut connect(&envoy.url("/")).await, ask, "final").await;
    let (interim, last) = first.split_once("\r\n\r\n").unwrap();
    assert!(interim.starts_with("HTTP/1.1 103") && interim.contains("link:"), "{first}");
    assert!(last.starts_with("HTTP/1.1 200") && !last.contains("link:"), "{first}");
    assert!(last.contains("cache-control: max-age=60\r\n"), "{first}");
    let second = exchange(&mut connect(&envoy.url("/")).await, ask, "final").await;
    assert!(second.starts_with("HTTP/1.1 200") && !second.contains("link:"), "{second}");
    assert!(second.contains("ballast;hit") && second.contains("cache-control: max-age=60\r\n"), "{second}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn rfc_9111_4_4_a_method_that_nobody_knows_is_unsafe_where_the_proxy_lets_it_through() {
    let upstream = Upstream::start();
    upstream.script("/a", Answer::ok().header("cache-control", "max-age=60"));
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    let url = envoy.url("/a");
    let get = || async { said(&Request::get(&url).send().await.unwrap()) };
    get().await;
    assert!(get().await.contains("hit"));
    // Over HTTP/1.1 the proxy itself refuses it.
    assert_eq!(Request::new("FROB", &url).send().await.unwrap().status, 400);
    assert_eq!(upstream.received_at("/a"), 1);
    assert!(get().await.contains("hit"), "nothing has happened");
    // Over HTTP/2 it comes through.
    assert_eq!(Request::new("FROB", &url).http2().send().await.unwrap().status, 200);
    assert_eq!(upstream.received_at("/a"), 2);
    assert!(get().await.contains("uri-miss"), "it may have changed everything");
}

#[tokio::test]
async fn rfc_9111_4_3_4_a_304_about_something_else_has_the_whole_answer_fetched() {
    let upstream = Upstream::start();
    let whole = |tag: &str, text: &str| Answer::ok().header("etag", tag).body(text.to_owned());
    let old = whole("\"a\"", "old").header("cache-control", "max-age=10").header("age", "20");
    let behaviour = Behaviour::always(whole("\"b\"", "new").header("cache-control", "max-age=60"))
        .first(1, old)
        .first(2, Answer::status(304).header("etag", "\"b\""));
    upstream.script("/a", behaviour);
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    let get = || async { Request::get(&envoy.url("/a")).send().await.unwrap() };
    assert_eq!(get().await.text(), "old");
    let answer = get().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "new"), "{}", said(&answer));
    let asked = upstream.last_requests();
    let conditions: Vec<bool> =
        asked.iter().map(|request| request.headers.contains_key("if-none-match")).collect();
    assert_eq!(conditions, [false, true, false]);
    let hit = get().await;
    assert_eq!((hit.text().as_str(), upstream.received_at("/a")), ("new", 3), "{}", said(&hit));
}

#[tokio::test]
async fn rfc_9111_3_3_an_answer_that_breaks_off_is_not_stored() {
    let upstream = Upstream::start();
    let fresh = || Answer::ok().header("cache-control", "max-age=60");
    let broken = Reset::AmidBody { after_bytes: 500 };
    for (path, answer) in [
        ("/announced", fresh().body_bytes(1_000)),
        ("/chunked", fresh().body_bytes(1_000).chunks(100, Duration::from_millis(1))),
    ] {
        let behaviour = Behaviour::always(answer.clone()).first(1, answer.reset(broken));
        upstream.script(path, behaviour);
    }
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    for path in ["/announced", "/chunked"] {
        let request = Request::get(&envoy.url(path));
        let cut = request.send().await;
        assert!(cut.is_err(), "{path}: the client is told, too: {cut:?}");
        let whole = request.send().await.unwrap();
        assert_eq!((whole.body.len(), upstream.received_at(path)), (1_000, 2), "{path}: {}", said(&whole));
        let hit = request.send().await.unwrap();
        assert_eq!((hit.body.len(), upstream.received_at(path)), (1_000, 2), "{path}: {}", said(&hit));
    }
}
