//! How near each eviction policy comes to perfect, over the pure core: `make bench-cache`.
//!
//! Four workers with a first level each, over one store, which is a map in memory with the versions and the count that
//! the proxy has. They serve one trace of requests, Zipf-distributed over more answers than fit, of sizes between 1 and
//! 64 KiB; whoever misses stores. Beside each policy stands what a perfect LRU of the same number of bytes, which knows
//! every use at once and loses none to sets, makes of the same trace. A hit is a request that needs no upstream.
//!
//! With `--envoy` a smaller store is measured in the same way in a real Envoy with four workers, beside the core on the same
//! trace; and a thousand clients ask at once for one URL that the upstream takes a second for.

use std::time::Duration;

use ballast_bench::cache::{LOCAL_BYTES, PerfectLru, Shop, Trace};
use ballast_bench::proxied::{Bounds, crowd, hit_ratio};
use ballast_core::response_cache::store::Eviction;
use clap::Parser;

/// How full the store gets, and with what.
#[derive(Parser)]
struct Options {
    /// The store's bound, in MiB.
    #[arg(long, default_value_t = 64)]
    mebibytes: u64,
    /// How many answers fit by number.
    #[arg(long, default_value_t = 8_192)]
    max_entries: u32,
    /// How many different answers there are.
    #[arg(long, default_value_t = 100_000)]
    objects: u32,
    /// How often the store is filled: the trace ends once so many times the bound was stored under SIEVE.
    #[arg(long, default_value_t = 10)]
    fills: u64,
    /// The exponents of the Zipf distribution.
    #[arg(long, value_delimiter = ',', default_values_t = [0.8, 1.0, 1.2])]
    exponents: Vec<f64>,
    /// The seed of the trace.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Measures a real Envoy beside the core, on a sixteenth of the store and of the answers.
    #[arg(long)]
    envoy: bool,
}

/// How far Envoy's hit ratio may be from the core's.
const CLOSE: f64 = 0.02;
/// How long an upstream takes that many wait for, and how much later the last of them may have its answer.
const TAKES: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_millis(300);
const CLIENTS: usize = 1_000;

/// The hit ratio through Envoy beside the core's, and what becomes of a crowd.
async fn beside_envoy(options: &Options) -> anyhow::Result<()> {
    let bounds = Bounds {
        max_bytes: (options.mebibytes << 20) / 16,
        max_entries: options.max_entries / 16,
        local_bytes: LOCAL_BYTES / 16,
    };
    let policies =
        [("sieve", Eviction::Sieve), ("lru", Eviction::Lru), ("lfu", Eviction::Lfu), ("ttl", Eviction::Ttl)];
    let mut far = Vec::new();
    println!("{bounds:?}, {} answers\n", options.objects / 16);
    println!("{:>5} {:>6} {:>10} | {:>7} {:>7}", "zipf", "policy", "requests", "core", "envoy");
    for exponent in &options.exponents {
        let trace = Trace::zipf(options.objects / 16, *exponent, options.seed);
        let shop = |eviction| {
            let Bounds { max_bytes, max_entries, local_bytes } = bounds;
            Shop::with_local(local_bytes, max_bytes, max_entries, eviction, options.seed)
        };
        let mut sieve = shop(Eviction::Sieve);
        let mut requests = Vec::new();
        for request in trace.requests() {
            sieve.serve(request);
            requests.push(request);
            if sieve.stored_bytes() >= bounds.max_bytes * options.fills {
                break;
            }
        }
        for (name, eviction) in policies {
            let mut core = shop(eviction);
            requests.iter().for_each(|request| core.serve(*request));
            let through = hit_ratio(bounds, name, &requests).await?;
            let (core, count) = (core.hit_ratio(), requests.len());
            println!(
                "{exponent:>5} {name:>6} {count:>10} | {:>6.2}% {:>6.2}%",
                100.0 * core,
                100.0 * through
            );
            if (core - through).abs() > CLOSE {
                far.push((*exponent, name));
            }
        }
    }
    let crowd = crowd(CLIENTS, TAKES).await?;
    println!(
        "\n{CLIENTS} for one cold URL of {TAKES:?}: the slowest after {:?}, upstream asked {} times",
        crowd.slowest, crowd.asked
    );
    anyhow::ensure!(far.is_empty(), "Envoy is more than two points from the core at {far:?}");
    anyhow::ensure!(crowd.asked == 1 && crowd.slowest <= TAKES + LATE, "the crowd has waited for too long");
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.envoy {
        return beside_envoy(&options).await;
    }
    let max_bytes = options.mebibytes << 20;
    let mut behind = Vec::new();
    println!(
        "{} MiB, {} entries at most, {} answers; requests until {} x the bound was stored\n",
        options.mebibytes, options.max_entries, options.objects, options.fills
    );
    println!(
        "{:>5} {:>10} {:>9} | {:>8} | {:>7} {:>7} {:>7} {:>7} | most bytes",
        "zipf", "requests", "stored", "perfect", "sieve", "lru", "lfu", "ttl"
    );
    for exponent in &options.exponents {
        let trace = Trace::zipf(options.objects, *exponent, options.seed);
        // The first run decides how long the trace is; all others see the same requests.
        let mut sieve = Shop::new(max_bytes, options.max_entries, Eviction::Sieve, options.seed);
        let mut requests = Vec::new();
        for request in trace.requests() {
            sieve.serve(request);
            requests.push(request);
            if sieve.stored_bytes() >= max_bytes * options.fills {
                break;
            }
        }
        let mut perfect = PerfectLru::new(sieve.budget());
        requests.iter().for_each(|request| perfect.serve(*request));
        let mut ratios = vec![sieve.hit_ratio()];
        let mut most_bytes = sieve.most_bytes();
        for eviction in [Eviction::Lru, Eviction::Lfu, Eviction::Ttl] {
            let mut shop = Shop::new(max_bytes, options.max_entries, eviction, options.seed);
            requests.iter().for_each(|request| shop.serve(*request));
            most_bytes = most_bytes.max(shop.most_bytes());
            ratios.push(shop.hit_ratio());
        }
        let [sieve_ratio, lru, lfu, ttl] = ratios[..] else { anyhow::bail!("a policy is missing") };
        println!(
            "{exponent:>5} {:>10} {:>5} MiB | {:>7.2}% | {:>6.2}% {:>6.2}% {:>6.2}% {:>6.2}% | {:.2} MiB",
            requests.len(),
            sieve.stored_bytes() >> 20,
            100.0 * perfect.hit_ratio(),
            100.0 * sieve_ratio,
            100.0 * lru,
            100.0 * lfu,
            100.0 * ttl,
            most_bytes as f64 / f64::from(1 << 20),
        );
        anyhow::ensure!(most_bytes <= max_bytes, "the bound was passed: {most_bytes} of {max_bytes} bytes");
        if sieve_ratio.max(lfu) <= lru.max(perfect.hit_ratio()) {
            behind.push(*exponent);
        }
    }
    anyhow::ensure!(behind.is_empty(), "neither SIEVE nor LFU is ahead of LRU at {behind:?}");
    println!("\nSIEVE or LFU is ahead of LRU, the perfect one included, at every exponent; the bound held.");
    Ok(())
}
