//! The service as a program: `ballast-ratelimit --port 8081 --redis redis://127.0.0.1:6379 --limit limit=api:100/minute`.

use ballast_ratelimit::{Limit, Limits, RateLimitServer};
use clap::Parser;

/// A small rate limit service on 127.0.0.1, which counts in Redis.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8081)]
    port: u16,
    /// Where Redis is.
    #[arg(long, default_value = "redis://127.0.0.1:6379")]
    redis: String,
    /// A limit, such as `limit=api:100/minute`: for descriptors with the entry `limit` = `api`. May be repeated.
    #[arg(long = "limit")]
    limits: Vec<Limit>,
}

fn main() -> std::process::ExitCode {
    let Arguments { port, redis, limits } = Arguments::parse();
    let server = match RateLimitServer::start(port, &redis, Limits(limits)) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("ballast-ratelimit: cannot serve on 127.0.0.1:{port} with {redis}: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    println!("listening on {}", server.address());
    loop {
        // Until a signal ends the process: there is nothing to clean up.
        std::thread::park();
    }
}
