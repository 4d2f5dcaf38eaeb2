//! What the end-to-end tests share: samples with another configuration.
//!
//! The tests start real Envoys with the files in `envoy/`, in which only ports and, where a test is about it, the
//! filter's configuration differ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support fails loudly")]

pub mod incident;

use ballast_harness::{Envoy, EnvoyBuilder};
use ballast_upstream::Upstream;

/// A sample in front of an upstream, with the filter's configuration replaced by this JSON text.
///
/// # Panics
///
/// When the sample does not exist or holds no configuration.
pub fn sample_with(sample: &str, configuration: &str, upstream: &Upstream) -> EnvoyBuilder {
    Envoy::builder().config(configured(sample, configuration)).upstream(upstream.address())
}

/// The same with a module that a request with [`ballast_modules::TRAP_BODY`] takes down, with its VM.
///
/// # Panics
///
/// When the filter's module is not built or the sample does not use it.
pub fn with_trap(filter: &str, builder: EnvoyBuilder) -> EnvoyBuilder {
    let shipped = std::fs::read(ballast_modules::filter_module(filter).unwrap()).unwrap();
    let directory = ballast_modules::workspace_root().join("target/tmp").join(format!("{filter}-crash"));
    std::fs::create_dir_all(&directory).unwrap();
    let name = format!("ballast_{}.wasm", filter.replace('-', "_"));
    let module = directory.join(&name);
    // Tests that run at the same time write the same: each in one piece.
    let whole = directory.join(format!("{name}.{:?}", std::thread::current().id()));
    std::fs::write(&whole, ballast_modules::with_trap(&shipped).unwrap()).unwrap();
    std::fs::rename(&whole, &module).unwrap();
    builder.replacing(&format!("dist/{name}"), module.to_str().unwrap())
}

/// The same with an upstream that speaks HTTP/2, as gRPC needs it and trailers come through.
#[must_use]
pub fn over_http2(builder: EnvoyBuilder) -> EnvoyBuilder {
    builder.replacing(
        "    - name: upstream\n      type: STATIC\n",
        r#"    - name: upstream
      type: STATIC
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
"#,
    )
}

/// The text of a sample with another configuration of its filter.
///
/// # Panics
///
/// When the sample does not exist or holds no configuration.
pub fn configured(sample: &str, configuration: &str) -> String {
    with_configuration(&text_of(sample), 0, configuration)
}

/// The text of a sample.
///
/// # Panics
///
/// When it does not exist.
pub fn text_of(sample: &str) -> String {
    let path = ballast_modules::workspace_root().join("envoy").join(sample);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a chain with another configuration of one of its filters.
///
/// # Panics
///
/// When the chain has no such filter, or it has no configuration.
pub fn filter_configured(text: &str, filter: &str, configuration: &str) -> String {
    let begin = text.find(&format!("- name: ballast.{filter}\n")).expect("the filter is in the chain");
    let (before, rest) = text.split_at(begin);
    format!("{before}{}", with_configuration(rest, 0, configuration))
}

/// A bootstrap with another configuration of the filter that is the `nth` with one, from 0.
///
/// # Panics
///
/// When there are not so many.
pub fn with_configuration(text: &str, nth: usize, configuration: &str) -> String {
    let (start, mark) =
        text.match_indices("value: |\n").nth(nth).expect("the sample has such a configuration");
    let (before, rest) = text.split_at(start);
    let rest = rest.strip_prefix(mark).expect("it is there");
    let indent = rest.len() - rest.trim_start_matches(' ').len();
    let after: String = rest
        .lines()
        .skip_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() >= indent)
        .map(|line| format!("{line}\n"))
        .collect();
    let value: String = configuration.lines().map(|line| format!("{:indent$}{line}\n", "")).collect();
    format!("{before}value: |\n{value}{after}")
}
