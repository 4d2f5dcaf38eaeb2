//! How near each eviction policy comes to perfect, over the pure core: `make bench-cache`.
//!
//! Four workers with a first level each, over one store, which is a map in memory with the versions and the count that
//! the proxy has. They serve one trace of requests, Zipf-distributed over more answers than fit, of sizes between 1 and
//! 64 KiB; whoever misses stores. Beside each policy stands what a perfect LRU of the same number of bytes, which knows
//! every use at once and loses none to sets, makes of the same trace. A hit is a request that needs no upstream.

use ballast_bench::cache::{PerfectLru, Shop, Trace};
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
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
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
