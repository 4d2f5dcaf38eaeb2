//! The sample upstream as a program: `ballast-upstream --port 9000`.

use clap::Parser;

use ballast_upstream::{Upstream, UpstreamOptions};

/// A controllable upstream on 127.0.0.1.
///
/// Paths ask for their answer: /status/503, /delay/200ms, /bytes/1000; any other path echoes the request. So does the
/// header `x-upstream: status=503; delay=20ms; body=1000; chunk=100; gap=5ms; header=name:value; trailer=name:value;
/// reset=before-headers|after-headers|amid-body; grpc-status=8; trailers-only`.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 9000)]
    port: u16,
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let upstream =
        match Upstream::start_with(UpstreamOptions { port: arguments.port, ..UpstreamOptions::default() }) {
            Ok(upstream) => upstream,
            Err(error) => {
                eprintln!("ballast-upstream: cannot listen on 127.0.0.1:{}: {error}", arguments.port);
                return std::process::ExitCode::FAILURE;
            }
        };
    println!("listening on {}", upstream.address());
    loop {
        // Until a signal ends the process: there is nothing to clean up.
        std::thread::park();
    }
}
