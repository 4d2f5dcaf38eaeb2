//! What several paths need, and those that are short.

use crate::{Demo, Stream};
use ballast_host::{Ask, Asked, CallAnswer, Cx, Flow, Host, Map, Reply};
use core::time::Duration;

pub(crate) fn answer(text: &str) -> Flow {
    Flow::Reply(reply(200, text))
}

pub(crate) fn reply(status: u16, text: &str) -> Box<Reply> {
    Box::new(Reply { status, details: "demo".into(), body: text.into(), ..Reply::default() })
}

pub(crate) fn text<H: Host>(cx: &Cx<'_, H>, header: &str) -> String {
    let value = cx.host.header(Map::RequestHeaders, header).unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}

pub(crate) fn number<H: Host>(cx: &Cx<'_, H>, header: &str) -> Option<u64> {
    text(cx, header).parse().ok()
}

/// Zero if it does not say.
pub(crate) fn millis<H: Host>(cx: &Cx<'_, H>, header: &str) -> Duration {
    Duration::from_millis(number(cx, header).unwrap_or(0))
}

pub(crate) fn fact<H: Host>(cx: &Cx<'_, H>) -> Flow {
    if let Some(stated) = cx.fact("demo") {
        return answer(&format!("stated: {}", String::from_utf8_lossy(&stated)));
    }
    match cx.set_fact("demo", text(cx, "x-state").as_bytes()) {
        Ok(()) => Flow::Continue,
        Err(error) => answer(&error.to_string()),
    }
}

pub(crate) fn called(call: &CallAnswer) -> String {
    match call {
        CallAnswer::Http { headers, body } => match headers.get(":status") {
            Some(status) => {
                format!("{} {}", String::from_utf8_lossy(status), String::from_utf8_lossy(body))
            }
            None => "failed".to_owned(),
        },
        CallAnswer::Grpc { status, message } => {
            format!("grpc {status} {}", String::from_utf8_lossy(message))
        }
    }
}

impl Demo {
    pub(crate) fn park<H: Host>(&self, stream: &mut Stream, cx: &mut Cx<'_, H>, short: bool) -> Flow {
        let permit = text(cx, "x-permit");
        let Some(most) = self.config.permits.get(&permit).copied() else { return answer("no such permit") };
        let (wait, most_waiting) = (millis(cx, "x-wait-ms"), self.config.most_waiting);
        let asked = cx.ask(&Ask { permit: &permit, most, wait, most_waiting });
        stream.short = short.then_some(permit);
        match asked {
            Asked::Granted => {
                // Refused only for streams without headers, and this one has some.
                let _ = cx.host.set_header(Map::RequestHeaders, "x-permit-granted", b"at once");
                Flow::Continue
            }
            Asked::Parked => Flow::Pause,
            Asked::Full => Flow::Reply(reply(429, "full")),
            Asked::Unavailable => Flow::Reply(reply(500, "unavailable")),
        }
    }
}
