//! Each thing that a script can ask for, observed by a client that knows nothing of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod raw;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use ballast_upstream::{
    Answer, Behaviour, Capacity, Queue, Reset, Station, Switch, Upstream, UpstreamOptions, body_hash,
};

use raw::{connect, get, get_with, http2, send, until};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn an_unscripted_path_echoes_the_request() {
    let upstream = Upstream::start();
    let text = get_with(&upstream, "/a?b=c", "x-one: 1\r\nx-one: 2\r\n").unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let body: serde_json::Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["method"], "GET");
    assert_eq!(body["path"], "/a?b=c");
    assert_eq!(body["http"], "HTTP/1.1");
    assert_eq!(body["headers"]["x-one"], serde_json::json!(["1", "2"]));
}

#[test]
fn the_longest_prefix_answers() {
    let upstream = Upstream::start();
    upstream.script("/api", Answer::status(201).header("x-which", "short"));
    upstream.script("/api/users", Answer::status(503).header("x-which", "long").body("no"));
    let long = get(&upstream, "/api/users/7").unwrap();
    assert!(long.starts_with("HTTP/1.1 503 "), "{long}");
    assert!(long.contains("x-which: long\r\n") && long.ends_with("\r\n\r\nno"), "{long}");
    assert!(get(&upstream, "/api/other").unwrap().contains("x-which: short\r\n"));
    assert!(get(&upstream, "/other").unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn headers_come_after_the_delay() {
    let upstream = Upstream::start();
    upstream.script("/slow", Answer::ok().delay(ms(80)));
    let begin = Instant::now();
    get(&upstream, "/slow").unwrap();
    assert!(begin.elapsed() >= ms(80), "{:?}", begin.elapsed());
}

#[test]
fn a_body_has_the_size_asked_for() {
    let upstream = Upstream::start();
    upstream.script("/big", Answer::ok().body_bytes(300_000));
    let text = get(&upstream, "/big").unwrap();
    assert!(text.contains("content-length: 300000\r\n"));
    assert_eq!(text.split_once("\r\n\r\n").unwrap().1.len(), 300_000);
}

#[test]
fn a_chunked_body_comes_in_pieces_with_pauses() {
    let upstream = Upstream::start();
    upstream.script("/chunks", Answer::ok().body("abcde").chunks(2, ms(30)));
    let begin = Instant::now();
    let text = get(&upstream, "/chunks").unwrap();
    assert!(begin.elapsed() >= ms(60), "two pauses: {:?}", begin.elapsed());
    assert!(text.contains("transfer-encoding: chunked\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n2\r\nab\r\n2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n"), "{text}");
}

#[test]
fn trailers_reach_a_client_that_wants_them() {
    let upstream = Upstream::start();
    upstream.script("/t", Answer::ok().body("x").trailer("x-sum", "7"));
    let text = get_with(&upstream, "/t", "te: trailers\r\n").unwrap();
    assert!(text.contains("trailer: x-sum\r\n"), "{text}");
    assert!(text.ends_with("0\r\nx-sum: 7\r\n\r\n"), "{text}");
}

#[test]
fn a_reset_before_the_headers_is_a_reset_and_nothing_else() {
    let upstream = Upstream::start();
    upstream.script("/reset", Answer::ok().reset(Reset::BeforeHeaders));
    let broken = get(&upstream, "/reset").unwrap_err();
    assert_eq!(broken.error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(broken.seen, "");
}

#[test]
fn a_reset_after_the_headers_lets_them_through() {
    let upstream = Upstream::start();
    upstream.script("/reset", Answer::ok().body("never").reset(Reset::AfterHeaders));
    let broken = get(&upstream, "/reset").unwrap_err();
    assert_eq!(broken.error.kind(), ErrorKind::ConnectionReset);
    assert!(broken.seen.starts_with("HTTP/1.1 200 ") && broken.seen.ends_with("\r\n\r\n"), "{}", broken.seen);
}

#[test]
fn a_reset_amid_the_body_lets_so_many_bytes_through() {
    let upstream = Upstream::start();
    upstream.script("/reset", Answer::ok().body("0123456789").reset(Reset::AmidBody { after_bytes: 4 }));
    let broken = get(&upstream, "/reset").unwrap_err();
    assert_eq!(broken.error.kind(), ErrorKind::ConnectionReset);
    assert!(broken.seen.ends_with("\r\n\r\n0123"), "{}", broken.seen);
}

#[test]
fn every_nth_the_first_n_and_switched_requests_are_interrupted() {
    let upstream = Upstream::start();
    let switch = Switch::off();
    let behaviour = Behaviour::always(Answer::ok())
        .while_on(&switch, Answer::status(500))
        .first(1, Answer::status(501))
        .every(3, Answer::status(503));
    upstream.script("/f", behaviour);
    let status = || get(&upstream, "/f").unwrap()[9..12].to_owned();
    assert_eq!([(); 6].map(|()| status()), ["501", "200", "503", "200", "200", "503"]);
    switch.set(true);
    assert_eq!(status(), "500");
    switch.set(false);
    assert_eq!(status(), "200");
}

#[test]
fn capacity_serves_so_many_at_a_time_and_turns_away_whom_the_queue_cannot_hold() {
    let upstream = Upstream::start();
    let capacity = Capacity { at_a_time: 2, service_time: ms(250), queue: Queue::AtMost(3) };
    upstream.script("/c", Behaviour::always(Answer::ok()).capacity(capacity));
    let begin = Instant::now();
    let statuses: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..7).map(|_| scope.spawn(|| get(&upstream, "/c").unwrap()[9..12].to_owned())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    // Two in service and three waiting: two are turned away, and five take three rounds.
    assert_eq!(statuses.iter().filter(|status| *status == "503").count(), 2, "{statuses:?}");
    assert!(begin.elapsed() >= ms(750), "{:?}", begin.elapsed());
    assert_eq!(upstream.received_at("/c"), 7);
    assert!(upstream.most_in_flight_at("/c") >= 5);
}

#[test]
fn a_station_works_on_what_it_received_whoever_is_still_there() {
    let upstream = Upstream::start();
    let station = Station::new(2, ms(300));
    upstream.script("/s", Behaviour::always(Answer::ok()).station(&station));
    let begin = Instant::now();
    // Five come and leave: two are in service, three wait.
    let mut clients: Vec<_> = (0..5).map(|_| connect(&upstream)).collect();
    for client in &mut clients {
        send(client, b"GET /s HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    until(|| station.in_flight() == 5);
    drop(clients);
    assert!(get(&upstream, "/s").unwrap().starts_with("HTTP/1.1 200 "));
    // The third round of two.
    assert!(begin.elapsed() >= ms(900), "{:?}", begin.elapsed());
    until(|| station.in_flight() == 0);
    assert_eq!(station.served(), 6);
}

#[test]
fn a_station_serves_as_many_as_its_service_time_says_and_the_service_time_can_change() {
    let upstream = Upstream::start();
    let station = Station::new(4, ms(5));
    upstream.script("/s", Behaviour::always(Answer::ok()).station(&station));
    let round = |requests: usize| {
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..requests / 8).for_each(|_| drop(get(&upstream, "/s").unwrap())));
            }
        });
        begin.elapsed()
    };
    // 26 rounds of four, never faster.
    assert!(round(104) >= ms(26 * 5));
    station.set_service_time(ms(50));
    assert!(round(24) >= ms(6 * 50));
    assert_eq!(station.served(), 128);
}

#[test]
fn a_request_asks_for_its_own_answer() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(500));
    let text = get_with(&upstream, "/", "x-upstream: status=418; body=3; header=x-a:b\r\n").unwrap();
    assert!(
        text.starts_with("HTTP/1.1 418 ") && text.contains("x-a: b\r\n") && text.ends_with("\r\n\r\nxxx"),
        "{text}"
    );
    let wrong = get_with(&upstream, "/", "x-upstream: colour=red\r\n").unwrap();
    assert!(wrong.starts_with("HTTP/1.1 400 ") && wrong.contains("unknown field `colour`"), "{wrong}");
}

#[test]
fn a_path_asks_for_its_answer_unless_that_is_switched_off() {
    let upstream = Upstream::start();
    assert!(get(&upstream, "/status/503").unwrap().starts_with("HTTP/1.1 503 "));
    assert!(get(&upstream, "/bytes/10").unwrap().ends_with("\r\n\r\nxxxxxxxxxx"));
    let plain = Upstream::start_with(UpstreamOptions { port: 0, asking_paths: false }).unwrap();
    assert!(get(&plain, "/status/503").unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_arrived_is_counted_and_remembered() {
    let upstream = Upstream::start();
    let body = vec![7; 200_000];
    let head = format!("POST /p?q=1 HTTP/1.1\r\nhost: u\r\nx-a: b\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut request = head.into_bytes();
    request.extend_from_slice(&body);
    let mut connection = connect(&upstream);
    send(&mut connection, &request);
    get(&upstream, "/other").unwrap();
    until(|| upstream.in_flight() == 0 && upstream.received() == 2);
    assert_eq!(
        (upstream.received_at("/p"), upstream.received_at("/other"), upstream.connections()),
        (1, 1, 2)
    );
    let received = upstream.last_requests();
    let post = received.iter().find(|request| request.path == "/p?q=1").unwrap();
    assert_eq!(post.headers.get("x-a").unwrap(), "b");
    assert_eq!((post.body_bytes, post.body_hash), (Some(200_000), Some(body_hash(&body))));
    drop(connection);
    until(|| upstream.connections_open() == 0);
    upstream.reset_counts();
    assert_eq!((upstream.received(), upstream.received_at("/p"), upstream.connections()), (0, 0, 0));
}

#[test]
fn a_client_that_goes_away_is_no_longer_in_flight() {
    let upstream = Upstream::start();
    upstream.script("/slow", Answer::ok().delay(ms(60_000)));
    let mut connection = connect(&upstream);
    send(&mut connection, b"GET /slow HTTP/1.1\r\nhost: u\r\n\r\n");
    until(|| upstream.in_flight_at("/slow") == 1);
    drop(connection);
    until(|| upstream.in_flight() == 0);
    assert_eq!(upstream.most_in_flight(), 1);
}

#[test]
fn refusing_resets_open_connections_refuses_new_ones_and_ends() {
    let upstream = Upstream::start();
    upstream.script("/slow", Answer::ok().delay(ms(60_000)));
    let mut waiting = connect(&upstream);
    send(&mut waiting, b"GET /slow HTTP/1.1\r\nhost: u\r\n\r\n");
    until(|| upstream.in_flight() == 1);
    upstream.refuse_connections();
    assert_eq!(raw::rest(waiting).unwrap_err().error.kind(), ErrorKind::ConnectionReset);
    let refused = std::net::TcpStream::connect(upstream.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    upstream.accept_connections();
    assert!(get(&upstream, "/").unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn dropping_it_stops_it() {
    let upstream = Upstream::start();
    let address = upstream.address();
    let _idle = connect(&upstream);
    drop(upstream);
    assert_eq!(std::net::TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_taken_port_is_an_error_also_for_a_caller_within_a_runtime() {
    let first = Upstream::start();
    let options = UpstreamOptions { port: first.address().port(), ..UpstreamOptions::default() };
    assert_eq!(Upstream::start_with(options).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn http2_speaks_on_the_same_port_with_grpc_in_trailers_or_headers() {
    let upstream = Upstream::start();
    upstream.script("/ok", Answer::grpc(0, ""));
    upstream.script("/bad", Answer::grpc(8, "too much"));
    upstream.script("/only", Answer::grpc_trailers_only(14, "away"));
    let ok = http2(&upstream, "/ok").await.unwrap();
    assert_eq!((ok.body.as_ref(), ok.trailer("grpc-status")), (&[0; 5][..], Some("0")));
    let bad = http2(&upstream, "/bad").await.unwrap();
    assert_eq!((bad.body.len(), bad.trailer("grpc-status"), bad.header("grpc-status")), (0, Some("8"), None));
    assert_eq!(bad.trailer("grpc-message"), Some("too much"));
    let only = http2(&upstream, "/only").await.unwrap();
    assert_eq!((only.header("grpc-status"), only.trailer("grpc-status")), (Some("14"), None));
    assert!(only.ended_with_headers, "no frame may follow the headers");
    let echo = http2(&upstream, "/").await.unwrap();
    assert!(String::from_utf8_lossy(&echo.body).contains("\"HTTP/2.0\""));
}

#[tokio::test]
async fn a_reset_ends_an_http2_connection_where_it_was_asked_for() {
    let upstream = Upstream::start();
    upstream.script("/before", Answer::ok().reset(Reset::BeforeHeaders));
    upstream.script("/amid", Answer::ok().body("0123456789").reset(Reset::AmidBody { after_bytes: 4 }));
    assert_eq!(http2(&upstream, "/before").await.unwrap_err(), "before the headers");
    assert_eq!(http2(&upstream, "/amid").await.unwrap_err(), "after 4 bytes");
    until(|| upstream.in_flight() == 0);
}
