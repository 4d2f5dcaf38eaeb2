//! Asks the host for each fact that Ballast relies on.
//!
//! The same module runs in a real Envoy and in the in-process host, and a test compares the answers line by line: a fake that is
//! kinder than the real thing hides bugs. An answer is a line `<fact>: <what the host did>`; what differs from run to
//! run (times, random bits, ports) is reduced to whether it is as it must be.

mod facts;

use ballast_host::{Cx, Filter, Flow, Half, Host, Map, Next, Reply, StartError};
use core::time::Duration;
use serde::Deserialize;

/// The probe has nothing to configure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {}

struct Probe {
    /// `on_log` calls seen by earlier streams, as proof that they came.
    logged: u32,
}

/// What the stream was asked to find out.
#[derive(Debug, Default)]
struct Stream {
    path: Vec<u8>,
    own_reply: bool,
    resumed: bool,
}

const PARK: Duration = Duration::from_millis(20);

impl Filter for Probe {
    const NAME: &'static str = "probe";
    type Config = Config;
    type Stream = Stream;

    fn namespace(_: &Config) -> Option<&str> {
        None
    }

    fn start<H: Host>(_: Config, _: &mut Cx<'_, H>) -> Result<Self, StartError> {
        Ok(Self { logged: 0 })
    }

    fn on_request_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: bool) -> Flow {
        stream.path = cx.host.header(Map::RequestHeaders, ":path").unwrap_or_default();
        match stream.path.as_slice() {
            b"/probe/request" => {
                stream.own_reply = true;
                reply(&facts::in_request(cx.host, self.logged))
            }
            b"/probe/park" => {
                cx.set_timer(PARK, 1);
                Flow::Pause
            }
            _ => Flow::Continue,
        }
    }

    fn on_timer<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: u32) -> Next {
        stream.resumed = true;
        // The stream is the effective context here: its headers can be changed before it goes on.
        let _ = cx.host.set_header(Map::RequestHeaders, "x-parked", b"yes");
        Next::Resume(Half::Request)
    }

    fn on_response_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: bool) -> Flow {
        if stream.own_reply {
            let _ = cx.host.set_header(Map::ResponseHeaders, "x-own-response-callback", b"ran");
        }
        if stream.path == b"/probe/response" {
            stream.own_reply = true;
            return reply(&facts::in_response(cx.host));
        }
        Flow::Continue
    }

    fn on_log<H: Host>(&mut self, _: &mut Stream, _: &mut Cx<'_, H>) {
        self.logged = self.logged.saturating_add(1);
    }
}

fn reply(lines: &[String]) -> Flow {
    Flow::Reply(Box::new(Reply {
        status: 200,
        details: "probe details".into(),
        headers: [("x-probe", "1")].into_iter().collect(),
        body: lines.join("\n").as_str().into(),
        grpc_status: None,
    }))
}

ballast_host::export_filter!(
    Probe,
    callbacks: "proxy_on_request_headers,proxy_on_response_headers,proxy_on_log"
);
