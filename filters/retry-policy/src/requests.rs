//! How a request is sent on: what the router is told.

use ballast_core::resend::ROUTER_HEADERS;
use ballast_core::retry_policy::config::Policy;
use ballast_core::retry_policy::deadline::{deadline, expected_timeout, grpc_timeout, to_grpc_timeout};
use ballast_core::retry_policy::steer::{MAX_RETRIES, TIMEOUT, millis};
use ballast_core::time::MonoTime;
use ballast_host::{Headers, Host, Map};
use core::time::Duration;

/// Tells the next proxies that a request is a retry, also where they count attempts anew.
pub(crate) const RETRY: &str = "x-ballast-retry";

/// What a request says that matters for retries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// It may be sent twice.
    pub(crate) may_repeat: bool,
    /// It is itself a retry. Whoever says so only gets less.
    pub(crate) is_retry: bool,
    /// It is a gRPC call.
    pub(crate) is_grpc: bool,
    /// It becomes a tunnel.
    pub(crate) is_upgrade: bool,
    /// How long its client waits.
    client_timeout: Option<Duration>,
    grpc_timeout: Option<Duration>,
    /// A client inside the mesh has set some of [`ROUTER_HEADERS`].
    is_steered: bool,
}

impl Asked {
    pub(crate) fn read(policy: &Policy, headers: &Headers) -> Self {
        let mut asked = Self {
            may_repeat: false,
            is_retry: false,
            is_grpc: false,
            is_upgrade: false,
            client_timeout: None,
            grpc_timeout: None,
            is_steered: false,
        };
        let mut method: &[u8] = b"";
        for (name, value) in headers.iter() {
            match name {
                b":method" => method = value,
                b"content-type" => asked.is_grpc = value.starts_with(b"application/grpc"),
                b"upgrade" => asked.is_upgrade = true,
                b"grpc-timeout" => asked.grpc_timeout = grpc_timeout(value),
                b"grpc-previous-rpc-attempts" => asked.is_retry |= value != b"0",
                b"x-ballast-retry" => asked.is_retry = true,
                _ if name.starts_with(b"x-envoy-") => asked.read_envoy(name, value),
                _ => {}
            }
        }
        asked.is_upgrade |= method == b"CONNECT";
        asked.may_repeat = policy.may_repeat(method, |name| headers.get(name).is_some());
        asked
    }

    fn read_envoy(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"x-envoy-attempt-count" => self.is_retry |= value != b"1",
            b"x-envoy-expected-rq-timeout-ms" => self.client_timeout = expected_timeout(value),
            _ => self.is_steered |= ROUTER_HEADERS.iter().any(|known| known.as_bytes() == name),
        }
    }

    /// Whether the request's time ends at all.
    pub(crate) fn has_deadline(&self, policy: &Policy) -> bool {
        [policy.timeout, self.client_timeout, self.grpc_timeout].iter().any(Option::is_some)
    }

    /// When the request's time ends.
    pub(crate) fn deadline(&self, policy: &Policy, now: MonoTime) -> Option<MonoTime> {
        deadline(now, [policy.timeout, self.client_timeout, self.grpc_timeout])
    }
}

/// Says to the router that it retries nothing, unless it would not `anyway`, and how long the one attempt may take.
pub(crate) fn forbid(
    host: &impl Host,
    headers: &Headers,
    asked: &Asked,
    timeout: Option<Duration>,
    anyway: bool,
) {
    let timeout = timeout.map(millis);
    remove_foreign(host, headers, asked, |name| {
        name == MAX_RETRIES || (name == TIMEOUT && timeout.is_some())
    });
    // What an internal client asks of the router is no matter of the route's.
    if !anyway || asked.is_steered {
        set(host, MAX_RETRIES, "0");
    }
    if let Some(timeout) = timeout {
        set(host, TIMEOUT, &timeout);
    }
}

/// Says to the router what to retry, and how often at the most.
pub(crate) fn steer(host: &impl Host, headers: &Headers, asked: &Asked, policy: &Policy, retries: u32) {
    let steering = &policy.steering.headers;
    remove_foreign(host, headers, asked, |name| {
        name == MAX_RETRIES || steering.iter().any(|(own, _)| *own == name)
    });
    for (name, value) in steering {
        set(host, name, value);
    }
    set(host, MAX_RETRIES, &retries.to_string());
    if let (Some(own), Some(client)) = (policy.timeout, asked.grpc_timeout)
        && own < client
    {
        set(host, "grpc-timeout", &to_grpc_timeout(own));
    }
}

/// Tells the next hops that this is a retry.
pub(crate) fn pass_on(host: &impl Host) {
    set(host, RETRY, "again");
}

/// What an internal client has told the router must not hold where the policy says otherwise.
fn remove_foreign(host: &impl Host, headers: &Headers, asked: &Asked, own: impl Fn(&str) -> bool) {
    if !asked.is_steered {
        return;
    }
    for name in ROUTER_HEADERS.iter().filter(|name| !own(name) && headers.get(name).is_some()) {
        let _ = host.remove_header(Map::RequestHeaders, name);
    }
}

fn set(host: &impl Host, name: &str, value: &str) {
    // Request headers can always be set in their own callback, which this is.
    let _ = host.set_header(Map::RequestHeaders, name, value.as_bytes());
}
